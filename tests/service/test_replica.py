"""The replica gets what the store has and loses what the store lost, at once or later."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from service.encode import Codec
from service.errors import KeyNeeded, StoreFault
from service.home import Home
from service.index import Author
from service.index.replication import Kind
from service.keys.keystore import Keys
from service.processes.worker import drain
from service.records import ObjectFacts
from service.store import LocalStore, ObjectStore
from service.store.notes import LocalNotes
from service.upkeep import replication, sound
from service.upkeep.decisions import Decisions
from service.upkeep.jobs import reencrypt
from service.upkeep.key_uses import retire
from service.upkeep.replication import Replicator, catch_up
from tests.service.made import damage, dataset, object_path, only, take
from tests.service.replicas import archive, sealed, with_bucket, with_folder


def test_what_waits_is_copied_once(replicated: Home, codec: Codec) -> None:
    ids = archive(replicated, codec, 3)
    replica = replicated.require_replica()
    assert replica.queue.lag().waiting == 3
    done = catch_up(replicated)
    assert (done.copied, done.present, done.faults) == (3, 0, [])
    assert list(replica.objects.ids()) == sorted(ids)
    for object_id in ids:
        assert sealed(replica.objects, object_id) == sealed(replicated.store, object_id)
    assert replica.queue.lag().waiting == 0
    assert catch_up(replicated).copied == 0


def test_the_queue_survives_what_ends_the_process(
    folder: Path, codec: Codec, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_folder(folder)
    with Home.open(folder) as home:
        archive(home, codec, 3)
        monkeypatch.setattr(LocalStore, "draft", _fail_after(1))
        with pytest.raises(ZeroDivisionError):
            catch_up(home)
        monkeypatch.undo()
    with Home.open(folder) as home:
        done = catch_up(home)
        assert (done.copied, done.present) == (2, 1)
        assert home.require_replica().queue.lag().waiting == 0


def _fail_after(calls: int):  # type: ignore[no-untyped-def]
    whole, left = LocalStore.draft, [calls]

    def draft(store: LocalStore, object_id: bytes):  # type: ignore[no-untyped-def]
        if not left[0]:
            raise ZeroDivisionError
        left[0] -= 1
        return whole(store, object_id)

    return draft


@pytest.mark.parametrize("kind", ["folder", "s3"])
def test_sync_has_both_before_the_row(
    kind: str,
    folder: Path,
    codec: Codec,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if kind == "folder":
        with_folder(folder, "sync")
    else:
        with_bucket(folder, request.getfixturevalue("s3"), "sync")
    with Home.open(folder) as home:
        replica = home.require_replica()
        archived = home.index.archived

        def both_have_it(revision_id: int, facts: ObjectFacts) -> None:
            own = sealed(home.store, facts.object_id)
            assert sealed(replica.objects, facts.object_id) == own
            assert len(list(home.journal.glob("*.entry"))) == 1
            archived(revision_id, facts)

        monkeypatch.setattr(home.index, "archived", both_have_it)
        archive(home, codec, 1)
        assert catch_up(home).present == 1
        assert replica.queue.lag().waiting == 0


def test_sync_has_the_note_in_both_before_a_decision_counts(folder: Path, codec: Codec) -> None:
    replica = with_folder(folder, "sync")
    with Home.open(folder) as home:
        archive(home, codec, 1)
        Decisions(home).hold("instance", "1.2.0", Author("tester", "a test"))
        assert list(home.require_replica().notes.ids()) == list(LocalNotes(home.notes).ids())
        replica.rename(replica.with_name("away"))
        with pytest.raises(StoreFault):
            Decisions(home).hold("instance", "1.2.0", Author("tester", "refused"))
        assert [hold.reason for hold in home.index.holds.list()] == ["a test"]
        assert len(list(LocalNotes(home.notes).ids())) == 1


def test_sync_keeps_the_journal_entry_while_the_replica_is_away(folder: Path, codec: Codec) -> None:
    replica = with_folder(folder, "sync")
    shutil.rmtree(replica)
    with Home.open(folder) as home:
        take(home, dataset())
        drain(home, codec)
        assert only(home).servable.object_id is None
        assert only(home).failure == "StoreFault"
        assert list(home.store.ids()) == []
        assert len(list(home.journal.glob("*.entry"))) == 1


def test_a_queue_waits_while_the_replica_is_away(folder: Path, codec: Codec) -> None:
    replica = with_folder(folder)
    shutil.rmtree(replica)
    with Home.open(folder) as home:
        (object_id,) = archive(home, codec, 1)
        with pytest.raises(StoreFault):
            catch_up(home)
        assert home.require_replica().queue.lag().waiting == 1
        replica.mkdir()
        assert catch_up(home).copied == 1
        assert list(home.require_replica().objects.ids()) == [object_id]


def test_a_folder_whose_disk_is_not_mounted_is_not_written(folder: Path, codec: Codec) -> None:
    replica = with_folder(folder)
    with Home.open(folder) as home:
        archive(home, codec, 1)
        catch_up(home)
    shutil.rmtree(replica)
    replica.mkdir()
    with Home.open(folder) as home:
        take(home, dataset("1.2.9"), "1.2.9")
        drain(home, codec)
        with pytest.raises(StoreFault, match="mounted"):
            catch_up(home)
        assert list(replica.iterdir()) == []
        home.require_replica().queue.renew()
        assert catch_up(home).copied == 2


def test_a_damaged_object_is_not_copied_and_holds_nothing_up(
    replicated: Home, codec: Codec
) -> None:
    ids = archive(replicated, codec, 3)
    damage(object_path(replicated, ids[0]), -100)
    replicator = Replicator(replicated)
    done = replicator.work()
    assert [fault.object for fault in done.faults] == [ids[0].hex()]
    assert (done.copied, replicator.work().faults) == (2, [])
    replica = replicated.require_replica()
    assert not replica.objects.exists(ids[0])
    assert replica.queue.lag().waiting == 1


def test_reencryption_and_retirement_reach_the_replica(replicated: Home, codec: Codec) -> None:
    (old_id,) = archive(replicated, codec, 1)
    _decide(replicated, codec)
    catch_up(replicated)
    replica = replicated.require_replica()
    (old_note,) = replica.notes.ids()
    old_key = replicated.keys.keyring.active.key_id
    replicated.keys.rotate()
    assert reencrypt(replicated, codec).faults == []
    assert not replica.objects.exists(old_id)
    assert replica.queue.lag().removals == 0
    catch_up(replicated)
    assert list(replica.objects.ids()) == list(replicated.store.ids())
    (note,) = replica.notes.ids()
    assert note != old_note
    retire(replicated, old_key.hex())


def _decide(home: Home, codec: Codec) -> None:
    take(home, dataset("1.2.0", study="1.2.77", seed=5), "1.2.0")
    (waiting,) = home.index.revisions.quarantined()
    Decisions(home).reject(waiting.servable.revision_id, "tester", "a test")
    drain(home, codec)


def test_a_key_that_the_replica_needs_stays(folder: Path, codec: Codec) -> None:
    path = with_folder(folder)
    away = path.with_name("away")
    with Home.open(folder) as home:
        archive(home, codec, 1)
        catch_up(home)
        old_key = home.keys.keyring.active.key_id
        home.keys.rotate()
        path.rename(away)
        reencrypt(home, codec)
        assert home.require_replica().queue.lag().removals == 1
        with pytest.raises(StoreFault):
            retire(home, old_key.hex())
        away.rename(path)
        with pytest.raises(KeyNeeded, match="replica"):
            retire(home, old_key.hex())
        assert catch_up(home).removed == 1
        retire(home, old_key.hex())


def test_what_was_replaced_while_it_was_copied_does_not_stay(
    folder: Path, codec: Codec, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_folder(folder)
    with Home.open(folder) as home:
        (old_id,) = archive(home, codec, 1)
        replica = home.require_replica()
        authenticate = sound.authenticate

        def replaced_meanwhile(store: ObjectStore, keys: Keys, object_id: bytes) -> None:
            authenticate(store, keys, object_id)
            monkeypatch.undo()
            home.keys.rotate()
            kept = sealed(home.store, object_id)
            reencrypt(home, codec)
            with home.store.draft(object_id) as draft:  # As one that was open still reads.
                draft.file.write(kept)
                draft.publish()

        monkeypatch.setattr(replication, "authenticate", replaced_meanwhile)
        catch_up(home)
        catch_up(home)
        assert not replica.objects.exists(old_id)
        assert list(replica.objects.ids()) == [only(home).servable.object_id]


def test_status_tells_the_lag(replicated: Home, codec: Codec) -> None:
    archive(replicated, codec, 2)
    lag = replicated.require_replica().queue.lag()
    sizes = [one.size for one in replicated.index.revisions.all()]
    assert (lag.waiting, lag.waiting_bytes) == (2, sum(size or 0 for size in sizes))
    assert lag.oldest is not None
    replicated.require_replica().ask_removal(Kind.OBJECT, bytes(16))
    assert replicated.require_replica().queue.lag().removals == 1
    catch_up(replicated)
    lag = replicated.require_replica().queue.lag()
    assert (lag.waiting, lag.removals, lag.oldest) == (0, 0, None)
