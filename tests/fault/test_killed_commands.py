"""SIGKILL of commands at every named step, beside a service that eight senders load.

What was killed is run again, and has to end well; whatever was acknowledged meanwhile is there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

import pytest

from service.demo.scratch import ScratchArchive
from service.errors import TABLE, KeyNeeded
from service.failpoints import Step
from service.home import Home
from service.processes.worker import drain, load_codec
from tests.fault.failing import killed_at
from tests.fault.load import ARCHIVED_S, digest
from tests.fault.victim import Victim
from tests.service.made import dataset, take
from tests.service.served import kill

Case = tuple[Step, int]
"""A step, and which arrival at it is killed."""

KILLED = -9
NEEDED = TABLE[KeyNeeded].exit_code
_FILE: tuple[Step, ...] = ("file.written", "file.synced", "file.renamed", "file.durable")

ROTATE: list[Case] = [
    *((step, nth) for nth in (1, 2) for step in _FILE),
    *((step, 1) for step in ("key.added", "key.proven", "key.activated")),
]
REENCRYPT: list[Case] = [
    ("draft.written", 1),
    ("draft.verified", 2),
    ("draft.synced", 3),
    ("object.marked", 1),
    ("object.renamed", 2),
    ("object.durable", 3),
    ("object.indexed", 1),
    ("object.settled", 2),
    ("object.removed", 3),
]
RETIRE: list[Case] = [*((step, 1) for step in _FILE), ("key.retired", 1)]
REBUILD: list[Case] = [
    ("schema.upgraded", 1),
    ("index.rebuilt", 1),
    ("index.kept", 1),
    ("index.replaced", 1),
]
INIT: list[Case] = [("schema.upgraded", 1), *((step, nth) for nth in (1, 2) for step in _FILE)]


@pytest.fixture
def victim(tmp_path: Path, storescu: str) -> Iterator[Victim]:
    victim = Victim(tmp_path / "victim", storescu)
    yield victim
    if victim.archive.process is not None:
        kill(victim.archive)


@contextmanager
def _loaded(victim: Victim) -> Iterator[None]:
    """Serve, and send inside the block."""
    senders = victim.load(associations=1)
    try:
        yield
    finally:
        senders.join()


def _kill_at(archive: ScratchArchive, case: Case, *command: str) -> None:
    step, nth = case
    arrivals = archive.home.parent / f"arrivals-{'-'.join(command)}-{step}-{nth}"
    arrivals.touch()
    with killed_at(step, arrivals, nth):
        archive.run(*command, exits=(KILLED,))


def _keys(archive: ScratchArchive, state: str) -> list[dict[str, object]]:
    return [key for key in archive.ask("keys", "ls") if key["state"] == state]


def _rotate(victim: Victim, cases: Iterable[Case]) -> None:
    for case in cases:
        with _loaded(victim):
            _kill_at(victim.archive, case, "keys", "rotate")
        assert len(_keys(victim.archive, "active")) == 1


def _reencrypt(victim: Victim, cases: Iterable[Case]) -> None:
    for case in cases:
        assert victim.archive.wait_archived(ARCHIVED_S) == 0
        victim.archive.run("keys", "rotate")
        with _loaded(victim):
            _kill_at(victim.archive, case, "keys", "reencrypt")
        victim.archive.run("keys", "reencrypt")
        assert victim.archive.wait_archived(ARCHIVED_S) == 0
        assert not any(held["sop_instance_uid"] for held in _retire_all(victim.archive))
    kill(victim.archive)
    victim.archive.start()
    assert _retire_all(victim.archive) == [], "what has no row goes at the next start"


def _retire_all(archive: ScratchArchive) -> list[dict[str, object]]:
    """Retire every key but the active one; give whatever still needs one."""
    holders: list[dict[str, object]] = []
    for key in _keys(archive, "decrypt-only"):
        told = archive.ask("keys", "retire", str(key["key_id"]), exits=(0, NEEDED))
        holders += told.get("needed_by", [])
    return holders


def _retire(victim: Victim, cases: Iterable[Case]) -> None:
    for case in cases:
        assert victim.archive.wait_archived(ARCHIVED_S) == 0
        (old,) = _keys(victim.archive, "active")
        victim.archive.run("keys", "rotate", "--reencrypt")
        with _loaded(victim):
            _kill_at(victim.archive, case, "keys", "retire", str(old["key_id"]))
        left = [key["key_id"] for key in _keys(victim.archive, "decrypt-only")]
        if old["key_id"] in left:
            victim.archive.run("keys", "retire", str(old["key_id"]))


def _rebuild(victim: Victim, cases: Iterable[Case]) -> None:
    for case in cases:
        with _loaded(victim):
            kill(victim.archive)
        _kill_at(victim.archive, case, "rebuild-index")
        victim.archive.start()


def test_a_killed_command_is_run_again_and_nothing_is_lost(tmp_path: Path) -> None:
    archive = ScratchArchive(tmp_path / "home")
    archive.home.mkdir()
    archive.run("init")
    sent = {f"1.2.{number}": dataset(f"1.2.{number}", seed=number) for number in range(3)}
    with Home.open(archive.home) as home:
        for uid, encoded in sent.items():
            take(home, encoded, uid)
        drain(home, load_codec())
    archive.run("keys", "rotate")
    _kill_at(archive, ("object.indexed", 2), "keys", "reencrypt")
    archive.run("keys", "reencrypt")
    _kill_at(archive, ("index.kept", 1), "rebuild-index")
    _kill_at(archive, ("index.replaced", 1), "rebuild-index")
    assert archive.ask("audit")["faults"] == []
    archive.run("export", "--patient", "P1", "--to", tmp_path / "out")
    found = {path.stem: digest(path) for path in (tmp_path / "out").rglob("*.dcm")}
    assert found == {uid: sha256(encoded).hexdigest() for uid, encoded in sent.items()}


@pytest.mark.slow
def test_a_command_killed_beside_a_loaded_service_loses_nothing(victim: Victim) -> None:
    victim.archive.start()
    with _loaded(victim):
        pass
    _rotate(victim, [("key.added", 1)])
    _reencrypt(victim, [("object.indexed", 2)])
    _rebuild(victim, [("index.kept", 1)])
    kill(victim.archive)
    victim.require_all()


@pytest.mark.faults
@pytest.mark.parametrize(
    ("attack", "cases"),
    [(_rotate, ROTATE), (_reencrypt, REENCRYPT), (_retire, RETIRE), (_rebuild, REBUILD)],
    ids=["rotate", "re-encrypt", "retire", "rebuild"],
)
def test_commands_killed_at_every_step_lose_nothing(
    victim: Victim, attack: Callable[[Victim, list[Case]], None], cases: list[Case]
) -> None:
    victim.archive.start()
    with _loaded(victim):
        pass
    attack(victim, cases)
    kill(victim.archive)
    victim.require_all()
    assert victim.archive.ask("nodes", "ls"), "what no object tells of was lost"


@pytest.mark.slow
@pytest.mark.parametrize("case", INIT, ids=lambda case: f"{case[0]} {case[1]}")
def test_an_archive_whose_making_was_killed_is_made_by_the_same_command(
    tmp_path: Path, case: Case
) -> None:
    archive = ScratchArchive(tmp_path / "home")
    archive.home.mkdir()
    _kill_at(archive, case, "init")
    archive.run("init", exits=(0, 90))
    assert len(_keys(archive, "active")) == 1
    assert archive.ask("status")["instances"] == 0
