"""The canary: a patient goes through everything, and is found in the index and nowhere else."""

from __future__ import annotations

from pathlib import Path

import pytest

from service.sealing.clear import clear_uid
from tests.phi import canary


@pytest.mark.parametrize("text", [*canary.PERSON, *canary.UIDS])
@pytest.mark.parametrize("before", [b"", b"x", b"xy"])
def test_the_search_finds_what_is_there(tmp_path: Path, text: str, before: bytes) -> None:
    from base64 import b64encode

    for number, content in enumerate(
        (
            before + text.encode(),
            before + text.upper().encode(),
            before + text.encode("utf-16-le"),
            before + text.encode().hex().encode(),
            b64encode(before + text.encode() + before),
        )
    ):
        path = tmp_path / str(number)
        path.write_bytes(content)
        assert (str(path), text) in canary.found([tmp_path], [text])
    (tmp_path / "other").write_bytes(b"nothing of the kind" * 100)
    assert not canary.found([tmp_path / "other"], [text])


@pytest.mark.parametrize(
    "uid", [canary.WITH_NUL, canary.WITH_NAME, "1.2.3 Smith", "1.2\x003", "ü.1"]
)
def test_what_is_no_uid_does_not_stand_in_the_clear(uid: str) -> None:
    shown = clear_uid(uid)
    assert shown != uid
    assert set(shown) <= set("0123456789.")
    assert clear_uid(canary.INSTANCE) == canary.INSTANCE
