"""Storage Commitment Push Model (PS3.4 Annex J)."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import generate_uid
from pynetdicom import evt
from pynetdicom.association import Association

from dicom.archive import Commitment, CommitmentItem, Node, Right
from dicom.commitment import send_commitment_report
from dicom.sop_classes import (
    STORAGE_COMMITMENT_PUSH_MODEL,
    STORAGE_COMMITMENT_PUSH_MODEL_INSTANCE,
    VERIFICATION,
)
from tests.dicom_net.conftest import AE_TITLE, CT, OPTIONS, Served, serving
from tests.dicom_net.filling import PEER, fill
from tests.dicom_net.memory_archive import MemoryArchive
from tests.dicom_net.scu import EXPLICIT, accepting, associated
from tests.waiting import wait_for

PUSH = (STORAGE_COMMITMENT_PUSH_MODEL, EXPLICIT)


class Reports:
    """Collects N-EVENT-REPORT requests."""

    def __init__(self, status: int = 0x0000) -> None:
        self.status = status
        self.events: list[tuple[int, Dataset]] = []
        self.arrived = threading.Event()

    def take(self, event: Any) -> tuple[int, None]:
        self.events.append((event.event_type, event.event_information))
        self.arrived.set()
        return self.status, None

    @property
    def handlers(self) -> list[tuple[Any, ...]]:
        return [(evt.EVT_N_EVENT_REPORT, self.take)]


def information(uids: list[str]) -> Dataset:
    dataset = Dataset()
    dataset.TransactionUID = generate_uid()
    dataset.ReferencedSOPSequence = Sequence([reference(uid) for uid in uids])
    return dataset


def reference(uid: str) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID = CT
    item.ReferencedSOPInstanceUID = uid
    return item


def request(association: Association, dataset: Dataset, action: int = 1) -> int:
    status, _ = association.send_n_action(
        dataset, action, STORAGE_COMMITMENT_PUSH_MODEL, STORAGE_COMMITMENT_PUSH_MODEL_INSTANCE
    )
    return int(status.Status)


def uids_of(sequence: Sequence) -> list[str]:
    return [str(item.ReferencedSOPInstanceUID) for item in sequence]


def test_report_on_the_same_association(memory: Served) -> None:
    uids = fill(memory.archive, 2)
    reports = Reports()
    wanted = information([*uids, "1.2.3.404"])
    with associated(memory, PUSH, handlers=reports.handlers) as association:
        assert request(association, wanted) == 0x0000
        assert not reports.arrived.wait(0.6)
        memory.archive.settle()
        assert reports.arrived.wait(5)
        wait_for(lambda: bool(memory.archive.reported), 5)
    ((event_type, report),) = reports.events
    assert event_type == 2
    assert report.TransactionUID == wanted.TransactionUID
    assert report.RetrieveAETitle == AE_TITLE
    assert uids_of(report.ReferencedSOPSequence) == uids
    assert uids_of(report.FailedSOPSequence) == ["1.2.3.404"]
    assert report.FailedSOPSequence[0].FailureReason == 0x0112
    assert [delivered for _, delivered in memory.archive.reported] == [True]


def test_all_instances_of_a_large_series_are_reported(memory: Served) -> None:
    """A thousand references take more than 64 KiB, from where on other sequences are bulk data."""
    uids = fill(memory.archive, 2) * 500
    reports = Reports()
    with associated(memory, PUSH, handlers=reports.handlers) as association:
        assert request(association, information(uids)) == 0x0000
        memory.archive.settle()
        assert reports.arrived.wait(10)
    ((_, report),) = reports.events
    assert uids_of(report.ReferencedSOPSequence) == uids


def test_a_report_that_another_process_has_claimed_is_left_to_it(memory: Served) -> None:
    uids = fill(memory.archive, 1)
    reports = Reports()
    theirs, ours = information(uids), information(uids)
    memory.archive.claimed.add(str(theirs.TransactionUID))
    with associated(memory, PUSH, handlers=reports.handlers) as association:
        for wanted in (theirs, ours):
            assert request(association, wanted) == 0x0000
        memory.archive.settle()
        wait_for(lambda: bool(memory.archive.reported), 5)
    assert [report.TransactionUID for _, report in reports.events] == [ours.TransactionUID]


def test_a_peer_that_releases_first_gets_its_report_later(memory: Served, free_port: int) -> None:
    uids = fill(memory.archive, 2)
    with associated(memory, PUSH, calling="MODALITY") as association:
        assert request(association, information(uids)) == 0x0000
    memory.archive.settle()
    (commitment,) = memory.archive.due_commitments()
    assert commitment.peer.calling_ae == "MODALITY"
    reports = Reports()
    node = Node("DEST", "127.0.0.1", free_port)
    with accepting(
        free_port,
        (STORAGE_COMMITMENT_PUSH_MODEL, [EXPLICIT]),
        handlers=reports.handlers,
        scu_of=[STORAGE_COMMITMENT_PUSH_MODEL],
    ):
        assert send_commitment_report(commitment, node, OPTIONS)
    ((event_type, report),) = reports.events
    assert event_type == 1
    assert uids_of(report.ReferencedSOPSequence) == uids
    assert "FailedSOPSequence" not in report


COMMITMENT = Commitment("1.2.3", PEER, (CommitmentItem(CT, "1.2.3.4"),))


def test_a_report_that_nobody_takes_is_not_delivered(free_port: int) -> None:
    node = Node("DEST", "127.0.0.1", free_port)
    assert not send_commitment_report(COMMITMENT, node, OPTIONS)
    with accepting(free_port, (VERIFICATION, [EXPLICIT]), handlers=[]):
        assert not send_commitment_report(COMMITMENT, node, OPTIONS)
    reports = Reports(status=0x0110)
    with accepting(
        free_port,
        (STORAGE_COMMITMENT_PUSH_MODEL, [EXPLICIT]),
        handlers=reports.handlers,
        scu_of=[STORAGE_COMMITMENT_PUSH_MODEL],
    ):
        assert not send_commitment_report(COMMITMENT, node, OPTIONS)
    assert reports.events


def test_requests_that_are_refused(memory: Served) -> None:
    with associated(memory, PUSH) as association:
        assert request(association, information(["1.2"]), action=2) == 0x0123
        assert request(association, information([])) == 0x0106
        status, _ = association.send_n_action(
            information(["1.2"]), 1, STORAGE_COMMITMENT_PUSH_MODEL, "1.2.3"
        )
        assert status.Status == 0x0112
    assert not memory.archive.requested


def test_not_authorized() -> None:
    archive = MemoryArchive(rights=frozenset(Right) - {Right.COMMIT})
    with serving(archive) as served, associated(served, PUSH) as association:
        assert request(association, information(["1.2"])) == 0x0124


def test_other_requests_are_served_while_a_report_is_awaited(memory: Served) -> None:
    uids = fill(memory.archive, 1)
    reports = Reports()
    verification = (VERIFICATION, EXPLICIT)
    with associated(memory, PUSH, verification, handlers=reports.handlers) as association:
        assert request(association, information(uids)) == 0x0000
        assert association.send_c_echo().Status == 0x0000
        memory.archive.settle()
        assert reports.arrived.wait(5)
        assert association.send_c_echo().Status == 0x0000


@pytest.mark.parametrize("status", [0x0110])
def test_a_report_refused_on_the_same_association_stays_due(memory: Served, status: int) -> None:
    uids = fill(memory.archive, 1)
    reports = Reports(status)
    with associated(memory, PUSH, handlers=reports.handlers) as association:
        request(association, information(uids))
        memory.archive.settle()
        assert reports.arrived.wait(5)
        wait_for(lambda: bool(memory.archive.reported), 5)
    assert [delivered for _, delivered in memory.archive.reported] == [False]
    assert len(memory.archive.due) == 1
