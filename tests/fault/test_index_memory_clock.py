"""An index that is locked or gone, a worker without memory, a clock that is set back."""

from __future__ import annotations

import os
import resource
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from dicom.part10 import write_file_meta
from service.demo.peer import Peer, Received, Sample, read_sample
from tests.fault.failing import ARMED
from tests.fault.load import AE_TITLE
from tests.fault.victim import REFUSED, SOON, Victim, send_eight, serving
from tests.service.made import CT, EXPLICIT, dataset
from tests.service.served import children, is_worker, kill, supervisor
from tests.waiting import wait_for

pytestmark = pytest.mark.slow


def test_senders_are_refused_while_the_index_is_locked(tmp_path: Path, storescu: str) -> None:
    with serving(tmp_path, storescu, SOON) as victim:
        index = victim.archive.home / "index.sqlite"
        with closing(sqlite3.connect(index, isolation_level=None)) as other:
            other.execute("BEGIN EXCLUSIVE")
            told = send_eight(victim)
            assert set(told.refused.values()) == {REFUSED}
            assert not told.stored
            other.execute("ROLLBACK")
        assert len(send_eight(victim).stored) == 8
        kill(victim.archive)
        victim.require_all()


def test_what_was_acknowledged_outlives_the_index(tmp_path: Path, storescu: str) -> None:
    with serving(tmp_path, storescu, SOON) as victim:
        assert len(send_eight(victim).stored) == 8
        for path in victim.archive.home.glob("index.sqlite*"):
            path.rename(tmp_path / path.name)
        assert set(send_eight(victim).refused.values()) <= {REFUSED}
        kill(victim.archive)
        victim.archive.run("rebuild-index")
        victim.archive.run("nodes", "add", AE_TITLE, "127.0.0.1", "104")
        victim.require_all()


def _worker(victim: Victim) -> int:
    def found() -> list[int]:
        return [pid for pid in children(supervisor(victim.archive).pid) if is_worker(pid)]

    wait_for(lambda: bool(found()), 60)
    return found()[0]


def _address_space(pid: int) -> int:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[0])
    return pages * resource.getpagesize()


def test_a_worker_without_memory_takes_nothing_with_it(tmp_path: Path, storescu: str) -> None:
    with serving(tmp_path, storescu, SOON) as victim:
        assert len(send_eight(victim).stored) == 8
        assert victim.archive.wait_archived(300) == 0
        worker = _worker(victim)
        before = resource.prlimit(worker, resource.RLIMIT_AS)
        resource.prlimit(worker, resource.RLIMIT_AS, (_address_space(worker), before[1]))
        for _ in range(4):
            assert len(send_eight(victim).stored) == 8
        log = victim.archive.home / "serve.log"
        wait_for(lambda: "not archived" in log.read_text() or _worker(victim) != worker, 120)
        if _worker(victim) == worker:
            resource.prlimit(worker, resource.RLIMIT_AS, before)
        kill(victim.archive)
        victim.require_all()


TWO_DAYS = 2 * 86_400 * 10**9


def _revision(folder: Path, seed: int) -> Sample:
    uid = "1.2.826.0.1.3680043.10.1.7"
    path = folder / f"{seed}.dcm"
    path.write_bytes(write_file_meta(CT, uid, EXPLICIT) + dataset(uid, seed=seed))
    sample = read_sample(path)
    assert sample is not None
    return sample


def test_what_comes_after_the_clock_was_set_back_is_still_the_newest(
    tmp_path: Path, storescu: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = tmp_path / "clock"
    clock.write_text("0")
    with monkeypatch.context() as patch:
        patch.setenv("CLOCK", str(clock))
        patch.setenv("PYTHONPATH", str(ARMED), prepend=os.pathsep)
        with serving(tmp_path, storescu, SOON) as victim:
            archive = victim.archive
            peer = Peer(archive.host, archive.port, archive.ae_title, AE_TITLE)
            assert peer.send([_revision(tmp_path, 1)]) == [0]
            clock.write_text(str(-TWO_DAYS))
            assert peer.send([_revision(tmp_path, 2)]) == [0]
            (archive.home / "run" / "sequence").unlink()
            kill(archive)
            archive.start()
            assert peer.send([_revision(tmp_path, 3)]) == [0]
            assert archive.wait_archived(300) == 0
            newest, received = _revision(tmp_path, 3), Received()
            peer.get([newest], received)
            assert received.take(newest) == (EXPLICIT, newest.dataset())
            assert archive.ask("audit", exits=(0, 2))["faults"] == []
