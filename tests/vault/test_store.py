"""One suite for every implementation of the object store."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import pytest

from service.errors import Conflict, Missing, OutOfSpace, StoreFault
from service.store import LocalStore, ObjectStore

ID = bytes(range(16))


@pytest.fixture(params=["local"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    return {"local": LocalStore}[request.param](tmp_path / "objects")


def put(store: ObjectStore, object_id: bytes, content: bytes) -> None:
    with store.draft(object_id) as draft:
        draft.file.write(content)
        draft.publish()


def test_what_is_published_is_read(store: ObjectStore) -> None:
    put(store, ID, b"content")
    with store.open(ID) as file:
        file.seek(3)
        assert file.read() == b"tent"
    assert store.exists(ID)
    assert store.size(ID) == 7


def test_a_draft_is_read_back_before_it_is_published(store: ObjectStore) -> None:
    with store.draft(ID) as draft:
        draft.file.write(b"content")
        draft.file.seek(0)
        assert draft.file.read() == b"content"
        assert not store.exists(ID)
        assert list(store.ids()) == []
        draft.publish()
        assert store.exists(ID)


def test_an_unpublished_draft_leaves_nothing(store: ObjectStore) -> None:
    with store.draft(ID) as draft:
        draft.file.write(b"content")
    assert not store.exists(ID)
    assert store.sweep() == 0
    with pytest.raises(ZeroDivisionError), store.draft(ID):
        raise ZeroDivisionError
    assert store.sweep() == 0


def test_what_is_not_there_is_missing(store: ObjectStore) -> None:
    assert not store.exists(ID)
    for ask in (store.open, store.size):
        with pytest.raises(Missing):
            ask(ID)
    store.remove(ID)


def test_a_removed_object_is_gone(store: ObjectStore) -> None:
    put(store, ID, b"content")
    store.remove(ID)
    assert not store.exists(ID)
    assert list(store.ids()) == []


def test_ids_come_in_order(store: ObjectStore) -> None:
    ids = [os.urandom(16) for _ in range(50)]
    for object_id in ids:
        put(store, object_id, object_id)
    assert list(store.ids()) == sorted(ids)


def test_an_object_is_never_replaced(store: ObjectStore) -> None:
    put(store, ID, b"first")
    with pytest.raises(Conflict):
        put(store, ID, b"second")
    with store.open(ID) as file:
        assert file.read() == b"first"


def test_two_drafts_of_one_id_do_not_meet(store: ObjectStore) -> None:
    with store.draft(ID) as one, store.draft(ID) as two:
        one.file.write(b"one")
        two.file.write(b"two")
        two.publish()
    with store.open(ID) as file:
        assert file.read() == b"two"


def test_local_objects_are_read_only_under_two_levels_of_folders(tmp_path: Path) -> None:
    put(LocalStore(tmp_path), ID, b"content")
    path = tmp_path / "00" / "01" / f"{ID.hex()}.dcm"
    assert stat.S_IMODE(path.stat().st_mode) == 0o400


def test_publishing_syncs_the_file_then_the_folders_of_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = LocalStore(tmp_path)
    synced: list[str] = []
    fsync = os.fsync

    def record(handle: int) -> None:
        synced.append(Path(f"/proc/self/fd/{handle}").readlink().name)
        fsync(handle)

    monkeypatch.setattr(os, "fsync", record)
    put(store, ID, b"content")
    assert synced[0].startswith(ID.hex())
    assert synced[1:] == [tmp_path.name, "00", "01"]
    synced.clear()
    put(store, ID[:-1] + b"\xff", b"content")
    assert synced[1:] == ["01"]


@pytest.mark.parametrize(("number", "fault"), [(errno.ENOSPC, OutOfSpace), (errno.EIO, StoreFault)])
@pytest.mark.parametrize("call", [1, 2, 3, 4])
def test_a_failing_sync_publishes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, fault: type[Exception], call: int
) -> None:
    store = LocalStore(tmp_path)
    calls = 0
    fsync = os.fsync

    def fail(handle: int) -> None:
        nonlocal calls
        calls += 1
        if calls == call:
            raise OSError(number, os.strerror(number))
        fsync(handle)

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(fault):
        put(store, ID, b"content")
    assert not store.exists(ID)
    assert store.sweep() == 0


def test_what_a_crash_leaves_is_no_object_and_is_swept(tmp_path: Path) -> None:
    with LocalStore(tmp_path).draft(ID) as draft:
        draft.file.write(b"content")
        again = LocalStore(tmp_path)
        assert list(again.ids()) == []
        assert again.sweep() == 1
        assert list((tmp_path / "drafts").iterdir()) == []
