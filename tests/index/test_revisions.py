from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Literal

import pytest
from pydicom.dataset import Dataset

from service.errors import Conflict, Unknown
from service.index import Index
from tests.index.conftest import POLICY
from tests.index.made import (
    EXPLICIT,
    JPEG_BASELINE,
    MR,
    add,
    archive_all,
    dataset,
    facts,
    found,
    query,
    received,
    texts,
)

IMAGE: dict[str, Any] = {"StudyInstanceUID": "1.1", "SeriesInstanceUID": "1.1.1"}


def served(index: Index, uid: str = "1.5") -> list[int]:
    return [one.revision_id for one in index.select(query("IMAGE", **IMAGE, SOPInstanceUID=uid))]


def test_the_same_bytes_are_kept_once(index: Index) -> None:
    first = add(index, b"same", SOPInstanceUID="1.5")
    second = add(index, b"same", SOPInstanceUID="1.5")
    assert (first.duplicate, second.duplicate) == (False, True)
    assert second.revision_id == first.revision_id
    assert index.statistics().revisions == 1
    assert [entry.event for entry in index.trail.entries()] == ["stored"]


def test_the_same_bytes_in_another_transfer_syntax_are_another_revision(index: Index) -> None:
    add(index, b"same", SOPInstanceUID="1.5")
    implicit = {"transfer_syntax": "1.2.840.10008.1.2"}
    assert add(index, b"same", implicit, SOPInstanceUID="1.5").revision == 2


def test_duplicates_are_looked_for_among_all_revisions(index: Index) -> None:
    add(index, b"one", SOPInstanceUID="1.5")
    add(index, b"two", SOPInstanceUID="1.5")
    assert add(index, b"one", SOPInstanceUID="1.5").duplicate
    quarantined = add(index, b"three", SOPInstanceUID="1.5", PatientID="P2")
    again = add(index, b"three", SOPInstanceUID="1.5", PatientID="P2")
    assert (again.duplicate, again.revision_id) == (True, quarantined.revision_id)


@pytest.mark.parametrize(("serve", "expected"), [("newest", 1), ("first", 0)])
def test_the_policy_says_which_revision_is_served(
    opened: Callable[..., Index], serve: Literal["newest", "first"], expected: int
) -> None:
    index = opened(replace(POLICY, serve=serve))
    rows = [add(index, SOPInstanceUID="1.5", StudyDescription=str(n)) for n in range(2)]
    assert served(index) == [rows[expected].revision_id]
    assert texts(found(index, "STUDY", StudyDescription=""), "StudyDescription") == [str(expected)]


@pytest.mark.parametrize("serve", ["newest", "first"])
def test_which_is_served_goes_by_the_receive_sequence_not_by_arrival(
    opened: Callable[..., Index], serve: Literal["newest", "first"]
) -> None:
    index = opened(replace(POLICY, serve=serve))
    late = add(index, facts={"sequence": 200}, SOPInstanceUID="1.5")
    early = add(index, facts={"sequence": 100}, SOPInstanceUID="1.5")
    expected = late if serve == "newest" else early
    assert served(index) == [expected.revision_id]


@pytest.mark.parametrize(
    ("change", "facts", "reason"),
    [
        ({"PatientID": "P2"}, {}, "patient"),
        ({"IssuerOfPatientID": "H2"}, {}, "patient"),
        ({"StudyInstanceUID": "1.2"}, {}, "study"),
        ({}, {"sop_class_uid": MR}, "class"),
        ({}, {"transfer_syntax": JPEG_BASELINE}, "lossy"),
        ({"LossyImageCompression": "01"}, {}, "lossy"),
    ],
)
def test_a_revision_that_changes_too_much_is_quarantined(
    index: Index, change: dict[str, Any], facts: dict[str, Any], reason: str
) -> None:
    first = add(index, SOPInstanceUID="1.5")
    second = add(index, facts=facts, SOPInstanceUID="1.5", **change)
    assert second.quarantined == reason
    assert served(index) == [first.revision_id]
    assert index.statistics().instances == index.statistics().quarantined == 1
    waiting = index.revisions.quarantined()
    assert [one.servable.revision_id for one in waiting] == [second.revision_id]
    assert [one.number for one in index.revisions.of_instance("1.5")] == [1, 2]


def test_lossy_after_lossy_and_another_series_are_no_reason(index: Index) -> None:
    lossy = {"transfer_syntax": JPEG_BASELINE}
    add(index, facts=lossy, SOPInstanceUID="1.5")
    assert add(index, facts=lossy, SOPInstanceUID="1.5").quarantined is None
    assert add(index, SOPInstanceUID="1.5", SeriesInstanceUID="1.1.9").quarantined is None
    assert texts(found(index, "SERIES", StudyInstanceUID="1.1"), "SeriesInstanceUID") == ["1.1.9"]


def test_an_accepted_revision_is_served_where_it_belongs(index: Index) -> None:
    add(index, SOPInstanceUID="1.5")
    second = add(index, SOPInstanceUID="1.5", PatientID="P2", StudyInstanceUID="1.2")
    index.revisions.accept(second.revision_id, "admin", "sent to the wrong patient first")
    assert texts(found(index, "STUDY", PatientID=""), "PatientID") == ["P2"]
    moved = query("IMAGE", StudyInstanceUID="1.2", SeriesInstanceUID="1.1.1", SOPInstanceUID="1.5")
    assert [one.revision_id for one in index.select(moved)] == [second.revision_id]
    assert served(index) == []
    assert index.statistics().patients == 1
    assert index.revisions.quarantined() == []
    with pytest.raises(Unknown):
        index.revisions.accept(second.revision_id, "admin", "again")


def test_a_rejected_revision_stays_stored_and_unserved(index: Index) -> None:
    first = add(index, SOPInstanceUID="1.5")
    second = add(index, SOPInstanceUID="1.5", PatientID="P2")
    index.revisions.reject(second.revision_id, "admin", "a mistake")
    assert served(index) == [first.revision_id]
    assert index.revisions.quarantined() == []
    assert index.revisions.get(second.revision_id).rejected
    assert index.journal_count() == 2


def test_a_mismatch_of_command_and_dataset_is_flagged_and_both_uids_resolve(index: Index) -> None:
    named = {"command_sop_instance_uid": "9.9", "command_sop_class_uid": MR}
    added = add(index, facts=named, SOPInstanceUID="1.5")
    assert (added.instance_mismatch, added.class_mismatch) == (True, True)
    assert served(index, "1.5") == served(index, "9.9") == [added.revision_id]
    assert len(index.select(query("IMAGE", **IMAGE, SOPInstanceUID=["9.9", "1.5"]))) == 1
    assert index.revisions.get(added.revision_id).command_sop_instance_uid == "9.9"
    add(index)
    add(index, facts={"command_sop_instance_uid": "", "command_sop_class_uid": ""})
    assert index.statistics().mismatched == 1


def test_the_same_bytes_under_other_command_uids_are_found_by_each(index: Index) -> None:
    first = add(index, b"same", {"command_sop_instance_uid": "9.8"}, SOPInstanceUID="1.5")
    for command_uid in ("9.9", "9.9", "9.8", "1.5", ""):
        named = {"command_sop_instance_uid": command_uid}
        assert add(index, b"same", named, SOPInstanceUID="1.5").duplicate
    assert index.statistics().revisions == 1
    assert [served(index, uid) for uid in ("1.5", "9.8", "9.9")] == [[first.revision_id]] * 3


def test_a_uid_names_the_instance_whose_dataset_has_it_before_one_of_a_command(
    index: Index,
) -> None:
    other = add(index, facts={"command_sop_instance_uid": "1.5"}, SOPInstanceUID="1.6")
    assert served(index, "1.5") == [other.revision_id]
    owner = add(index, SOPInstanceUID="1.5")
    assert served(index, "1.5") == [owner.revision_id]
    assert served(index, "1.6") == [other.revision_id]
    both = index.select(query("IMAGE", **IMAGE, SOPInstanceUID=["1.5", "1.6"]))
    assert [one.revision_id for one in both] == [other.revision_id, owner.revision_id]


def test_without_patient_id_each_study_is_a_patient(index: Index) -> None:
    for study in ("1.1", "1.1", "1.2"):
        add(index, PatientID="", StudyInstanceUID=study)
    add(index, PatientID="P1", IssuerOfPatientID="A", StudyInstanceUID="1.3")
    add(index, PatientID="P1", IssuerOfPatientID="B", StudyInstanceUID="1.4")
    add(index, PatientID="P1", IssuerOfPatientID="B", StudyInstanceUID="1.5")
    assert index.statistics().patients == 4


def test_missing_study_and_series_uids_get_surrogates_that_are_found(index: Index) -> None:
    add(index, StudyInstanceUID="", SeriesInstanceUID="", SOPInstanceUID="1.5")
    (study,) = texts(found(index, "STUDY", StudyInstanceUID=""), "StudyInstanceUID")
    assert study.startswith("2.25.")
    (series,) = texts(found(index, "SERIES", StudyInstanceUID=study), "SeriesInstanceUID")
    assert len(index.select(query("SERIES", StudyInstanceUID=study, SeriesInstanceUID=series))) == 1


def test_one_study_uid_under_two_patients_is_kept_twice(index: Index) -> None:
    for patient in ("P1", "P2"):
        add(index, PatientID=patient)
    add(index, PatientID="P3", StudyInstanceUID="1.2")
    same = found(index, "STUDY", PatientID="", StudyInstanceUID="1.1")
    assert texts(same, "PatientID") == ["P1", "P2"]
    assert index.statistics().ambiguous_studies == 2
    assert len(index.select(query("STUDY", StudyInstanceUID="1.1"))) == 2


@pytest.mark.parametrize(
    "uid", ["", "1.2\0", "../../etc/passwd", "Ünï\udc80cøde", "a\\b", "x" * 999]
)
def test_uids_are_opaque(index: Index, uid: str) -> None:
    made = dataset(PatientID="P\0\udcff\\")
    opaque = received(made, sop_instance_uid=uid, study_uid=uid, series_uid=uid, calling_ae=uid)
    row = index.add(opaque, made).revision_id
    assert index.revisions.get(row).servable.sop_instance_uid == uid.strip("\0")
    assert index.revisions.get(row).calling_ae == uid


def test_attributes_are_kept_but_bulk_and_long_ones(index: Index) -> None:
    made = dataset(Rows=512, ImageType=["ORIGINAL", "PRIMARY"], PatientWeight="70.50")
    made.ImageComments = "x" * 5000
    made.RedPaletteColorLookupTableData = b"\0" * 10
    made.RequestAttributesSequence = [dataset(ScheduledProcedureStepID="S1")]
    made.RequestAttributesSequence[0].private_block(0x0009, "R", create=True).add_new(1, "LO", "p")
    made.add_new(0x00280106, "US", None)
    row = index.add(received(made), made).revision_id
    assert index.revisions.attributes(row) == {
        "00101030": ["DS", "70.50"],
        "00280010": ["US", 512],
        "00080008": ["CS", "ORIGINAL", "PRIMARY"],
        "00280106": ["US"],
        "00400275": [
            "SQ",
            {"00090010": ["LO", "R"], "00091001": ["LO", "p"], "00400009": ["SH", "S1"]},
        ],
    }


def test_levels_keep_the_latest_value_that_is_not_empty(index: Index) -> None:
    add(index, StudyDescription="old", PatientSex="F")
    add(index, StudyDescription="new", PatientSex="")
    (study,) = found(index, "STUDY", StudyDescription="", PatientSex="")
    assert (study.StudyDescription, study.PatientSex) == ("new", "F")


def test_claims_are_leased_once_and_fall_back(index: Index) -> None:
    rows = [add(index).revision_id for _ in range(3)]
    assert [one.revision_id for one in index.claim("a", 2, 60.0)] == rows[:2]
    assert [one.revision_id for one in index.claim("b", 2, 60.0)] == rows[2:]
    index.release(rows[0])
    index.failed(rows[1], "disk", retry_s=60.0)
    index.failed(rows[2], "disk", retry_s=0.0)
    again = index.claim("c", 5, 0.0)
    assert [(one.revision_id, one.attempts) for one in again] == [(rows[0], 0), (rows[2], 1)]
    assert len(index.claim("d", 5, 60.0)) == 2
    assert index.release_all() == 2
    index.archived(rows[0], facts())
    with pytest.raises(Unknown):
        index.archived(rows[0], facts())
    assert index.journal_count() == 2
    assert [entry.event for entry in index.trail.entries()][-1] == "archived"


def test_objects_are_replaced_once_and_counted_by_key(index: Index) -> None:
    old, new = b"o" * 16, b"n" * 16
    row = add(index).revision_id
    add(index)
    before = facts(old)
    index.archived(row, before)
    assert index.revisions.by_object(before.object_id).servable.revision_id == row
    after = facts(new)
    index.revisions.replace_object(row, before.object_id, after)
    with pytest.raises(Conflict):
        index.revisions.replace_object(row, before.object_id, facts(new))
    assert index.revisions.count_by_key() == {new: 1}
    assert list(index.revisions.object_ids()) == [after.object_id]
    assert [one.servable.revision_id for one in index.revisions.all(key_id=new)] == [row]
    with pytest.raises(Unknown):
        index.revisions.by_object(before.object_id)


def test_all_revisions_are_walked_through_from_any_row(index: Index) -> None:
    rows = [add(index).revision_id for _ in range(5)]
    assert [one.servable.revision_id for one in index.revisions.all()] == rows
    assert [one.servable.revision_id for one in index.revisions.all(after=rows[2])] == rows[3:]
    last = index.revisions.get(rows[4])
    since = index.revisions.all(since=last.received_at)
    assert [one.servable.revision_id for one in since] == rows[4:]
    assert index.last_sequence() == last.sequence


def test_statistics_count_bytes_of_what_is_archived(index: Index) -> None:
    add(index, b"12345")
    archive_all(index)
    add(index, b"1234567")
    held = index.statistics()
    assert (held.received_bytes, held.stored_bytes, held.journal, held.objects) == (5, 100, 1, 1)


def test_an_instance_without_any_attribute_is_kept(index: Index) -> None:
    index.add(received(Dataset(), transfer_syntax=EXPLICIT), Dataset())
    assert index.statistics().studies == 1
