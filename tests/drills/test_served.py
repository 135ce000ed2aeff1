"""A served archive with a replica loses its object store, and peers notice nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from config.settings import FILE_NAME
from service.demo.peer import Peer, Received, Sample
from service.demo.scratch import ScratchArchive, unused_port
from tests.service.served import kill, sample
from tests.waiting import wait_for

PATIENCE_S = 120


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[ScratchArchive]:
    """Serve an archive whose replica is a folder that is not there yet."""
    made = ScratchArchive(tmp_path / "home")
    made.run("init")
    (made.home / FILE_NAME).write_text(
        f'[replica]\npath = "{tmp_path / "replica"}"\nretry_s = 1.0\n'
    )
    made.run("nodes", "add", "PEER", "127.0.0.1", str(unused_port()))
    made.start()
    yield made
    made.stop()


def _sent(archive: ScratchArchive, folder: Path) -> list[Sample]:
    samples = [sample(folder, number) for number in range(3)]
    assert Peer(archive.host, archive.port, archive.ae_title).send(samples) == [0] * 3
    assert archive.wait_archived(PATIENCE_S) == 0
    return samples


def _waiting(archive: ScratchArchive) -> int:
    return int(archive.ask("status")["replica_waiting"])


def _given(archive: ScratchArchive, samples: list[Sample]) -> list[tuple[str, bytes] | None]:
    got = Received()
    Peer(archive.host, archive.port, archive.ae_title).get(samples, got)
    return [got.take(item) for item in samples]


@pytest.mark.slow
def test_the_queue_survives_a_kill_and_the_store_its_loss(
    archive: ScratchArchive, tmp_path: Path
) -> None:
    samples = _sent(archive, tmp_path)
    assert _waiting(archive) == 3
    kill(archive)
    (tmp_path / "replica").mkdir()
    archive.start()
    wait_for(lambda: _waiting(archive) == 0, PATIENCE_S)
    # At once: removing file by file would meet those that the service writes meanwhile.
    (archive.home / "objects").rename(tmp_path / "lost")
    wanted = [(item.transfer_syntax, item.dataset()) for item in samples]
    assert _given(archive, samples) == wanted
    assert archive.ask("status")["replica_read_objects"] == 3
    assert archive.ask("audit", "--repair")["repaired"]["restored"] == 3
    assert archive.ask("status")["replica_read_objects"] == 0
    (tmp_path / "replica").rename(tmp_path / "away")
    assert _given(archive, samples) == wanted
