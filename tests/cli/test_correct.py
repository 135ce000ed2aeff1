"""`radiolith correct`: patients that only an issuer or a study tells apart."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from service.cli.main import app
from service.home import Home, init
from service.index import patient
from tests.index.made import add, found, texts

REASON = ("--reason", "registered twice")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Home]:
    monkeypatch.setenv("RADIOLITH_HOME", str(tmp_path / "home"))
    init(tmp_path / "home")
    with Home.open(tmp_path / "home") as opened:
        yield opened


def correct(*arguments: str) -> None:
    done = CliRunner().invoke(app, ["correct", *arguments, *REASON])
    assert done.exit_code == 0, done.output


def test_patients_of_two_issuers_are_merged(home: Home) -> None:
    add(home.index, PatientID="P1", IssuerOfPatientID="A", StudyInstanceUID="1.1")
    add(home.index, PatientID="P1", IssuerOfPatientID="B", StudyInstanceUID="1.2")
    correct("merge", "P1", "P1", "--issuer", "A", "--target-issuer", "B")
    studies = found(home.index, "STUDY", IssuerOfPatientID="B", StudyInstanceUID="")
    assert texts(studies, "StudyInstanceUID") == ["1.1", "1.2"]


def test_a_patient_without_id_is_renamed_by_the_study(home: Home) -> None:
    add(home.index, PatientID="", StudyInstanceUID="1.1")
    correct("rename", "", "PatientName=Roe^Jane", "--study", "1.1")
    assert texts(found(home.index, "STUDY", PatientName="roe*"), "PatientName") == ["Roe^Jane"]


def test_a_study_that_two_patients_have_is_moved_from_one(home: Home) -> None:
    for patient_id in ("P1", "P2", "P3"):
        add(
            home.index,
            PatientID=patient_id,
            StudyInstanceUID="1.9" if patient_id == "P3" else "1.1",
        )
    correct("move", "1.1", "P3", "--source", "P2")
    studies = found(home.index, "STUDY", StudyInstanceUID="1.1", PatientID="")
    assert texts(studies, "PatientID") == ["P1", "P3"]
    assert home.index.corrections.list()[0].details["patient"] == patient("P2")
