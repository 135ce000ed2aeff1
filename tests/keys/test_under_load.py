"""Keys are rotated, moved away from, retired and rewrapped while peers store and retrieve."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from service.demo.peer import Peer, Received, Sample
from service.demo.scratch import ScratchArchive, scratch_archive
from tests.fault.load import ARCHIVED_S
from tests.service.served import sample
from tests.waiting import wait_for

ROUNDS = int(os.environ.get("ROUNDS_UNDER_LOAD", "3"))
"""Of rotation, re-encryption, retirement and rewrapping: some minutes each, beside the load."""

_log = logging.getLogger(__name__)


@dataclass
class Load:
    """Two peers that retrieve what is there, and one that stores new instances."""

    archive: ScratchArchive
    samples: list[Sample]
    new: list[Sample]
    stored: list[Sample] = field(default_factory=list)
    retrieved: int = 0
    failures: list[str] = field(default_factory=list)
    stopping: threading.Event = field(default_factory=threading.Event)

    def retrieve(self) -> None:
        received = Received()
        _peer(self.archive).get(self.samples, received)
        for item in self.samples:
            if received.take(item) != (item.transfer_syntax, item.dataset()):
                self.failures.append(f"other bytes of {item.sop_instance_uid}")
        self.retrieved += len(self.samples)

    def store(self) -> None:
        if not self.new:
            self.stopping.wait(0.1)
            return
        item = self.new.pop()
        if _peer(self.archive).send([item]) == [0]:
            self.stored.append(item)
        else:
            self.failures.append("a C-STORE was refused")

    def go_on(self, act: Callable[[], None]) -> None:
        while not self.stopping.is_set():
            try:
                act()
            except Exception as fault:  # noqa: BLE001 - whatever it is, it is a failure
                self.failures.append(repr(fault))


@contextmanager
def _running(load: Load) -> Iterator[None]:
    acts = (load.retrieve, load.retrieve, load.store)
    threads = [threading.Thread(target=load.go_on, args=(act,)) for act in acts]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        load.stopping.set()
        for thread in threads:
            thread.join()


def _peer(archive: ScratchArchive) -> Peer:
    return Peer(archive.host, archive.port, archive.ae_title)


def _renew(archive: ScratchArchive, root: Path) -> None:
    """Rotate, move everything, retire the key before, rewrap: as an administrator does."""
    (old,) = (key["key_id"] for key in archive.ask("keys", "ls") if key["state"] == "active")
    archive.ask("keys", "rotate", "--reencrypt")
    wait_for(lambda: not _has_entries(archive, old), ARCHIVED_S)
    archive.ask("keys", "reencrypt")
    archive.ask("keys", "retire", old)
    archive.ask("keys", "rewrap", "--key-file", str(root))


def _has_entries(archive: ScratchArchive, key: str) -> bool:
    (use,) = (use for use in archive.ask("keys", "ls") if use["key_id"] == key)
    return bool(use["entries"])


def _run(folder: Path, instances: int, rounds: int) -> Load:
    samples = [sample(folder, number) for number in range(instances)]
    new = [sample(folder, 1000 + number) for number in range(30 * rounds)]
    with scratch_archive(folder / "home") as archive:
        archive.run("nodes", "add", "PEER", "127.0.0.1", "104")
        assert set(_peer(archive).send(samples)) == {0}
        assert archive.wait_archived(ARCHIVED_S) == 0
        load = Load(archive, samples, new)
        with _running(load):
            for _ in range(rounds):
                _renew(archive, folder / "home" / "root.key")
        assert archive.wait_archived(ARCHIVED_S) == 0
        states = [key["state"] for key in archive.ask("keys", "ls")]
        assert states == ["retired"] * rounds + ["active"]
        received = Received()
        _peer(archive).get(load.stored, received)
        for item in load.stored:
            assert received.take(item) == (item.transfer_syntax, item.dataset())
        assert archive.ask("audit")["faults"] == []
    return load


@pytest.mark.slow
def test_no_retrieval_fails_while_keys_change(tmp_path: Path) -> None:
    load = _run(tmp_path, instances=6, rounds=1)
    assert load.failures == []
    assert load.retrieved > 0
    assert load.stored


@pytest.mark.faults
@pytest.mark.timeout(14400)
def test_no_retrieval_fails_while_keys_change_for_long(tmp_path: Path) -> None:
    load = _run(tmp_path, instances=30, rounds=ROUNDS)
    _log.info("%d retrieved, %d stored, %d rounds", load.retrieved, len(load.stored), ROUNDS)
    assert load.failures == []
    assert load.retrieved > 1000
