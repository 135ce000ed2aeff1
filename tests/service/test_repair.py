"""Repair: each store gets back from the other what it lost, verified, and from nothing else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from service.encode import Codec
from service.errors import StoreFault
from service.home import Home
from service.index import RevisionFacts
from service.store import ObjectStore
from service.store.notes import LocalNotes
from service.upkeep.audit import audit
from service.upkeep.decisions import Decisions
from service.upkeep.repair import Repaired, repair
from service.upkeep.replication import catch_up
from tests.service.made import content, damage, dataset, object_path, only, take
from tests.service.replicas import archive, sealed, with_folder


def _mend(home: Home, codec: Codec) -> Repaired:
    return repair(home, codec.predictors)


def _spoil(store: ObjectStore, object_id: bytes, change: Callable[[bytes], bytes]) -> None:
    """Put other bytes in the place of an object."""
    spoilt = change(sealed(store, object_id))
    with store.draft(object_id) as draft:
        draft.file.write(spoilt)
        draft.publish(replace=True)


def _flipped(sealed_bytes: bytes) -> bytes:
    at = len(sealed_bytes) - 300
    return sealed_bytes[:at] + bytes([sealed_bytes[at] ^ 1]) + sealed_bytes[at + 1 :]


HARMS: dict[str, Callable[[ObjectStore, bytes, bytes], None]] = {
    "removed": lambda store, one, _: store.remove(one),
    "flipped": lambda store, one, _: _spoil(store, one, _flipped),
    "truncated": lambda store, one, _: _spoil(store, one, lambda content: content[:-200]),
    "emptied": lambda store, one, _: _spoil(store, one, lambda _: b""),
    "another": lambda store, one, two: _spoil(store, one, lambda _: sealed(store, two)),
}


@pytest.mark.parametrize("harm", HARMS)
def test_the_store_is_repaired_from_the_replica(replicated: Home, codec: Codec, harm: str) -> None:
    one, two = archive(replicated, codec, 2)
    before = sealed(replicated.store, one)
    catch_up(replicated)
    HARMS[harm](replicated.store, one, two)
    assert len(audit(replicated, codec.predictors).faults) == 1
    done = _mend(replicated, codec)
    assert (done.checked, done.restored, done.mirrored, done.faults) == (2, 1, 0, [])
    assert sealed(replicated.store, one) == before
    assert audit(replicated, codec.predictors).faults == []
    assert _mend(replicated, codec) == Repaired(checked=2)


@pytest.mark.parametrize("harm", HARMS)
def test_the_replica_is_repaired_from_the_store(replicated: Home, codec: Codec, harm: str) -> None:
    one, two = archive(replicated, codec, 2)
    catch_up(replicated)
    replica = replicated.require_replica().objects
    before = sealed(replica, one)
    HARMS[harm](replica, one, two)
    done = _mend(replicated, codec)
    assert (done.restored, done.mirrored, done.faults) == (0, 1, [])
    assert sealed(replica, one) == before
    assert _mend(replicated, codec) == Repaired(checked=2)


def test_what_is_damaged_in_both_is_named_and_left_as_it_is(replicated: Home, codec: Codec) -> None:
    one, two = archive(replicated, codec, 2)
    catch_up(replicated)
    replica = replicated.require_replica().objects
    _spoil(replicated.store, one, _flipped)
    _spoil(replica, one, lambda content: content[:-1])
    own, other = sealed(replicated.store, one), sealed(replica, one)
    done = _mend(replicated, codec)
    assert [(fault.object, fault.kind) for fault in done.faults] == [(one.hex(), "Altered")]
    assert (done.restored, done.mirrored) == (0, 0)
    assert (sealed(replicated.store, one), sealed(replica, one)) == (own, other)
    assert two in set(replica.ids())


def test_a_sound_object_of_another_reception_is_no_source(
    folder: Path, codec: Codec, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_folder(folder)
    with Home.open(folder) as home:
        (object_id,) = archive(home, codec, 1)
        catch_up(home)
        damage(object_path(home, object_id), -300)
        damaged = sealed(home.store, object_id)
        row = only(home)
        other = _of_another_reception(row)
        monkeypatch.setattr(type(home.index.revisions), "all", lambda _: iter([other]))
        monkeypatch.setattr(type(home.index.revisions), "get", lambda *_: other)
        done = _mend(home, codec)
        assert [fault.kind for fault in done.faults] == ["WrongInstance"]
        assert sealed(home.store, object_id) == damaged


def _of_another_reception(row: RevisionFacts) -> RevisionFacts:
    return replace(row, servable=replace(row.servable, entry_id=bytes(16)))


def test_a_read_from_the_replica_counts_until_the_repair(replicated: Home, codec: Codec) -> None:
    (object_id,) = archive(replicated, codec, 1)
    catch_up(replicated)
    replicated.store.remove(object_id)
    assert content(replicated, only(replicated), codec) == dataset("1.2.0")
    queue = replicated.require_replica().queue
    assert queue.lag().read_objects == 1
    _mend(replicated, codec)
    assert queue.lag().read_objects == 0
    events = [
        entry.details for entry in replicated.index.trail.entries() if entry.event == "repaired"
    ]
    assert events == [{"object": object_id.hex(), "kind": "Missing", "where": "store"}]


@pytest.mark.parametrize("where", ["store", "replica"])
@pytest.mark.parametrize("harm", ["removed", "altered"])
def test_notes_are_repaired_both_ways(
    replicated: Home, codec: Codec, where: str, harm: str
) -> None:
    archive(replicated, codec, 1)
    take(replicated, dataset("1.2.0", study="1.2.77", seed=5), "1.2.0")
    (waiting,) = replicated.index.revisions.quarantined()
    Decisions(replicated).reject(waiting.servable.revision_id, "tester", "a test")
    catch_up(replicated)
    own, other = LocalNotes(replicated.notes), replicated.require_replica().notes
    (note_id,) = own.ids()
    harmed, sound = (own, other) if where == "store" else (other, own)
    if harm == "removed":
        harmed.remove(note_id)
    else:
        harmed.write(note_id, _flipped(bytes(300) + sound.read(note_id)))
    done = _mend(replicated, codec)
    caught_up = (where, harm) == ("replica", "removed")  # Which a repair begins with.
    assert (done.notes, done.faults) == (0 if caught_up else 1, [])
    assert own.read(note_id) == other.read(note_id)


def test_strays_of_the_replica_are_named_and_left(replicated: Home, codec: Codec) -> None:
    (object_id,) = archive(replicated, codec, 1)
    catch_up(replicated)
    replica = replicated.require_replica().objects
    with replica.draft(bytes(16)) as draft:
        draft.file.write(b"whatever")
        draft.publish()
    assert _mend(replicated, codec).strays == [bytes(16).hex()]
    assert replica.exists(bytes(16))
    assert replica.exists(object_id)


def test_a_disk_that_refuses_the_repair_leaves_what_was_there(
    folder: Path, codec: Codec, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_folder(folder)
    with Home.open(folder) as home:
        (object_id,) = archive(home, codec, 1)
        catch_up(home)
        _spoil(home.store, object_id, _flipped)
        damaged = sealed(home.store, object_id)

        def refuse(*_: object) -> None:
            raise StoreFault("refused")

        monkeypatch.setattr(type(home.store), "draft", refuse)
        done = _mend(home, codec)
        assert [fault.kind for fault in done.faults] == ["StoreFault"]
        assert sealed(home.store, object_id) == damaged
