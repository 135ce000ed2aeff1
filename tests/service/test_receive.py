"""Taking instances in: durable first, then indexed, then Success; nothing kept of what failed."""

import hashlib
import os
from collections.abc import Callable
from typing import Any

import pytest
from pydicom.dataset import Dataset

from dicom.archive import ArchiveFault
from service.errors import IndexFault, JournalFault
from service.home import Home
from service.index import Added
from service.receive import Reception
from service.records import Received
from service.sealing.journal import JournalReader, entry_ids, entry_path
from tests.service.made import dataset, only, origin, take, without_pixels


def _entries(home: Home) -> list[bytes]:
    return list(entry_ids(home.journal))


def _leftovers(home: Home) -> list[str]:
    return [path.name for path in home.journal.iterdir()]


@pytest.mark.parametrize("data", [dataset(), without_pixels("1.2.3.4", 3_000_000), b"\x08\0"])
def test_what_is_taken_in_can_be_read_from_the_journal_and_is_indexed(
    home: Home, data: bytes
) -> None:
    added = take(home, data)
    revision = only(home)
    with JournalReader(entry_path(home.journal, revision.servable.entry_id), home.keys) as entry:
        assert entry.dataset() == data
        assert entry.received.calling_ae == "MODALITY"
    assert revision.servable.revision_id == added.revision_id
    assert revision.servable.sop_instance_uid == "1.2.3.4"
    assert revision.state == "journalled"


def _when_adding(
    home: Home, monkeypatch: pytest.MonkeyPatch, before: Callable[[Received], None]
) -> None:
    add = home.index.add

    def spied(received: Received, attributes: Dataset, **_: bool) -> Added:
        before(received)
        return add(received, attributes)

    monkeypatch.setattr(home.index, "add", spied)


def test_the_entry_is_complete_and_synced_before_its_row_is_made(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[str] = []
    fsync = os.fsync

    def noted(descriptor: int) -> None:
        synced.append(os.readlink(f"/proc/self/fd/{descriptor}"))
        fsync(descriptor)

    seen: list[bytes] = []

    def look(received: Received) -> None:
        path = entry_path(home.journal, received.entry_id)
        with JournalReader(path, home.keys) as entry:
            seen.append(entry.dataset())
        assert any(name.startswith(str(path)) for name in synced), "the file was not synced"
        assert str(home.journal) in synced, "the folder was not synced"
        assert list(home.index.revisions.all()) == []

    monkeypatch.setattr(os, "fsync", noted)
    _when_adding(home, monkeypatch, look)
    take(home, dataset())
    assert seen == [dataset()]


def test_the_same_bytes_again_are_no_second_revision_and_leave_no_entry(home: Home) -> None:
    first = take(home, dataset())
    again = take(home, dataset())
    other = take(home, dataset(seed=1))
    assert (again.duplicate, again.revision_id) == (True, first.revision_id)
    assert (other.duplicate, other.revision) == (False, 2)
    assert len(_entries(home)) == 2


def test_a_reception_that_is_aborted_leaves_nothing(home: Home) -> None:
    reception = Reception(home, origin())
    reception.write(bytes(3_000_000))
    reception.abort()
    assert _leftovers(home) == []


def _failing(error: Exception) -> Callable[..., Any]:
    def fail(*_: object, **__: object) -> Any:
        raise error

    return fail


def test_an_index_that_fails_costs_the_instance_and_says_so(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(home.index, "add", _failing(IndexFault("gone")))
    reception = Reception(home, origin())
    reception.write(dataset())
    with pytest.raises(ArchiveFault) as caught:
        reception.commit()
    assert caught.value.status == 0xA700
    assert _leftovers(home) == []


def test_an_index_that_fails_after_it_committed_keeps_the_entry(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    add = home.index.add

    def commit_then_fail(received: Received, attributes: Dataset, **_: bool) -> Added:
        add(received, attributes)
        raise IndexFault("the connection was lost")

    monkeypatch.setattr(home.index, "add", commit_then_fail)
    with pytest.raises(IndexFault):
        take(home, dataset())
    assert _entries(home) == [only(home).servable.entry_id]
    monkeypatch.undo()
    assert take(home, dataset()).duplicate


def test_a_journal_that_cannot_be_written_is_0xa700_and_reads_the_message_to_its_end(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "service.receive.JournalWriter.write", _failing(JournalFault("the disk is gone"))
    )
    reception = Reception(home, origin())
    assert [reception.write(b"12345"), reception.write(b"67")] == [5, 2]
    with pytest.raises(ArchiveFault) as caught:
        reception.commit()
    assert caught.value.status == 0xA700
    assert _leftovers(home) == []


def test_a_disk_that_is_nearly_full_refuses_at_once(folder: Any) -> None:
    with Home.open(folder, {"receive": {"min_free_bytes": 2**62}}) as home:
        reception = Reception(home, origin())
        reception.write(dataset())
        with pytest.raises(ArchiveFault) as caught:
            reception.commit()
    assert caught.value.status == 0xA700


def test_a_key_that_was_retired_meanwhile_costs_the_instance_not_the_promise(home: Home) -> None:
    reception = Reception(home, origin())
    reception.write(dataset())
    old = home.keys.keyring.active.key_id
    home.keys.rotate()
    home.keys.retire(old)
    with pytest.raises(ArchiveFault):
        reception.commit()
    assert list(home.index.revisions.all()) == []
    assert _leftovers(home) == []


def test_without_any_uid_of_its_own_the_command_names_the_instance(home: Home) -> None:
    take(home, b"", instance="9.8.7")
    assert only(home).servable.sop_instance_uid == "9.8.7"


def test_instances_that_nothing_names_are_not_revisions_of_each_other(home: Home) -> None:
    for data in (b"one", b"two", b"one"):
        take(home, data, instance="")
    facts = list(home.index.revisions.all())
    assert [one.number for one in facts] == [1, 1]
    assert len({one.servable.sop_instance_uid for one in facts}) == 2


def test_attributes_that_defeat_the_index_cost_the_attributes_not_the_instance(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    add = home.index.add

    def choke(received: Received, attributes: Dataset, **_: bool) -> Added:
        if attributes:
            raise ValueError("a value that nobody thought of")
        return add(received, attributes)

    monkeypatch.setattr(home.index, "add", choke)
    take(home, dataset())
    revision = only(home)
    assert revision.servable.sop_instance_uid == "1.2.3.4"
    assert revision.servable.sha256 == hashlib.sha256(dataset()).digest()
