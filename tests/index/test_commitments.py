from __future__ import annotations

from dicom.archive import Commitment, CommitmentItem
from service.index import Index
from tests.index.made import CT, MR, PEER, add, archive_all


def asked(*items: tuple[str, str]) -> Commitment:
    return Commitment("2.1", PEER, [CommitmentItem(sop_class, uid) for sop_class, uid in items])


def failures(index: Index) -> list[int | None]:
    (due,) = index.commitments.due()
    return [item.failure for item in due.commitment.items]


def test_what_is_archived_is_committed_under_either_uid(index: Index) -> None:
    add(index, facts={"command_sop_instance_uid": "9.9"}, SOPInstanceUID="1.5")
    archive_all(index)
    index.commitments.add(asked((CT, "1.5"), (CT, "9.9")), wait_s=0.0)
    (due,) = index.commitments.due()
    assert [item.failure for item in due.commitment.items] == [None, None]
    assert (due.commitment.transaction_uid, due.commitment.peer) == ("2.1", PEER)


def test_what_waits_in_the_journal_is_waited_for(index: Index) -> None:
    add(index, SOPInstanceUID="1.5")
    index.commitments.add(asked((CT, "1.5")), wait_s=60.0)
    assert index.commitments.due() == []
    assert index.commitments.pending() == 1


def test_when_the_time_is_over_the_item_fails(index: Index) -> None:
    add(index, SOPInstanceUID="1.5")
    index.commitments.add(asked((CT, "1.5")), wait_s=0.0)
    assert failures(index) == [0x0110]


def test_a_new_revision_that_is_not_archived_yet_holds_the_word_back(index: Index) -> None:
    add(index, SOPInstanceUID="1.5")
    archive_all(index)
    add(index, SOPInstanceUID="1.5")
    index.commitments.add(asked((CT, "1.5")), wait_s=0.0)
    assert failures(index) == [0x0110]


def test_unknown_instances_and_other_classes_fail_by_item(index: Index) -> None:
    add(index, SOPInstanceUID="1.5")
    add(index, SOPInstanceUID="1.6")
    archive_all(index)
    index.commitments.add(asked((CT, "1.5"), (CT, "1.7"), (MR, "1.6")), wait_s=60.0)
    assert failures(index) == [None, 0x0112, 0x0119]


def test_a_report_is_tried_again_until_delivered_or_given_up(index: Index) -> None:
    number = index.commitments.add(asked((CT, "1.7")), wait_s=0.0)
    index.commitments.reported(number, delivered=False, retries=3, retry_s=0.0)
    (due,) = index.commitments.due()
    assert (due.id, due.attempts) == (number, 1)
    index.commitments.reported(number, delivered=False, retries=3, retry_s=60.0)
    assert index.commitments.due() == []
    assert index.commitments.pending() == 1
    index.commitments.reported(number, delivered=False, retries=3, retry_s=0.0)
    assert index.commitments.pending() == 0


def test_a_delivered_report_is_done(index: Index) -> None:
    number = index.commitments.add(asked((CT, "1.7")), wait_s=0.0)
    index.commitments.reported(number, delivered=True, retries=3, retry_s=0.0)
    assert index.commitments.due() == []
    assert index.commitments.pending() == 0
    events = [entry.event for entry in index.trail.entries()]
    assert events == ["commitment requested", "commitment reported"]


def test_the_same_transaction_asked_for_twice_is_one(index: Index) -> None:
    first = index.commitments.add(asked((CT, "1.7")), wait_s=0.0)
    assert index.commitments.add(asked((CT, "1.7")), wait_s=0.0) == first
    assert len(index.commitments.due()) == 1
