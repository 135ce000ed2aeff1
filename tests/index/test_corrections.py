from __future__ import annotations

from pathlib import Path

import pytest

from dicom.archive import Model
from service.errors import Conflict, DataFault, Unknown
from service.index import Author, Index, patient
from tests.index.made import add, dataset, found, query, texts

JANE, JOHN = patient("P1"), patient("P2")
AUTHOR = Author("admin", "registered twice")


@pytest.fixture
def two(index: Index) -> Index:
    """Two patients: Jane with studies 1.1 and 1.2, John with 1.3."""
    add(index, StudyInstanceUID="1.1", SeriesInstanceUID="1.1.1", SOPInstanceUID="1.1.1.1")
    add(index, StudyInstanceUID="1.2")
    add(index, PatientID="P2", PatientName="Doe^John", StudyInstanceUID="1.3", PatientSex="M")
    return index


def shown(index: Index) -> dict[str, list[str]]:
    """Give each patient's studies as queries see them."""
    return {
        one: texts(
            found(index, "STUDY", Model.PATIENT_ROOT, PatientID=one, StudyInstanceUID=""),
            "StudyInstanceUID",
        )
        for one in texts(found(index, "PATIENT", Model.PATIENT_ROOT), "PatientID")
    }


def test_merged_patients_are_one_in_queries_and_retrievals(two: Index) -> None:
    two.corrections.merge(JANE, JOHN, AUTHOR)
    assert shown(two) == {"P2": ["1.1", "1.2", "1.3"]}
    assert texts(found(two, "STUDY", StudyInstanceUID="1.1", PatientName=""), "PatientName") == [
        "Doe^John"
    ]
    assert len(two.select(query("PATIENT", Model.PATIENT_ROOT, PatientID="P2"))) == 3
    assert two.select(query("PATIENT", Model.PATIENT_ROOT, PatientID="P1")) == []


def test_what_comes_later_is_merged_too(two: Index) -> None:
    two.corrections.merge(JANE, JOHN, AUTHOR)
    add(two, StudyInstanceUID="1.4")
    assert shown(two) == {"P2": ["1.1", "1.2", "1.3", "1.4"]}


def test_merges_follow_each_other_and_are_undone_singly(two: Index) -> None:
    add(two, PatientID="P3", StudyInstanceUID="1.5")
    first = two.corrections.merge(JANE, JOHN, AUTHOR)
    two.corrections.merge(JOHN, patient("P3"), AUTHOR)
    assert shown(two) == {"P3": ["1.1", "1.2", "1.3", "1.5"]}
    two.corrections.undo(first, "admin")
    assert shown(two) == {"P1": ["1.1", "1.2"], "P3": ["1.3", "1.5"]}
    with pytest.raises(Unknown):
        two.corrections.undo(first, "admin")


def test_a_study_is_moved_alone(two: Index) -> None:
    moved = two.corrections.move("1.1", JOHN, AUTHOR)
    assert shown(two) == {"P1": ["1.2"], "P2": ["1.1", "1.3"]}
    two.corrections.undo(moved, "admin")
    assert shown(two) == {"P1": ["1.1", "1.2"], "P2": ["1.3"]}


def test_a_renamed_patient_is_found_by_the_new_name_only(two: Index) -> None:
    number = two.corrections.rename(JANE, {"PatientName": "Roe^Jane", "PatientID": "P9"}, AUTHOR)
    assert shown(two)["P9"] == ["1.1", "1.2"]
    assert found(two, "STUDY", PatientName="Doe^Jane") == []
    add(two, StudyInstanceUID="1.6", PatientBirthDate="19700101")
    (renamed,) = found(two, "STUDY", StudyInstanceUID="1.6", PatientName="", PatientBirthDate="")
    assert (renamed.PatientName, renamed.PatientBirthDate) == ("Roe^Jane", "19700101")
    two.corrections.undo(number, "admin")
    (back,) = found(two, "STUDY", StudyInstanceUID="1.6", PatientName="", PatientBirthDate="")
    assert (back.PatientName, back.PatientBirthDate) == ("Doe^Jane", "19700101")


def test_coerced_attributes_are_those_that_differ_from_the_received(two: Index) -> None:
    (one,) = two.select(query("STUDY", StudyInstanceUID="1.1"))
    assert two.corrections.coerced(one.revision_id) is None
    two.corrections.merge(JANE, JOHN, AUTHOR)
    expected = dataset(PatientName="Doe^John", PatientID="P2", PatientSex="M")
    assert two.corrections.coerced(one.revision_id) == expected


def test_a_merged_patient_loses_its_issuer_and_no_dataset_its_character_set(index: Index) -> None:
    source = add(index, PatientID="P1", IssuerOfPatientID="CLINIC")
    add(index, PatientID="P2", StudyInstanceUID="1.3", SpecificCharacterSet="ISO_IR 100")
    index.corrections.merge(patient("P1", "CLINIC"), patient("P2"), AUTHOR)
    expected = dataset(PatientID="P2", IssuerOfPatientID=None)
    assert index.corrections.coerced(source.revision_id) == expected


def test_a_patient_that_comes_back_comes_back_corrected(index: Index) -> None:
    """A patient's row goes with its last instance; the correction stays."""
    add(index, SOPInstanceUID="1.1.1.1")
    index.corrections.rename(JANE, {"PatientName": "Roe^Jane"}, AUTHOR)
    renumbered = add(index, SOPInstanceUID="1.1.1.1", PatientID="P2")
    index.revisions.accept(renumbered.revision_id, "admin", "wrong patient")
    assert texts(found(index, "PATIENT", Model.PATIENT_ROOT), "PatientID") == ["P2"]
    add(index, PatientID="P1")
    (jane,) = found(index, "PATIENT", Model.PATIENT_ROOT, PatientID="P1", PatientName="")
    assert jane.PatientName == "Roe^Jane"


def test_corrections_are_listed_with_who_when_and_why(two: Index) -> None:
    number = two.corrections.merge(JANE, JOHN, AUTHOR)
    two.corrections.undo(number, "other")
    (one,) = two.corrections.list()
    assert (one.kind, one.by, one.reason, one.undone_by) == (
        "merge", "admin", "registered twice", "other",
    )  # fmt: skip
    assert one.undone_at is not None
    assert one.at <= one.undone_at
    events = [entry.event for entry in two.trail.entries()]
    assert events[-2:] == ["correction", "correction undone"]


def test_corrections_are_restored_into_another_index(two: Index, tmp_path: Path) -> None:
    two.corrections.merge(JANE, JOHN, AUTHOR)
    two.corrections.undo(two.corrections.rename(JOHN, {"PatientSex": "O"}, AUTHOR), "admin")
    kept = two.corrections.list()
    other = Index.open(f"sqlite:///{tmp_path / 'other.sqlite'}", create=True)
    add(other, StudyInstanceUID="1.1")
    add(other, PatientID="P2", StudyInstanceUID="1.3")
    other.corrections.restore(kept)
    assert shown(other) == {"P2": ["1.1", "1.3"]}
    assert other.corrections.list() == kept
    other.close()


def test_corrections_that_make_no_sense_are_refused(two: Index) -> None:
    corrections = two.corrections
    with pytest.raises(Unknown):
        corrections.merge(JANE, patient("P7"), AUTHOR)
    with pytest.raises(Unknown):
        corrections.move("9.9", JOHN, AUTHOR)
    with pytest.raises(Conflict):
        corrections.merge(JANE, JANE, AUTHOR)
    with pytest.raises(Conflict, match="merge them"):
        corrections.rename(JANE, {"PatientID": "P2"}, AUTHOR)
    with pytest.raises(Conflict, match="StudyDate"):
        corrections.rename(JANE, {"StudyDate": "20240101"}, AUTHOR)
    corrections.merge(JANE, JOHN, AUTHOR)
    with pytest.raises(Conflict, match="merged"):
        corrections.merge(JOHN, JANE, AUTHOR)
    add(two, PatientID="P3", StudyInstanceUID="1.1")
    with pytest.raises(Conflict, match="several"):
        corrections.move("1.1", JOHN, AUTHOR)
    corrections.move("1.1", JOHN, AUTHOR, source=patient("P3"))
    assert len(corrections.list()) == 2


@pytest.mark.parametrize(
    ("keyword", "value"),
    [
        ("PatientSex", "男"),
        ("PatientBirthDate", "1970"),
        ("PatientName", "Doe\udce9^Jane"),
        ("PatientID", "9" * 65),
        ("PatientSpeciesCodeSequence", "dog"),
    ],
)
def test_a_value_that_its_vr_cannot_hold_is_refused(two: Index, keyword: str, value: str) -> None:
    with pytest.raises(DataFault, match=keyword) as caught:
        two.corrections.rename(JANE, {"PatientComments": "é", keyword: value}, AUTHOR)
    assert value not in str(caught.value)
    assert caught.value.__cause__ is None
    assert two.corrections.list() == []
    two.corrections.rename(JANE, {keyword: ""}, AUTHOR)


def test_a_patient_without_id_is_named_by_the_study(two: Index) -> None:
    add(two, PatientID="", StudyInstanceUID="1.8")
    two.corrections.merge(patient("", study_uid="1.8"), JOHN, AUTHOR)
    assert shown(two)["P2"] == ["1.3", "1.8"]
