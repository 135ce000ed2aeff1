from __future__ import annotations

from pathlib import Path

import pytest

from config.errors import SettingsError
from config.settings import load
from service.index import Level, Policy


def test_the_default_settings_make_a_policy(tmp_path: Path) -> None:
    policy = Policy.of(load(tmp_path))
    assert "00081030" in policy.keys[Level.STUDY]
    assert "00100020" in policy.keys[Level.PATIENT]
    assert policy.ae_title == "RADIOLITH"


@pytest.mark.parametrize(
    ("section", "names", "told"),
    [
        ("study_keys", ["StudyDescripton"], "query.study_keys: no such attribute: StudyDescripton"),
        ("study_keys", ["Rows"], "query.study_keys: Rows is an attribute of the IMAGE level"),
        ("patient_keys", ["00081030"], "query.patient_keys: 00081030 .* STUDY level"),
    ],
)
def test_return_keys_that_a_level_cannot_answer_are_refused(
    tmp_path: Path, section: str, names: list[str], told: str
) -> None:
    with pytest.raises(SettingsError, match=told):
        Policy.of(load(tmp_path, {"query": {section: names}}))
