from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import Connection, event

from dicom.archive import Commitment, CommitmentItem
from service.index import Index, commitments
from service.sequence import utc_now
from tests.index.made import CT, MR, PEER, add, archive_all


def asked(*items: tuple[str, str]) -> Commitment:
    return Commitment("2.1", PEER, [CommitmentItem(sop_class, uid) for sop_class, uid in items])


def report(index: Index, *, delivered: bool, retry_s: float = 0.0) -> None:
    """Claim the only report that is due, and note what became of it."""
    (due,) = index.commitments.due()
    assert index.commitments.claim(due)
    index.commitments.reported(due, delivered=delivered, retries=3, retry_s=retry_s)


def failures(index: Index) -> list[int | None]:
    (due,) = index.commitments.due()
    return [item.failure for item in due.items]


def test_what_is_archived_is_committed_under_either_uid(index: Index) -> None:
    add(index, facts={"command_sop_instance_uid": "9.9"}, SOPInstanceUID="1.5")
    archive_all(index)
    index.commitments.add(asked((CT, "1.5"), (CT, "9.9")), wait_s=0.0)
    (due,) = index.commitments.due()
    assert [item.failure for item in due.items] == [None, None]
    assert (due.transaction_uid, due.peer) == ("2.1", PEER)


def test_a_duplicate_is_committed_under_its_own_command_uid(index: Index) -> None:
    add(index, b"same", {"command_sop_instance_uid": "9.8"}, SOPInstanceUID="1.5")
    add(index, b"same", {"command_sop_instance_uid": "9.9"}, SOPInstanceUID="1.5")
    archive_all(index)
    index.commitments.add(asked((CT, "9.8"), (CT, "9.9"), (CT, "9.7")), wait_s=0.0)
    assert failures(index) == [None, None, 0x0112]


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


def test_all_items_of_a_transaction_are_judged_by_one_statement(index: Index) -> None:
    for number in range(5):
        add(index, SOPInstanceUID=f"1.{number}")
        add(index, SOPInstanceUID=f"1.{number}")
    archive_all(index)
    items = [(f"{CT}\0", f"1.{number} ") for number in (4, 9, 0, 0, 3)]
    index.commitments.add(asked(*items), wait_s=0.0)
    executed = []
    with index._database.read() as connection:
        event.listen(connection, "before_execute", lambda *said: executed.append(said))
        judged, waits = commitments._outcomes(connection, 1)
    assert len(executed) == 1
    assert [item.failure for item in judged] == [None, 0x0112, None, None, None]
    assert [item.sop_instance_uid for item in judged] == ["1.4", "1.9", "1.0", "1.0", "1.3"]
    assert not waits


def test_a_report_is_tried_again_until_delivered_or_given_up(index: Index) -> None:
    index.commitments.add(asked((CT, "1.7")), wait_s=0.0)
    report(index, delivered=False)
    report(index, delivered=False, retry_s=60.0)
    assert index.commitments.due() == []
    assert index.commitments.pending() == 1
    index.commitments.reported(asked(), delivered=False, retries=3, retry_s=0.0)
    assert index.commitments.pending() == 0


def test_a_delivered_report_is_done(index: Index) -> None:
    index.commitments.add(asked((CT, "1.7")), wait_s=0.0)
    report(index, delivered=True)
    assert index.commitments.due() == []
    assert index.commitments.pending() == 0
    events = [entry.event for entry in index.trail.entries()]
    assert events == ["commitment requested", "commitment reported"]


def test_the_same_transaction_asked_for_twice_is_one(index: Index) -> None:
    first = index.commitments.add(asked((CT, "1.7")), wait_s=0.0)
    assert index.commitments.add(asked((CT, "1.7")), wait_s=0.0) == first
    assert len(index.commitments.due()) == 1


def test_of_all_that_see_a_report_due_one_claims_it(index: Index) -> None:
    index.commitments.add(asked((CT, "1.7")), wait_s=0.0)
    (due,) = index.commitments.due()
    with ThreadPoolExecutor(8) as pool:
        claims = list(pool.map(lambda _: index.commitments.claim(due), range(8)))
    assert sorted(claims) == [False] * 7 + [True]
    assert index.commitments.due() == []
    index.commitments.reported(due, delivered=False, retries=3, retry_s=0.0)
    assert index.commitments.claim(due), "the next attempt is claimed anew"


def test_a_claim_whose_process_died_runs_out(index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    index.commitments.add(asked((CT, "1.7")), wait_s=0.0)
    (due,) = index.commitments.due()
    assert index.commitments.claim(due)
    later = utc_now() + 301 * 1_000_000
    monkeypatch.setattr(commitments, "utc_now", lambda: later)
    assert index.commitments.due() == [due]
    assert index.commitments.claim(due)
    index.commitments.reported(due, delivered=True, retries=3, retry_s=0.0)
    index.commitments.reported(due, delivered=False, retries=3, retry_s=0.0)
    assert index.commitments.pending() == 0, "delivered stays delivered"


def test_what_was_claimed_while_it_was_judged_is_not_put_off(
    index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(index, SOPInstanceUID="1.5")
    index.commitments.add(asked((CT, "1.5")), wait_s=60.0)
    judge = commitments._outcomes

    def judged_while_another_reports(connection: Connection, number: int) -> object:
        outcome = judge(connection, number)
        monkeypatch.setattr(commitments, "_outcomes", judge)
        archive_all(index)
        report(index, delivered=True)
        return outcome

    monkeypatch.setattr(commitments, "_outcomes", judged_while_another_reports)
    assert index.commitments.due() == []
    assert index.commitments.pending() == 0
