"""Bytes that were lost and are sent again are kept, not dropped as a duplicate."""

from __future__ import annotations

from pathlib import Path

import pytest

from service.encode import Codec
from service.home import Home
from service.processes.worker import drain
from service.sealing.journal import entry_ids, remove_entry
from service.upkeep.audit import audit
from service.upkeep.rebuild import rebuild_index
from service.upkeep.recovery import recover
from service.upkeep.replication import catch_up
from tests.service.made import content, dataset, object_path, only, take
from tests.service.replicas import with_folder


def test_a_lost_journal_entry_comes_back(home: Home, codec: Codec) -> None:
    take(home, dataset())
    before = only(home)
    remove_entry(home.journal, before.servable.entry_id)
    assert [fault.kind for fault in audit(home, codec.predictors).faults] == ["missing"]
    assert take(home, dataset()).duplicate
    assert only(home) == before
    assert list(entry_ids(home.journal)) == [before.servable.entry_id]
    assert content(home, only(home), codec) == dataset()
    assert audit(home, codec.predictors).faults == []
    drain(home, codec)
    assert content(home, only(home), codec) == dataset()


def test_a_lost_object_comes_back(home: Home, codec: Codec) -> None:
    take(home, dataset())
    drain(home, codec)
    before = only(home)
    assert before.servable.object_id is not None
    object_path(home, before.servable.object_id).unlink()
    take(home, dataset())
    assert only(home).servable.object_id is None
    assert only(home).servable.entry_id == before.servable.entry_id
    drain(home, codec)
    assert content(home, only(home), codec) == dataset()
    assert audit(home, codec.predictors).faults == []
    assert home.index.trail.verify() == []


def test_what_is_there_is_a_duplicate(home: Home, codec: Codec) -> None:
    take(home, dataset())
    take(home, dataset())
    assert len(list(entry_ids(home.journal))) == 1
    drain(home, codec)
    before = only(home)
    take(home, dataset())
    assert (only(home), list(entry_ids(home.journal))) == (before, [])


def test_what_the_replica_has_is_for_the_repair(folder: Path, codec: Codec) -> None:
    with_folder(folder)
    with Home.open(folder) as home:
        take(home, dataset())
        drain(home, codec)
        catch_up(home)
        before = only(home)
        assert before.servable.object_id is not None
        object_path(home, before.servable.object_id).unlink()
        take(home, dataset())
        assert only(home) == before


def test_it_outlives_the_index(folder: Path, codec: Codec) -> None:
    with Home.open(folder) as home:
        take(home, dataset())
        before = only(home)
        remove_entry(home.journal, before.servable.entry_id)
        take(home, dataset())
    rebuild_index(folder)
    with Home.open(folder) as home:
        assert only(home) == before


def test_a_disk_that_refuses_leaves_the_duplicate_for_the_sender(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    take(home, dataset())
    remove_entry(home.journal, only(home).servable.entry_id)

    def refuse(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("service.resend.JournalWriter", refuse)
    with pytest.raises(ZeroDivisionError):
        take(home, dataset())
    assert list(entry_ids(home.journal)) == []


def test_start_up_keeps_what_a_crash_left_of_it(home: Home, codec: Codec) -> None:
    take(home, dataset())
    (left,) = home.journal.glob("*.entry")
    kept = left.read_bytes()
    drain(home, codec)
    archived = only(home).servable.object_id
    assert archived is not None
    object_path(home, archived).unlink()
    left.write_bytes(kept)  # Copied, when the crash came before the row said so.
    recover(home)
    take(home, dataset())
    assert content(home, only(home), codec) == dataset()
