"""A Success is a promise: no SIGKILL, whenever it comes, loses what was answered with it."""

import os
import signal
import threading
from pathlib import Path

import pytest

from service.demo.peer import Peer, PeerFault, Received, Sample
from service.demo.scratch import ScratchArchive, scratch_archive
from service.home import Home
from tests.service.served import children, is_worker, kill, sample, supervisor
from tests.waiting import wait_for

ARCHIVING_S = 300


def _peer(archive: ScratchArchive) -> Peer:
    return Peer(archive.host, archive.port, archive.ae_title)


def _require_all(archive: ScratchArchive, samples: list[Sample]) -> None:
    assert archive.wait_archived(ARCHIVING_S) == 0
    received = Received()
    _peer(archive).get(samples, received)
    came = {item.sop_instance_uid: received.take(item) for item in samples}
    assert came == {
        item.sop_instance_uid: (item.transfer_syntax, item.dataset()) for item in samples
    }
    assert archive.ask("audit")["faults"] == []


def _kill_after_success(archive: ScratchArchive, folder: Path, times: int) -> None:
    archive.run("nodes", "add", "PEER", "127.0.0.1", "104")
    samples = []
    for number in range(times):
        samples.append(sample(folder, number))
        assert _peer(archive).send(samples[-1:]) == [0]
        kill(archive)
        archive.start()
    _require_all(archive, samples)


def test_kills_right_after_a_success_lose_nothing(tmp_path: Path) -> None:
    with scratch_archive(tmp_path / "home") as archive:
        _kill_after_success(archive, tmp_path, 2)


@pytest.mark.slow
def test_twenty_kills_right_after_a_success_lose_nothing(tmp_path: Path) -> None:
    with scratch_archive(tmp_path / "home") as archive:
        _kill_after_success(archive, tmp_path, 20)


@pytest.mark.slow
def test_a_kill_in_the_middle_of_sending_loses_nothing_that_was_answered(tmp_path: Path) -> None:
    samples = [sample(tmp_path, number) for number in range(60)]
    answered: list[Sample] = []
    with scratch_archive(tmp_path / "home") as archive:
        archive.run("nodes", "add", "PEER", "127.0.0.1", "104")

        def send() -> None:
            for item in samples:
                try:
                    if _peer(archive).send([item]) == [0]:
                        answered.append(item)
                except PeerFault:
                    return

        sending = threading.Thread(target=send)
        sending.start()
        wait_for(lambda: len(answered) >= 5, 30)
        kill(archive)
        sending.join()
        assert len(answered) < len(samples), "the kill came too late to tell anything"
        archive.start()
        _require_all(archive, answered)


@pytest.mark.slow
def test_a_worker_killed_over_its_work_is_replaced_and_the_work_finished(tmp_path: Path) -> None:
    samples = [sample(tmp_path, number) for number in range(80)]
    with scratch_archive(tmp_path / "home") as archive:
        archive.run("nodes", "add", "PEER", "127.0.0.1", "104")
        assert set(_peer(archive).send(samples)) == {0}
        workers = _workers(archive)
        with Home.open(archive.home) as home:
            wait_for(lambda: home.index.statistics().objects > 0, 60)
            for pid in workers:
                os.kill(pid, signal.SIGKILL)
            assert home.index.journal_count() > 0, "the kill came too late to tell anything"
        _require_all(archive, samples)


def _workers(archive: ScratchArchive) -> list[int]:
    found: list[int] = []

    def any_found() -> bool:
        found[:] = [pid for pid in children(supervisor(archive).pid) if is_worker(pid)]
        return bool(found)

    wait_for(any_found, 30)
    return found
