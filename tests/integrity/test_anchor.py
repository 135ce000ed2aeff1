"""The anchor says that an index was set back as a whole; what is in order keeps it up to date."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from service.errors import Altered, Missing
from service.home import Home
from service.upkeep.anchor import ANCHOR, Anchor, against, drop_anchor, read_anchor
from service.upkeep.anchoring import Anchoring
from service.upkeep.audit import audit
from service.upkeep.key_uses import retire
from service.upkeep.rebuild import rebuild_index
from tests.service.made import damage, rotate


def anchor_of(home: Home) -> Anchor:
    return read_anchor(home.keys, home.settings.store.path)


def drop(home: Home) -> Anchor:
    return drop_anchor(home.index.trail, home.keys, home.settings.store.path)


def set_back(home: Home, kept: Path) -> None:
    with (
        closing(sqlite3.connect(kept)) as early,
        closing(sqlite3.connect(home.path / "index.sqlite")) as live,
    ):
        early.backup(live)


def keep(home: Home, folder: Path) -> Path:
    kept = folder / "kept.sqlite"
    with (
        closing(sqlite3.connect(kept)) as copy,
        closing(sqlite3.connect(home.path / "index.sqlite")) as live,
    ):
        live.backup(copy)
    return kept


def test_a_new_archive_is_anchored(home: Home) -> None:
    anchor = anchor_of(home)
    assert (anchor.position, anchor.hash) == home.index.trail.head()
    assert audit(home, {}).faults == []


def test_a_trail_that_grew_is_in_order_and_one_set_back_is_not(home: Home, tmp_path: Path) -> None:
    kept = keep(home, tmp_path)
    home.index.trail.append("query", {"found": 1})
    assert against(home.index.trail, anchor_of(home)) is None
    drop(home)
    set_back(home, kept)
    assert "set back" in str(against(home.index.trail, anchor_of(home)))
    home.index.trail.append("query", {"found": 2})
    assert "another trail" in str(against(home.index.trail, anchor_of(home)))
    assert [(one.object, one.kind) for one in audit(home, {}).faults] == [(ANCHOR, "stale")]


def test_the_keeper_follows_the_trail_and_leaves_a_contradiction_standing(
    home: Home, tmp_path: Path
) -> None:
    kept = keep(home, tmp_path)
    home.index.trail.append("query", {"found": 1})
    keeper = Anchoring(home)
    keeper.work()
    before = anchor_of(home)
    assert before.position == home.index.trail.head()[0]
    set_back(home, kept)
    keeper.work()
    Anchoring(home).work()
    assert anchor_of(home) == before


def test_a_missing_or_altered_anchor_is_a_fault_and_is_not_made_anew(home: Home) -> None:
    path = home.settings.store.path / ANCHOR
    damage(path, -1)
    with pytest.raises(Altered):
        anchor_of(home)
    Anchoring(home).work()
    assert [one.kind for one in audit(home, {}).faults] == ["altered"]
    path.unlink()
    Anchoring(home).work()
    with pytest.raises(Missing):
        anchor_of(home)
    assert [one.kind for one in audit(home, {}).faults] == ["missing"]


def test_an_anchor_that_is_away_is_no_trail_set_back(home: Home, tmp_path: Path) -> None:
    store, keeper, kept = home.settings.store.path, Anchoring(home), keep(home, tmp_path)
    home.index.trail.append("query", {"found": 1})
    store.rename(store.with_name("away"))
    with capture_logs() as logged:
        keeper.work()
        keeper.work()
    assert [one["event"] for one in logged] == ["trail's anchor missing: not anchored meanwhile"]
    assert not store.exists(), "nothing is made where a disk is not mounted"
    store.with_name("away").rename(store)
    with capture_logs() as logged:
        keeper.work()
    assert (anchor_of(home).position, logged) == (home.index.trail.head()[0], [])
    set_back(home, kept)
    with capture_logs() as logged:
        keeper.work()
    assert [one["event"] for one in logged] == ["trail set back, no more anchored"]


def test_it_outlives_the_key_that_it_was_sealed_under(home: Home) -> None:
    old = home.keys.keyring.active.key_id
    rotate(home)
    retire(home, old.hex())
    anchor_of(home)
    assert audit(home, {}).faults == []


def test_a_rebuild_without_the_old_trail_anchors_the_new_one(home: Home) -> None:
    for _ in range(5):
        home.index.trail.append("query", {"found": 1})
    drop(home)
    home.index.close()
    for path in home.path.glob("index.sqlite*"):
        path.unlink()
    rebuild_index(home.path)
    with Home.open(home.path) as again:
        assert audit(again, {}).faults == []


def test_a_keyring_set_back_is_told_and_one_that_is_newer_than_the_trail(
    home: Home, tmp_path: Path
) -> None:
    kept, index = tmp_path / "kept.json", keep(home, tmp_path)
    shutil.copyfile(home.keyring_path, kept)
    rotate(home)
    newer = home.keyring_path.read_bytes()
    home.keyring_path.write_bytes(kept.read_bytes())
    with Home.open(home.path) as again:
        assert [one.object for one in audit(again, {}).faults] == ["keyring.json"]
    home.keyring_path.write_bytes(newer)
    set_back(home, index)
    with Home.open(home.path) as again:
        assert [one.object for one in audit(again, {}).faults] == ["index"]


def test_a_key_that_was_retired_does_not_come_back_unseen(home: Home, tmp_path: Path) -> None:
    old = home.keys.keyring.active.key_id
    rotate(home)
    kept = home.keyring_path.read_bytes()
    retire(home, old.hex())
    home.keyring_path.write_bytes(kept)
    with Home.open(home.path) as again:
        (fault,) = audit(again, {}).faults
    assert (fault.object, fault.kind) == ("keyring.json", "stale")
    assert "was retired" in fault.detail
