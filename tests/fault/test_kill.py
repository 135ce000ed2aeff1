"""A Success is a promise: SIGKILL right after it loses nothing."""

from pathlib import Path

import pytest

from service.demo.peer import Peer, Received
from service.demo.scratch import ScratchArchive, scratch_archive
from tests.service.served import kill, sample


def _kill_after_success(archive: ScratchArchive, folder: Path, times: int) -> None:
    archive.run("nodes", "add", "PEER", "127.0.0.1", "104")
    samples = []
    for number in range(times):
        peer = Peer(archive.host, archive.port, archive.ae_title)
        samples.append(sample(folder, number))
        assert peer.send(samples[-1:]) == [0]
        kill(archive)
        archive.start()
    peer = Peer(archive.host, archive.port, archive.ae_title)
    assert archive.wait_archived(300) == 0
    received = Received()
    peer.get(samples, received)
    lost = [item.sop_instance_uid for item in samples if received.take(item) is None]
    assert lost == []
    assert archive.ask("audit")["faults"] == []


def test_three_kills_lose_nothing(tmp_path: Path) -> None:
    with scratch_archive(tmp_path / "home") as archive:
        _kill_after_success(archive, tmp_path, 3)


@pytest.mark.slow
def test_twenty_kills_lose_nothing(tmp_path: Path) -> None:
    with scratch_archive(tmp_path / "home") as archive:
        _kill_after_success(archive, tmp_path, 20)
