"""One suite for every implementation of the object store."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from service.errors import Conflict, Missing
from service.store import ObjectStore
from tests.store.made import ID, put


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


def test_a_repair_replaces_an_object(store: ObjectStore) -> None:
    put(store, ID, b"damaged")
    with store.draft(ID) as draft:
        draft.file.write(b"mended")
        draft.publish(replace=True)
    with store.open(ID) as file:
        assert file.read() == b"mended"
    assert list(store.ids()) == [ID]


def test_an_object_of_many_parts_is_read_in_any_order(store: ObjectStore) -> None:
    content = os.urandom(40_000_001)
    put(store, ID, content)
    assert store.size(ID) == len(content)
    with store.open(ID) as file:
        assert file.seek(-3, os.SEEK_END) == len(content) - 3
        assert file.read() == content[-3:]
        file.seek(17_000_000)
        assert file.read(2_000_000) == content[17_000_000:19_000_000]
        assert file.read(10) == content[19_000_000:19_000_010]
        file.seek(0)
        assert file.read() == content
        assert file.read(1) == b""


def test_an_empty_object_is_an_object(store: ObjectStore) -> None:
    put(store, ID, b"")
    with store.open(ID) as file:
        assert file.read() == b""
    assert (store.size(ID), store.exists(ID)) == (0, True)


def test_ids_of_another_length_are_refused(store: ObjectStore) -> None:
    for ask in (store.open, store.size, store.exists, store.remove):
        with pytest.raises(ValueError, match="16 bytes"):
            ask(b"../../etc")


def test_what_is_open_is_read_to_its_end(store: ObjectStore, tmp_path: Path) -> None:
    put(store, ID, b"content")
    with store.open(ID) as file, store.open(ID) as other:
        assert file.read(3) == b"con"
        assert other.read() == b"content"
        assert file.read() == b"tent"
