"""Deletions and holds in the index: hidden at once and wholly, back within the grace, then gone."""

from __future__ import annotations

from typing import Any

import pytest

from dicom.archive import Commitment, CommitmentItem
from dicom.status import FailureReason
from service.errors import Conflict, Held, Unknown
from service.index import Author, Index, patient
from service.index.doomed import Doomed
from service.sequence import utc_now
from tests.index.made import CT, PEER, add, archive_all, facts, found, query, texts

ADMIN = Author("admin", "sent to the wrong archive")
STUDY: dict[str, Any] = {"StudyInstanceUID": "1.1"}
SERIES: dict[str, Any] = {**STUDY, "SeriesInstanceUID": "1.1.1"}


def delete(index: Index, level: str, uid: str) -> int:
    """Delete by name; gives the deletion's number."""
    return index.deletions.enter(index.deletions.covering(level, uid).revisions, ADMIN, utc_now())


def uids(index: Index) -> list[str]:
    return texts(found(index, "IMAGE", **SERIES, SOPInstanceUID=""), "SOPInstanceUID")


def rows(index: Index) -> list[tuple[object, ...]]:
    """Give what every level shows, with everything that is computed of it."""
    names = "PatientName", "PatientID", "StudyDescription", "ModalitiesInStudy"
    counts = "NumberOfStudyRelatedInstances", "NumberOfPatientRelatedStudies"
    keys: dict[str, Any] = dict.fromkeys((*names, *counts), "")
    studies = found(index, "STUDY", **keys)
    return [tuple(str(study.get(name) or "") for name in (*names, *counts)) for study in studies]


def test_a_deleted_instance_is_nowhere(index: Index) -> None:
    for uid in ("1.5", "1.6"):
        add(index, SOPInstanceUID=uid)
    archive_all(index)
    delete(index, "instance", "1.5")
    assert uids(index) == ["1.6"]
    assert [one.sop_instance_uid for one in index.select(query("STUDY", **STUDY))] == ["1.6"]
    assert rows(index)[0][4] == "1"
    assert (index.statistics().instances, index.statistics().hidden) == (1, 1)


def test_a_deleted_study_leaves_no_row_above_it(index: Index) -> None:
    add(index, SOPInstanceUID="1.5")
    delete(index, "study", "1.1")
    assert (rows(index), found(index, "STUDY", PatientName="Doe*")) == ([], [])
    counts = index.statistics()
    assert (counts.patients, counts.studies, counts.series, counts.revisions) == (0, 0, 0, 1)


def test_commitment_is_refused_for_what_is_deleted(index: Index) -> None:
    add(index, SOPInstanceUID="1.5")
    archive_all(index)
    index.commitments.add(Commitment("1.9", PEER, [CommitmentItem(CT, "1.5")]), 60.0)
    assert index.commitments.due()[0].items[0].failure is None
    deletion = delete(index, "instance", "1.5")
    (item,) = index.commitments.due()[0].items
    assert item.failure == FailureReason.NO_SUCH_OBJECT_INSTANCE
    index.deletions.undo(deletion, ADMIN)
    assert index.commitments.due()[0].items[0].failure is None


def test_an_undone_deletion_leaves_everything_as_it_was(index: Index) -> None:
    add(index, SOPInstanceUID="1.5", StudyDescription="Head", PatientName="Doe^J")
    add(index, SOPInstanceUID="1.6")
    before = rows(index), uids(index)
    deletion = delete(index, "series", "1.1.1")
    assert uids(index) == []
    index.deletions.undo(deletion, ADMIN)
    assert (rows(index), uids(index)) == before
    with pytest.raises(Conflict):
        index.deletions.undo(deletion, ADMIN)
    with pytest.raises(Conflict):
        index.deletions.purge(deletion, ADMIN)


def test_what_only_the_deleted_said_of_a_study_goes_with_it(index: Index) -> None:
    add(index, SOPInstanceUID="1.5", StudyDescription="Head", PatientName="Wrong^Name")
    add(index, SOPInstanceUID="1.6", PatientName="")
    delete(index, "instance", "1.5")
    assert found(index, "STUDY", PatientName="Wrong*") == []
    assert rows(index)[0][:3] == ("", "P1", "")


def test_rows_after_a_purge_are_those_of_receiving_what_is_left_alone(index: Index) -> None:
    add(index, SOPInstanceUID="1.5", StudyDescription="Head", SeriesDescription="A")
    add(index, SOPInstanceUID="1.6", StudyDescription="Head and neck")
    add(index, SOPInstanceUID="1.7", SeriesInstanceUID="1.1.2", Modality="MR")
    deletion = delete(index, "series", "1.1.2")
    index.deletions.purge(deletion, ADMIN)
    assert rows(index) == [("Doe^Jane", "P1", "Head and neck", "CT", "2", "1")]
    assert index.statistics().revisions == 2


def test_a_purge_names_its_files_until_they_are_gone(index: Index) -> None:
    add(index, b"one", SOPInstanceUID="1.5")
    archive_all(index)
    add(index, b"two", SOPInstanceUID="1.5")
    held = index.revisions.of_instance("1.5")
    deletion = delete(index, "instance", "1.5")
    assert index.deletions.due(utc_now()) == [deletion]
    index.deletions.purge(deletion, ADMIN)
    left = index.deletions.leftover(deletion)
    assert left.objects == [held[0].servable.object_id]
    assert sorted(left.entries) == sorted(one.servable.entry_id for one in held)
    assert index.deletions.due(0) == [deletion], "an interrupted purge is due at once"
    index.deletions.purged(deletion)
    assert index.deletions.due(utc_now()) == []
    assert index.statistics().revisions == 0
    assert [entry.event for entry in index.trail.entries()][-2:] == ["deleted", "purged"]


def test_the_trail_says_who_why_and_which_bytes(index: Index) -> None:
    add(index, SOPInstanceUID="1.5")
    (one,) = index.revisions.of_instance("1.5")
    delete(index, "instance", "1.5")
    entry = list(index.trail.entries())[-1]
    told = entry.details["revisions"][0]
    assert (entry.event, entry.details["by"], entry.details["reason"]) == (
        "deleted", "admin", "sent to the wrong archive",
    )  # fmt: skip
    assert told["sha256"] == one.servable.sha256.hex()
    assert told["entry"] == one.servable.entry_id.hex()


def test_the_same_bytes_stay_hidden_while_they_are_marked(index: Index) -> None:
    add(index, b"same", SOPInstanceUID="1.5")
    delete(index, "instance", "1.5")
    again = add(index, b"same", SOPInstanceUID="1.5")
    assert (again.duplicate, again.past.deleted, uids(index)) == (True, True, [])
    assert list(index.trail.entries())[-1].event == "stored again"


def test_other_bytes_wait_in_quarantine_while_the_instance_is_marked(index: Index) -> None:
    add(index, SOPInstanceUID="1.5", StudyDescription="Wrong")
    deletion = delete(index, "instance", "1.5")
    came = add(index, SOPInstanceUID="1.5", StudyDescription="Right")
    assert (came.quarantined, uids(index)) == ("deleted", [])
    index.deletions.purge(deletion, ADMIN)
    assert [one.number for one in index.revisions.of_instance("1.5")] == [2]
    index.revisions.accept(came.revision_id, "admin", "that is the right one")
    assert (uids(index), rows(index)[0][2]) == (["1.5"], "Right")


def test_what_comes_after_a_purge_is_new(index: Index) -> None:
    add(index, b"same", SOPInstanceUID="1.5")
    deletion = delete(index, "instance", "1.5")
    index.deletions.purge(deletion, ADMIN)
    again = add(index, b"same", SOPInstanceUID="1.5")
    assert (again.duplicate, again.quarantined, again.revision) == (False, None, 2)
    assert uids(index) == ["1.5"]
    assert list(index.trail.entries())[-1].details["before"] == ["purged"]


def test_a_quarantined_revision_of_a_deleted_instance_stays_hidden_when_accepted(
    index: Index,
) -> None:
    add(index, SOPInstanceUID="1.5")
    other = add(index, SOPInstanceUID="1.5", PatientID="P2")
    delete(index, "instance", "1.5")
    index.revisions.accept(other.revision_id, "admin", "")
    assert uids(index) == []
    assert index.statistics().patients == 0


def test_nothing_is_deleted_twice_and_nothing_unknown(index: Index) -> None:
    add(index, SOPInstanceUID="1.5")
    delete(index, "instance", "1.5")
    for level, uid in (("instance", "1.5"), ("study", "1.1"), ("series", "9.9")):
        with pytest.raises(Unknown):
            index.deletions.covering(level, uid)


def test_a_study_of_two_patients_is_deleted_for_one(index: Index) -> None:
    add(index, SOPInstanceUID="1.5")
    add(index, SOPInstanceUID="1.6", PatientID="P2")
    with pytest.raises(Conflict):
        index.deletions.covering("study", "1.1")
    covered = index.deletions.covering("study", "1.1", patient("P2"))
    assert [one.sop_instance_uid for one in covered.revisions] == ["1.6"]
    index.deletions.enter(covered.revisions, ADMIN, utc_now())
    assert index.statistics().ambiguous_studies == 0


@pytest.mark.parametrize(
    ("level", "key"),
    [
        ("patient", patient("P1")),
        ("study", "1.1"),
        ("series", "1.1.1"),
        ("instance", "1.5"),
    ],
)
def test_what_is_held_is_neither_deleted_nor_purged(index: Index, level: str, key: str) -> None:
    add(index, SOPInstanceUID="1.5")
    hold = index.holds.add(level, key, ADMIN)
    assert index.deletions.covering("instance", "1.5").holds == [hold]
    with pytest.raises(Held, match=f"hold {hold}"):
        delete(index, "study", "1.1")
    index.holds.release(hold, ADMIN)
    deletion = delete(index, "study", "1.1")
    again = index.holds.add(level, key, ADMIN)
    with pytest.raises(Held, match=f"hold {again}"):
        index.deletions.purge(deletion, ADMIN)
    assert index.statistics().revisions == 1
    with pytest.raises(Unknown):
        index.holds.release(hold, ADMIN)


def test_a_hold_of_a_patient_holds_what_is_shown_there(index: Index) -> None:
    add(index, SOPInstanceUID="1.5")
    add(index, SOPInstanceUID="1.6", PatientID="P2", StudyInstanceUID="1.2")
    index.corrections.merge(patient("P1"), patient("P2"), ADMIN)
    index.holds.add("patient", patient("P2"), ADMIN)
    with pytest.raises(Held):
        delete(index, "study", "1.1")


def test_a_hold_needs_something_to_hold(index: Index) -> None:
    with pytest.raises(Unknown):
        index.holds.add("study", "1.1", ADMIN)


def test_a_patient_merged_into_one_whose_studies_are_gone_is_shown_again(index: Index) -> None:
    add(index, SOPInstanceUID="1.5")
    add(index, SOPInstanceUID="1.6", PatientID="P2", StudyInstanceUID="1.2")
    index.corrections.merge(patient("P1"), patient("P2"), ADMIN)
    for study in ("1.1", "1.2"):
        index.deletions.purge(delete(index, "study", study), ADMIN)
    assert index.statistics().patients == 0
    add(index, SOPInstanceUID="1.7")
    index.corrections.rename(patient("P1"), {"PatientSex": "O"}, ADMIN)
    assert texts(found(index, "STUDY", PatientID=""), "PatientID") == ["P1"]


def test_a_patient_under_whom_corrections_show_studies_keeps_one_of_its_own(index: Index) -> None:
    add(index, SOPInstanceUID="1.5")
    for study in ("1.2", "1.3"):
        add(index, SOPInstanceUID=f"{study}.1", PatientID="P2", StudyInstanceUID=study)
    merge = index.corrections.merge(patient("P1"), patient("P2"), ADMIN)
    delete(index, "study", "1.2")
    with pytest.raises(Conflict, match="corrections"):
        delete(index, "study", "1.3")
    shown = found(index, "STUDY", PatientID="P2", StudyInstanceUID="")
    assert texts(shown, "StudyInstanceUID") == ["1.1", "1.3"]
    index.corrections.undo(merge, "admin")
    delete(index, "study", "1.3")
    assert texts(found(index, "STUDY", PatientID=""), "PatientID") == ["P1"]


def test_a_deletion_of_what_is_not_there_is_remembered(index: Index) -> None:
    gone = Doomed(b"e" * 16, "1.5", 3, b"h" * 32)
    deletion = index.deletions.enter([gone], ADMIN, utc_now())
    index.deletions.purge(deletion, ADMIN)
    assert index.deletions.purged_entries() == {b"e" * 16: deletion}
    index.deletions.found(deletion, facts().object_id)
    assert len(index.deletions.leftover(deletion).objects) == 1
    assert add(index, SOPInstanceUID="1.5").revision == 4
