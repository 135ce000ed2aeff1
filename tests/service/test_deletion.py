"""Deletion: nothing deleted comes back, nothing else goes, wherever a process dies."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from service.encode import Codec
from service.errors import Held, Unknown
from service.failpoints import Step, arm
from service.home import Home
from service.index import Author, patient
from service.processes.worker import drain
from service.sealing.journal import entry_ids
from service.sealing.note import note_ids
from service.upkeep.audit import audit
from service.upkeep.decisions import Decisions
from service.upkeep.deletion import Deletion, purge_due
from service.upkeep.rebuild import rebuild_index
from service.upkeep.recovery import recover
from tests.service.made import dataset, take

ADMIN = Author("admin", "sent to the wrong archive")
GONE, KEPT = "1.2.1", "1.2.2"


class Killed(BaseException):
    """Stands for SIGKILL: nothing of ours catches it."""


@contextmanager
def killed_at(step: Step) -> Iterator[None]:
    def reached(at: Step) -> None:
        if at == step:
            raise Killed

    arm(reached)
    try:
        with pytest.raises(Killed):
            yield
    finally:
        arm()


def _fill(home: Home, codec: Codec) -> None:
    """Two revisions of one instance, one of them in the journal, and another instance."""
    take(home, dataset(GONE), GONE)
    take(home, dataset(KEPT), KEPT)
    drain(home, codec)
    take(home, dataset(GONE, seed=1), GONE)


def _delete(home: Home, uid: str = GONE, grace_days: float = 0) -> int:
    covered = home.index.deletions.covering("instance", uid)
    return Deletion(home).delete(covered.revisions, ADMIN, grace_days)


def _files(home: Home) -> tuple[int, int]:
    return len(list(home.store.ids())), len(list(entry_ids(home.journal)))


def _state(home: Home) -> object:
    """What the archive shows and holds, apart from row numbers."""
    deletions = [(one.state, one.at, one.due, one.revisions) for one in home.index.deletions.list()]
    revisions = sorted(
        (item.servable.sop_instance_uid, item.number, item.served, item.hidden, item.quarantined)
        for item in home.index.revisions.all()
    )
    return deletions, revisions, home.index.statistics(), _files(home)


def _rebuilt(folder: Path) -> None:
    for path in folder.glob("index.sqlite*"):
        path.unlink()
    assert rebuild_index(folder).faults == []


def _is_gone(home: Home) -> bool:
    return home.index.revisions.of_instance(GONE) == [] and _files(home) == (1, 0)


def _is_whole(home: Home) -> bool:
    shown = [one.hidden for one in home.index.revisions.of_instance(GONE)]
    return shown == [False, False] and _files(home) == (2, 1)


def test_a_purge_removes_every_revision_with_its_files_and_nothing_else(
    home: Home, codec: Codec
) -> None:
    _fill(home, codec)
    assert _files(home) == (2, 1)
    deletion = _delete(home)
    assert _files(home) == (2, 1)
    done = purge_due(home)
    assert (done.deletions, done.objects, done.entries, done.held) == (1, 1, 1, 0)
    assert _is_gone(home)
    assert [one.hidden for one in home.index.revisions.of_instance(KEPT)] == [False]
    assert audit(home, codec.predictors).faults == []
    assert home.index.deletions.state(deletion) == "purged"


def test_within_the_grace_nothing_is_purged(home: Home, codec: Codec) -> None:
    _fill(home, codec)
    deletion = _delete(home, grace_days=1)
    assert purge_due(home).deletions == 0
    assert [one.hidden for one in home.index.revisions.of_instance(GONE)] == [True, True]
    Deletion(home).undo(deletion, ADMIN)
    assert _is_whole(home)
    with pytest.raises(Unknown):
        Deletion(home).undo(99, ADMIN)


def test_a_held_deletion_waits_and_is_counted(home: Home, codec: Codec) -> None:
    _fill(home, codec)
    deletion = _delete(home)
    hold = Decisions(home).hold("patient", patient("P1"), ADMIN)
    assert purge_due(home).held == 1
    notes = len(list(note_ids(home.notes)))
    with pytest.raises(Held):
        Deletion(home).purge(deletion, ADMIN)
    assert len(list(note_ids(home.notes))) == notes, "what is refused leaves no note"
    assert _files(home) == (2, 1)
    Decisions(home).release(hold, ADMIN)
    assert purge_due(home).deletions == 1
    assert _is_gone(home)


@pytest.mark.parametrize("archived", [False, True])
def test_a_rebuild_comes_out_the_same(folder: Path, codec: Codec, archived: bool) -> None:
    with Home.open(folder) as home:
        for number in range(5):
            take(home, dataset(f"1.2.{number}"), f"1.2.{number}")
        undone = _delete(home, "1.2.0")
        Deletion(home).undo(undone, ADMIN)
        _delete(home, "1.2.1", grace_days=9)
        if archived:
            drain(home, codec)
        Deletion(home).purge(_delete(home, "1.2.2"), ADMIN)
        take(home, dataset("1.2.2"), "1.2.2")
        take(home, dataset("1.2.1", seed=1), "1.2.1")
        Decisions(home).hold("instance", "1.2.3", ADMIN)
        if archived:
            drain(home, codec)
        before = _state(home)
        holds = home.index.holds.list()
    _rebuilt(folder)
    with Home.open(folder) as home:
        recover(home)
        assert _state(home) == before
        assert home.index.holds.list() == holds
        assert audit(home, codec.predictors).faults == []


DELETING: list[tuple[Step, bool]] = [
    # What is killed before its note is there never was; after that it is completed.
    ("file.written", False),
    ("file.synced", False),
    ("file.renamed", True),
    ("file.durable", True),
    ("decision.noted", True),
    ("decision.entered", True),
]


@pytest.mark.parametrize("again", ["recover", "rebuild"])
@pytest.mark.parametrize(("step", "happened"), DELETING)
def test_a_deletion_killed_at_any_step_is_there_or_not(
    folder: Path, codec: Codec, step: Step, happened: bool, again: str
) -> None:
    with Home.open(folder) as home:
        _fill(home, codec)
        with killed_at(step):
            _delete(home, grace_days=9)
    _go_on(folder, again)
    with Home.open(folder) as home:
        hidden = [one.hidden for one in home.index.revisions.of_instance(GONE)]
        assert hidden == [happened] * 2
        assert [one.hidden for one in home.index.revisions.of_instance(KEPT)] == [False]
        assert _files(home) == (2, 1)
        assert audit(home, codec.predictors).faults == []


PURGING: list[tuple[Step, bool]] = [
    *DELETING,
    ("purge.entered", True),
    ("object.removed", True),
    ("purge.objects", True),
    ("entry.removed", True),
    ("purge.done", True),
]


@pytest.mark.parametrize("again", ["recover", "rebuild"])
@pytest.mark.parametrize(("step", "happened"), PURGING)
def test_a_purge_killed_at_any_step_is_finished_or_not_begun(
    folder: Path, codec: Codec, step: Step, happened: bool, again: str
) -> None:
    with Home.open(folder) as home:
        _fill(home, codec)
        deletion = _delete(home)
        with killed_at(step):
            Deletion(home).purge(deletion, ADMIN)
    _go_on(folder, again)
    with Home.open(folder) as home:
        assert home.index.deletions.list()[0].state == ("purged" if happened else "marked")
        assert _is_gone(home) or (not happened and _files(home) == (2, 1))
        assert [one.hidden for one in home.index.revisions.of_instance(KEPT)] == [False]
        assert audit(home, codec.predictors).faults == []
        purge_due(home)
        assert _is_gone(home)


def _go_on(folder: Path, again: str) -> None:
    if again == "rebuild":
        rebuilt = rebuild_index(folder)
        assert (rebuilt.faults, rebuilt.carried) == ([], True)
    with Home.open(folder) as home:
        recover(home)
        assert recover(home).decided == 0


def test_an_index_from_before_a_purge_brings_nothing_back(folder: Path, codec: Codec) -> None:
    with Home.open(folder) as home:
        _fill(home, codec)
    shutil.copy(folder / "index.sqlite", folder.parent / "old")
    with Home.open(folder) as home:
        Deletion(home).purge(_delete(home), ADMIN)
    shutil.copy(folder.parent / "old", folder / "index.sqlite")
    for suffix in ("-wal", "-shm"):
        (folder / f"index.sqlite{suffix}").unlink(missing_ok=True)
    with Home.open(folder) as home:
        assert recover(home).decided == 2
        assert _is_gone(home)


def test_objects_restored_from_before_a_purge_are_not_indexed(folder: Path, codec: Codec) -> None:
    with Home.open(folder) as home:
        _fill(home, codec)
        shutil.copytree(home.settings.store.path, folder.parent / "old")
        Deletion(home).purge(_delete(home), ADMIN)
        objects = home.settings.store.path
    shutil.copytree(folder.parent / "old", objects, dirs_exist_ok=True)
    rebuilt = rebuild_index(folder)
    assert (rebuilt.objects, rebuilt.purged, rebuilt.faults) == (1, 1, [])
    with Home.open(folder) as home:
        recover(home)
        assert _is_gone(home)


def test_a_purge_leaves_no_name_in_the_index(folder: Path, codec: Codec) -> None:
    with Home.open(folder) as home:
        take(home, dataset(GONE), GONE)
        drain(home, codec)
        assert b"SONJA" in _index_files(folder).upper()
        Deletion(home).purge(_delete(home), ADMIN)
        assert b"SONJA" not in _index_files(folder).upper()


def _index_files(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.glob("index.sqlite*"))
