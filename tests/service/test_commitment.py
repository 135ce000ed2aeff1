"""Storage commitment: success is said for what is archived and verified, and for nothing else."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from pydicom.dataset import Dataset
from pynetdicom import AE, evt
from pynetdicom.sop_class import StorageCommitmentPushModel  # type: ignore[attr-defined]

from dicom.archive import Commitment, CommitmentItem, Node, Peer
from dicom.status import FailureReason
from service.archive import ServiceArchive
from service.encode import Codec
from service.home import Home
from service.options import server_options
from service.processes.housekeeper import Housekeeper
from service.processes.worker import drain
from tests.service.made import CT, dataset, take

PEER = Peer("MODALITY", "RADIOLITH", "127.0.0.1")
UNKNOWN = CommitmentItem(CT, "9.9.9")
OTHER_CLASS = CommitmentItem("1.2.840.10008.5.1.4.1.1.4", "1.2.3.4")
STORED = CommitmentItem(CT, "1.2.3.4")


@contextmanager
def _modality(status: int = 0) -> Iterator[tuple[int, list[Dataset]]]:
    """Listen as a modality does for reports, on associations that the archive opens."""
    reports: list[Dataset] = []

    def take_report(event: Any) -> tuple[int, None]:
        reports.append(event.event_information)
        return status, None

    entity = AE("MODALITY")
    entity.add_supported_context(StorageCommitmentPushModel, scu_role=True, scp_role=True)
    handlers: list[Any] = [(evt.EVT_N_EVENT_REPORT, take_report)]
    server = entity.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers)
    assert server is not None
    try:
        yield server.server_address[1], reports
    finally:
        server.shutdown()


def _request(home: Home, *items: CommitmentItem) -> None:
    with ServiceArchive(home) as archive:
        archive.request_commitment(Commitment("1.2.3", PEER, items))


def _housekeeper(home: Home) -> Housekeeper:
    return Housekeeper(home, server_options(home.settings), head_start_s=0)


def test_the_report_waits_for_the_object_and_judges_each_item(home: Home, codec: Codec) -> None:
    take(home, dataset())
    _request(home, STORED, UNKNOWN, OTHER_CLASS)
    with _modality() as (port, reports):
        home.index.nodes.add(Node("MODALITY", "127.0.0.1", port))
        assert _housekeeper(home).work() == 0
        drain(home, codec)
        _make_due(home)
        assert _housekeeper(home).work() == 1
        (report,) = reports
    assert [item.ReferencedSOPInstanceUID for item in report.ReferencedSOPSequence] == ["1.2.3.4"]
    failed = {
        (item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID): item.FailureReason
        for item in report.FailedSOPSequence
    }
    assert failed == {
        (UNKNOWN.sop_class_uid, UNKNOWN.sop_instance_uid): FailureReason.NO_SUCH_OBJECT_INSTANCE,
        (
            OTHER_CLASS.sop_class_uid,
            OTHER_CLASS.sop_instance_uid,
        ): FailureReason.CLASS_INSTANCE_CONFLICT,
    }
    assert home.index.commitments.pending() == 0


def _make_due(home: Home) -> None:
    """Let the time pass that a transaction is put off by."""
    with sqlite3.connect(home.path / "index.sqlite") as connection:
        connection.execute("UPDATE commitments SET next_attempt = 1 WHERE next_attempt > 0")
    connection.close()


def test_what_is_not_archived_in_time_fails_with_0x0110(folder: Any) -> None:
    with (
        Home.open(folder, {"commitment": {"wait_s": 0.0}}) as home,
        _modality() as (port, reports),
    ):
        take(home, dataset())
        home.index.nodes.add(Node("MODALITY", "127.0.0.1", port))
        _request(home, STORED)
        assert _housekeeper(home).work() == 1
        (report,) = reports
    assert [item.FailureReason for item in report.FailedSOPSequence] == [
        FailureReason.PROCESSING_FAILURE
    ]


@pytest.mark.parametrize("peer", ["absent", "refusing", "no node"])
def test_a_report_that_is_not_taken_is_tried_again_also_after_a_restart(
    peer: str, folder: Any
) -> None:
    with Home.open(folder) as home, _modality(0x0110) as (port, reports):
        if peer != "no node":
            home.index.nodes.add(Node("MODALITY", "127.0.0.1", port if peer == "refusing" else 1))
        _request(home, UNKNOWN)
        assert _housekeeper(home).work() == 1
        assert len(reports) == (1 if peer == "refusing" else 0)
        assert home.index.commitments.pending() == 1
        assert _housekeeper(home).work() == 0, "not at once"
    with Home.open(folder) as home, _modality() as (port, reports):
        home.index.nodes.add(Node("MODALITY", "127.0.0.1", port))
        _make_due(home)
        assert _housekeeper(home).work() == 1
        assert len(reports) == 1
        assert home.index.commitments.pending() == 0


def test_the_requesting_association_has_a_head_start(home: Home) -> None:
    _request(home, UNKNOWN)
    assert Housekeeper(home, server_options(home.settings)).work() == 0
    with ServiceArchive(home) as archive:
        (due,) = archive.due_commitments()
        assert archive.claim_commitment(due)
        assert not archive.claim_commitment(due)
        archive.commitment_reported(due, delivered=True)
    assert home.index.commitments.pending() == 0
