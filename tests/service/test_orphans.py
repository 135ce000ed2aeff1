"""Objects without a row: adopted where nothing else holds what they hold, else removed."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from service.encode import Codec
from service.home import Home
from service.index import Author
from service.processes.worker import drain
from service.sealing.journal import entry_ids
from service.upkeep.audit import audit
from service.upkeep.deletion import Deletion
from service.upkeep.jobs import reencrypt
from service.upkeep.orphans import Orphan, orphans
from tests.service.made import damage, dataset, only, rotate, take

Look = Callable[..., list[Orphan]]


@pytest.fixture
def look(home: Home, codec: Codec) -> Look:
    def call(settle: bool = True, young_s: float = 0) -> list[Orphan]:
        return orphans(home, codec.predictors, settle=settle, young_s=young_s)

    return call


@pytest.fixture
def saved(home: Home, codec: Codec, tmp_path: Path) -> Path:
    """An archive of one object, and a copy of its index and objects from then."""
    take(home, dataset())
    drain(home, codec)
    return Path(shutil.copytree(home.settings.store.path, tmp_path / "saved"))


def _move(home: Home, codec: Codec) -> None:
    """Move the object to a new key, and so to a new id."""
    rotate(home)
    reencrypt(home, codec)


def _restore(home: Home, saved: Path) -> None:
    for path in saved.rglob("*.dcm"):
        target = home.settings.store.path / path.relative_to(saved)
        target.parent.mkdir(parents=True, exist_ok=True)
        if not target.exists():
            shutil.copy(path, target)


def _is_sound(home: Home, codec: Codec) -> bool:
    return audit(home, codec.predictors).faults == []


def test_an_archive_without_orphans_has_none(home: Home, saved: Path, look: Look) -> None:
    assert look() == []


def test_a_copy_of_what_another_object_holds_is_removed(
    home: Home, codec: Codec, saved: Path, look: Look
) -> None:
    _move(home, codec)
    _restore(home, saved)
    (told,) = look(settle=False)
    assert (told.outcome, len(list(home.store.ids()))) == ("removed", 2)
    assert look(young_s=600) == [], "a worker may be about to name it"
    (done,) = look()
    assert (done.outcome, done.sop_instance_uid) == ("removed", "1.2.3.4")
    assert len(list(home.store.ids())) == 1
    assert _is_sound(home, codec)


def test_a_copy_of_what_the_other_object_lost_is_adopted(
    home: Home, codec: Codec, saved: Path, look: Look
) -> None:
    _move(home, codec)
    object_id = only(home).servable.object_id
    assert object_id is not None
    home.store.remove(object_id)
    _restore(home, saved)
    assert [one.outcome for one in look()] == ["adopted"]
    assert only(home).servable.object_id != object_id
    assert len(list(home.store.ids())) == 1


def test_what_is_not_sound_is_neither_adopted_nor_a_reason_to_remove(
    home: Home, codec: Codec, saved: Path, look: Look
) -> None:
    _move(home, codec)
    _restore(home, saved)
    for path in home.settings.store.path.glob("??/??/*.dcm"):
        damage(path, path.stat().st_size - 50)
    assert [one.outcome for one in look()] == ["left"]
    assert len(list(home.store.ids())) == 2


def test_a_copy_of_what_was_purged_is_removed(
    home: Home, codec: Codec, saved: Path, look: Look
) -> None:
    covered = home.index.deletions.covering("instance", "1.2.3.4")
    deletion = Deletion(home)
    deletion.purge(deletion.delete(covered.revisions, Author("admin", "")), Author("admin", ""))
    _restore(home, saved)
    assert [one.outcome for one in look()] == ["removed"]
    assert (list(home.store.ids()), list(home.index.revisions.all())) == ([], [])


def test_an_object_that_the_index_does_not_know_is_adopted(folder: Path, codec: Codec) -> None:
    with Home.open(folder) as home:
        take(home, dataset("1.1"), "1.1")
        drain(home, codec)
    shutil.copy(folder / "index.sqlite", folder.parent / "old")
    with Home.open(folder) as home:
        take(home, dataset("1.2"), "1.2")
        drain(home, codec)
    shutil.copy(folder.parent / "old", folder / "index.sqlite")
    with Home.open(folder) as home:
        (done,) = orphans(home, codec.predictors, settle=True, young_s=0)
        assert (done.outcome, done.sop_instance_uid) == ("adopted", "1.2")
        shown = sorted(one.servable.sop_instance_uid for one in home.index.revisions.all())
        assert shown == ["1.1", "1.2"]


def test_an_object_whose_row_waits_in_the_journal_ends_the_wait(
    home: Home, codec: Codec, saved: Path, look: Look
) -> None:
    object_id = only(home).servable.object_id
    assert object_id is not None
    home.store.remove(object_id)
    assert take(home, dataset()).duplicate, "the lost instance is sent again"
    assert only(home).state == "journalled"
    _restore(home, saved)
    assert [one.outcome for one in look()] == ["adopted"]
    assert (only(home).state, list(entry_ids(home.journal))) == ("archived", [])
