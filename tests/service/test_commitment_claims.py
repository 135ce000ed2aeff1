"""A commitment is reported once, by whoever claims its report first."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from dicom.archive import Commitment, CommitmentItem, Node, Peer
from dicom.sop_classes import STORAGE_COMMITMENT_PUSH_MODEL
from service.archive import ServiceArchive
from service.encode import Codec
from service.home import Home
from service.options import server_options
from service.processes.housekeeper import Housekeeper
from service.processes.worker import drain
from tests.dicom_net.scu import EXPLICIT, accepting
from tests.dicom_net.test_commitment import Reports
from tests.service.made import CT, dataset, take

PEER = Peer("MODALITY", "RADIOLITH", "127.0.0.1")
COMMITMENT = Commitment("1.2.826.7", PEER, (CommitmentItem(CT, "1.2.3.4"),))


def housekeeper(home: Home, head_start_s: float = 0.0) -> Housekeeper:
    return Housekeeper(home, server_options(home.settings), head_start_s)


@pytest.fixture
def reports(home: Home, free_port: int) -> Reports:
    home.index.nodes.add(Node("MODALITY", "127.0.0.1", free_port))
    return Reports()


def test_several_housekeepers_report_once_and_after_archiving(
    home: Home, codec: Codec, reports: Reports, free_port: int
) -> None:
    take(home, dataset())
    with ServiceArchive(home) as archive:
        archive.request_commitment(COMMITMENT)
    keepers = [housekeeper(home) for _ in range(4)]
    assert [keeper.work() for keeper in keepers] == [0, 0, 0, 0]
    drain(home, codec)
    with (
        accepting(
            free_port,
            (STORAGE_COMMITMENT_PUSH_MODEL, [EXPLICIT]),
            handlers=reports.handlers,
            scu_of=[STORAGE_COMMITMENT_PUSH_MODEL],
        ),
        ThreadPoolExecutor(4) as pool,
    ):
        while home.index.commitments.pending():
            list(pool.map(Housekeeper.work, keepers))
    ((event_type, report),) = reports.events
    assert event_type == 1
    assert report.ReferencedSOPSequence[0].ReferencedSOPInstanceUID == "1.2.3.4"


def test_the_housekeeper_leaves_to_an_association_what_it_has_claimed(
    home: Home, reports: Reports
) -> None:
    with ServiceArchive(home) as archive:
        archive.request_commitment(COMMITMENT)
        (due,) = archive.due_commitments()
        keeper = housekeeper(home)
        assert archive.claim_commitment(due)
        assert not archive.claim_commitment(due)
        assert keeper.work() == 0
        archive.commitment_reported(due, delivered=True)
    assert home.index.commitments.pending() == 0
    assert reports.events == []
