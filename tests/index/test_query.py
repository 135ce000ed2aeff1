from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from pydicom.dataset import Dataset
from sqlalchemy import event

from dicom.archive import ArchiveFault, Model
from service.index import Index, Level
from tests.index.conftest import POLICY
from tests.index.made import MR, add, dataset, found, query, received, texts

PATIENT_ROOT, STUDY_ROOT = Model.PATIENT_ROOT, Model.STUDY_ROOT


@pytest.fixture
def filled(index: Index) -> Index:
    """Two patients, three studies, four series, six instances."""
    first: dict[str, Any] = {"PatientID": "P1", "PatientName": "Doe^Jane", "StudyDate": "20240105"}
    for number in (2, 10, 1):
        add(index, **first, StudyInstanceUID="1.1", SeriesInstanceUID="1.1.1",
            SOPInstanceUID=f"1.1.1.{number}", InstanceNumber=str(number), Rows=512)  # fmt: skip
    add(index, **first, StudyInstanceUID="1.1", SeriesInstanceUID="1.1.2", Modality="SR")
    second: dict[str, Any] = {"PatientID": "P1", "PatientName": "Doe^Jane", "StudyDate": "20240220"}
    add(index, **second, StudyInstanceUID="1.2", SeriesInstanceUID="1.2.1", Modality="CT")
    third: dict[str, Any] = {
        "PatientID": "P2",
        "PatientName": "Röntgen^Anna=レントゲン",
        "StudyDate": "",
    }
    add(index, facts={"sop_class_uid": MR}, **third, StudyInstanceUID="1.3",
        SeriesInstanceUID="1.3.1", Modality="MR")  # fmt: skip
    return index


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ({"PatientID": "P1"}, ["1.1", "1.2"]),
        ({"PatientID": "p1"}, []),
        ({"PatientID": "P*"}, ["1.1", "1.2", "1.3"]),
        ({"PatientName": "doe^jane"}, ["1.1", "1.2"]),
        ({"PatientName": "RÖNT*"}, ["1.3"]),
        ({"PatientName": "レントゲン"}, ["1.3"]),
        ({"StudyDate": "20240101-20240131"}, ["1.1"]),
        ({"StudyDate": "20240106-"}, ["1.2"]),
        ({"StudyDate": ""}, ["1.1", "1.2", "1.3"]),
        ({"StudyInstanceUID": ["1.3", "1.1", "1.9"]}, ["1.1", "1.3"]),
        ({"ModalitiesInStudy": "SR"}, ["1.1"]),
        ({"ModalitiesInStudy": ["MR", "SR"]}, ["1.1", "1.3"]),
        ({"SOPClassesInStudy": MR}, ["1.3"]),
        ({"NumberOfStudyRelatedInstances": "4"}, ["1.1"]),
        ({"StudyDate": "20240105", "PatientName": "*jane", "ModalitiesInStudy": "C?"}, ["1.1"]),
    ],
)
def test_studies_match(filled: Index, keys: dict[str, Any], expected: list[str]) -> None:
    assert texts(found(filled, "STUDY", **keys), "StudyInstanceUID") == expected


def test_computed_attributes_of_a_patient(filled: Index) -> None:
    keys: dict[str, Any] = dict.fromkeys(
        ("NumberOfPatientRelatedStudies", "NumberOfPatientRelatedSeries",
         "NumberOfPatientRelatedInstances", "InstanceAvailability", "RetrieveAETitle"), "",
    )  # fmt: skip
    counts = [
        [match[key].value for key in keys]
        for match in found(filled, "PATIENT", PATIENT_ROOT, **keys)
    ]
    assert counts == [[2, 3, 5, "ONLINE", "RADIOLITH"], [1, 1, 1, "ONLINE", "RADIOLITH"]]


def test_computed_attributes_of_studies_and_series(filled: Index) -> None:
    study = found(
        filled,
        "STUDY",
        StudyInstanceUID="1.1",
        ModalitiesInStudy="",
        NumberOfStudyRelatedSeries="",
        NumberOfStudyRelatedInstances="",
        NumberOfPatientRelatedStudies="",
    )[0]
    assert list(study.ModalitiesInStudy) == ["CT", "SR"]
    assert (study.NumberOfStudyRelatedSeries, study.NumberOfStudyRelatedInstances) == (2, 4)
    assert study.NumberOfPatientRelatedStudies == 2
    series = found(filled, "SERIES", StudyInstanceUID="1.1", NumberOfSeriesRelatedInstances="")
    assert [one.NumberOfSeriesRelatedInstances for one in series] == [3, 1]
    assert [one.SeriesInstanceUID for one in series] == ["1.1.1", "1.1.2"]


def test_images_answer_their_own_attributes_and_those_above(filled: Index) -> None:
    above: dict[str, Any] = {"StudyInstanceUID": "1.1", "SeriesInstanceUID": "1.1.1"}
    images = found(
        filled, "IMAGE", **above, InstanceNumber="10", Rows="", PatientName="", StudyDate=""
    )
    assert len(images) == 1
    image = images[0]
    assert (image.SOPInstanceUID, image.Rows, image.PatientName) == ("1.1.1.10", 512, "Doe^Jane")
    assert image.StudyDate == "20240105"
    assert image.SpecificCharacterSet == "ISO_IR 192"


def test_an_attribute_asked_for_and_unknown_comes_back_empty(filled: Index) -> None:
    study = found(filled, "STUDY", StudyInstanceUID="1.1", StudyDescription="")[0]
    assert study["StudyDescription"].is_empty


def test_optional_keys_that_are_not_supported_are_named_and_left_out(filled: Index) -> None:
    asked = query("STUDY", StudyInstanceUID="1.1", InstitutionName="X", Rows="", SOPInstanceUID="")
    match = next(filled.find(asked))
    assert match.unsupported == {0x00080080, 0x00280010, 0x00080018}
    assert "InstitutionName" not in match.attributes


def test_new_return_keys_need_no_new_indexing(opened: Callable[..., Index]) -> None:
    add(opened(), InstitutionName="Hospital")
    keys = {**POLICY.keys, Level.SERIES: POLICY.keys[Level.SERIES] | {"00080080"}}
    again = opened(replace(POLICY, keys=keys))
    (series,) = found(again, "SERIES", StudyInstanceUID="1.1", InstitutionName="Hosp*")
    assert series.InstitutionName == "Hospital"


def test_sequences_match_by_item_and_return_what_is_asked(index: Index) -> None:
    code = dataset(CodeValue="CT1", CodingSchemeDesignator="99X", CodeMeaning="head")
    add(index, ProcedureCodeSequence=[dataset(CodeValue="X"), code])
    for value, count in (("CT1", 1), ("C*", 1), ("CT2", 0)):
        asked = [dataset(CodeValue=value, CodingSchemeDesignator="99X")]
        assert len(found(index, "STUDY", ProcedureCodeSequence=asked)) == count
    asked = [dataset(CodeValue="CT1", CodingSchemeDesignator="")]
    (study,) = found(index, "STUDY", ProcedureCodeSequence=asked)
    assert study.ProcedureCodeSequence[1] == dataset(CodeValue="CT1", CodingSchemeDesignator="99X")


def test_private_attributes_can_be_made_keys(index: Index) -> None:
    made = dataset(SOPInstanceUID="1.1.1.9")
    made.add_new(0x00091001, "LO", "secret")
    made.StudyInstanceUID, made.SeriesInstanceUID = "1.1", "1.1.1"
    index.add(received(made), made)
    asked = query("IMAGE", StudyInstanceUID="1.1", SeriesInstanceUID="1.1.1")
    asked.identifier.add_new(0x00091001, "LO", "sec*")
    assert next(index.find(asked)).attributes[0x00091001].value == "secret"


@pytest.mark.parametrize(
    ("level", "model", "keys"),
    [
        ("PATIENT", STUDY_ROOT, {}),
        ("FRAME", STUDY_ROOT, {}),
        ("SERIES", STUDY_ROOT, {}),
        ("SERIES", STUDY_ROOT, {"StudyInstanceUID": ""}),
        ("SERIES", STUDY_ROOT, {"StudyInstanceUID": ["1.1", "1.2"]}),
        ("IMAGE", STUDY_ROOT, {"StudyInstanceUID": "1.1"}),
        ("STUDY", PATIENT_ROOT, {"StudyInstanceUID": "1.1"}),
        ("STUDY", PATIENT_ROOT, {"PatientID": "*"}),
        ("IMAGE", PATIENT_ROOT, {"PatientID": "P1", "StudyInstanceUID": "1.1"}),
    ],
)
def test_a_hierarchy_without_its_unique_keys_is_refused(
    filled: Index, level: str, model: Model, keys: dict[str, Any]
) -> None:
    for ask in (filled.find, filled.select):
        with pytest.raises(ArchiveFault) as caught:
            ask(query(level, model, **keys))
        assert caught.value.status == 0xA900
        assert len(caught.value.comment) <= 64


def test_selection_is_ordered_by_instance_number(filled: Index) -> None:
    selected = filled.select(query("STUDY", StudyInstanceUID="1.1"))
    uids = [one.sop_instance_uid for one in selected]
    assert uids[:3] == ["1.1.1.1", "1.1.1.2", "1.1.1.10"]
    assert len(uids) == 4


@pytest.mark.parametrize(
    ("level", "model", "keys", "count"),
    [
        ("PATIENT", PATIENT_ROOT, {"PatientID": "P1"}, 5),
        ("PATIENT", PATIENT_ROOT, {"PatientID": "p1"}, 0),
        ("STUDY", PATIENT_ROOT, {"PatientID": "P1", "StudyInstanceUID": ["1.1", "1.3"]}, 4),
        ("STUDY", STUDY_ROOT, {"StudyInstanceUID": ["1.1", "1.3"]}, 5),
        ("SERIES", STUDY_ROOT, {"StudyInstanceUID": "1.1", "SeriesInstanceUID": "1.1.2"}, 1),
        (
            "IMAGE",
            STUDY_ROOT,
            {
                "StudyInstanceUID": "1.1",
                "SeriesInstanceUID": "1.1.1",
                "SOPInstanceUID": [f"1.1.1.{number}" for number in range(2000)],
            },
            3,
        ),
    ],
)
def test_selection_covers_a_level(
    filled: Index, level: str, model: Model, keys: dict[str, Any], count: int
) -> None:
    selected = filled.select(query(level, model, **keys))
    assert len({one.revision_id for one in selected}) == len(selected) == count


@pytest.mark.parametrize("keys", [{}, {"StudyInstanceUID": ""}])
def test_a_retrieval_of_nothing_named_is_refused(filled: Index, keys: dict[str, Any]) -> None:
    with pytest.raises(ArchiveFault, match="0xA900"):
        filled.select(query("STUDY", **keys))


def test_replies_come_lazily_a_page_at_a_time(index: Index) -> None:
    for number in range(20):
        add(index, StudyInstanceUID=f"1.{number}")
    statements: list[str] = []
    engine = index._database.engine
    event.listen(engine, "after_cursor_execute", lambda *call: statements.append(call[2]))
    matches = index.find(query("STUDY", StudyInstanceUID=""))
    next(matches)
    assert len([sql for sql in statements if sql.startswith("SELECT")]) == 1
    assert len(list(matches)) == 19
    assert len([sql for sql in statements if sql.startswith("SELECT")]) == 3


def test_what_is_added_during_a_query_disturbs_nothing(index: Index) -> None:
    for number in range(10):
        add(index, StudyInstanceUID=f"1.{number}")
    matches: Iterator[Dataset] = (
        match.attributes for match in index.find(query("STUDY", StudyInstanceUID=""))
    )
    seen = [next(matches).StudyInstanceUID]
    add(index, StudyInstanceUID="1.99")
    seen += [match.StudyInstanceUID for match in matches]
    assert seen == [f"1.{number}" for number in range(10)] + ["1.99"]
