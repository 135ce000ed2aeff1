"""The served archive, in its real processes, met over real associations."""

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
from pydicom.dataset import Dataset

from service.demo.peer import Peer, PeerFault, Received, destination
from service.demo.scratch import LOG, ScratchArchive, command, unused_port
from tests.service.served import children, gone, is_worker, mapped, sample, supervisor
from tests.waiting import wait_for

ARCHIVING_S = 120


@pytest.fixture(scope="module")
def peer(served: ScratchArchive) -> Peer:
    served.run("nodes", "add", "PEER", "127.0.0.1", str(unused_port()), "--move-to", "TARGET")
    return Peer(served.host, served.port, served.ae_title)


def test_an_instance_goes_in_is_found_archived_moved_and_got_byte_for_byte(
    served: ScratchArchive, peer: Peer, tmp_path: Path
) -> None:
    samples = [sample(tmp_path, number) for number in range(3)]
    assert peer.send(samples) == [0, 0, 0]
    keys = Dataset()
    keys.QueryRetrieveLevel = "STUDY"
    keys.PatientName = "SOMMER*"
    keys.NumberOfStudyRelatedInstances = None
    (found,) = peer.find(keys)
    assert found.NumberOfStudyRelatedInstances == 3
    before = Received()
    peer.get(samples, before)
    assert served.wait_archived(ARCHIVING_S) == 0
    after = Received()
    peer.get(samples, after)
    port = unused_port()
    served.run("nodes", "add", "TARGET", "127.0.0.1", str(port))
    with destination(port, "TARGET", samples) as moved:
        peer.move(samples, "TARGET")
    for item in samples:
        wanted = (item.transfer_syntax, item.dataset())
        assert [came.take(item) for came in (before, after, moved)] == [wanted] * 3
    assert served.ask("audit")["faults"] == []


def test_strangers_are_refused_until_they_are_nodes(served: ScratchArchive, tmp_path: Path) -> None:
    stranger = Peer(served.host, served.port, served.ae_title, ae_title="STRANGER")
    with pytest.raises(PeerFault):
        stranger.find(Dataset())
    served.run("nodes", "add", "STRANGER", "127.0.0.1", "104")
    assert stranger.send([sample(tmp_path, 50)]) == [0]


@pytest.mark.usefixtures("peer")
def test_receivers_hold_neither_torch_nor_the_codec(served: ScratchArchive) -> None:
    processes = children(supervisor(served).pid)
    wait_for(lambda: any("llvmlite" in mapped(pid) for pid in processes if is_worker(pid)), 60)
    others = [pid for pid in processes if not is_worker(pid)]
    assert len(others) == 3, "two receivers and the housekeeper"
    for pid in [*others, supervisor(served).pid]:
        assert "libtorch" not in mapped(pid)
    assert "llvmlite" not in mapped(supervisor(served).pid)
    assert sum("llvmlite" in mapped(pid) for pid in others) <= 1, "the housekeeper alone, to scrub"


def test_a_process_that_dies_is_replaced_and_nothing_is_lost(
    served: ScratchArchive, peer: Peer, tmp_path: Path
) -> None:
    before = children(supervisor(served).pid)
    for pid in before:
        os.kill(pid, signal.SIGKILL)
    wait_for(lambda: all(map(gone, before)), 10)
    wait_for(lambda: len(children(supervisor(served).pid)) == len(before), 30)
    (item,) = [sample(tmp_path, 60)]
    deadline = time.monotonic() + 30
    while True:
        try:
            assert peer.send([item]) == [0]
            break
        except PeerFault:
            assert time.monotonic() < deadline
    assert served.wait_archived(ARCHIVING_S) == 0
    got = Received()
    peer.get([item], got)
    assert got.take(item) == (item.transfer_syntax, item.dataset())


def test_a_second_service_of_the_same_archive_is_refused(served: ScratchArchive) -> None:
    served.run("serve", "--port", "0", exits=(105,))


def test_sigterm_ends_it_in_order_and_a_restart_goes_on(
    tmp_path: Path, served: ScratchArchive, peer: Peer
) -> None:
    family = children(supervisor(served).pid)
    served.stop()
    assert all(map(gone, family))
    served.start()
    item = sample(tmp_path, 70)
    assert peer.send([item]) == [0]


def test_a_worker_that_is_still_starting_ends_at_once(tmp_path: Path) -> None:
    archive = ScratchArchive(tmp_path / "home")
    archive.home.mkdir()
    archive.run("init")
    (archive.home / "radiolith.toml").write_text("[service]\nshutdown_grace_s = 0.9\n")
    archive.start()  # a worker takes seconds to load and test the models
    archive.stop()


@pytest.mark.slow
def test_sigterm_at_any_moment_of_the_start_ends_it_well(tmp_path: Path) -> None:
    archive = ScratchArchive(tmp_path / "home")
    archive.home.mkdir()
    archive.run("init")
    codes = [_ended(archive, tenths / 10) for tenths in range(0, 50, 2)]
    assert codes.count(0) > 10
    assert set(codes) <= {0, -signal.SIGTERM}, "the latter before anything was started"
    assert not list(archive.home.rglob("*.part"))


def _ended(archive: ScratchArchive, after_s: float) -> int:
    """Give how a service ends that gets SIGTERM so long after it was started."""
    serve = [*command(), "serve", "--port", "0"]
    with (archive.home / LOG).open("a") as log:
        process = subprocess.Popen(serve, env=archive.environment(), stdout=log, stderr=log)
    time.sleep(after_s)
    process.terminate()
    return process.wait(60)
