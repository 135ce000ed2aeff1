"""Journal entries: what was written is read; anything else is a named fault."""

from __future__ import annotations

import errno
import os
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.errors import DataFault, JournalFault, Missing, OutOfSpace, Truncated, WrongKey
from service.keys import Keyring
from service.records import Received
from service.sealing import journal
from service.sealing.journal import JournalReader, JournalWriter
from service.sealing.parts import MIN_CHUNK
from tests.vault.helpers import FixedKeys, archive_key, reception

KEYS = FixedKeys()
START = {"calling_ae": "MODALITY"}


def write_entry(folder: Path, dataset: bytes, step: int = 16_384, **changes: object) -> Received:
    received = reception(dataset, **changes)
    writer = JournalWriter(folder, KEYS, received.entry_id, START)
    for offset in range(0, len(dataset), step):
        writer.write(dataset[offset : offset + step])
    assert writer.finish(received) == journal.entry_path(folder, received.entry_id)
    return received


@pytest.mark.parametrize(
    "length", [0, 1, 20_000, MIN_CHUNK - 1, MIN_CHUNK, MIN_CHUNK + 1, 2 * MIN_CHUNK, 5_000_001]
)
def test_gives_back_what_was_written(tmp_path: Path, length: int) -> None:
    dataset = os.urandom(length)
    received = write_entry(tmp_path, dataset, prefix=b"\0" * 128 + b"DICM")
    with JournalReader(journal.entry_path(tmp_path, received.entry_id), KEYS) as entry:
        assert entry.start == START
        assert entry.received == received
        assert entry.dataset() == dataset
        target = bytearray(length)
        entry.read_into(memoryview(target))
        assert target == dataset


@given(text=st.text(max_size=80), number=st.integers(0, 2**62), prefix=st.binary(max_size=300))
def test_a_reception_survives_whatever_characters_it_holds(
    tmp_path_factory: pytest.TempPathFactory, text: str, number: int, prefix: bytes
) -> None:
    folder = tmp_path_factory.mktemp("journal")
    received = write_entry(
        folder, b"dataset", sop_instance_uid=text, calling_ae=text, sequence=number, prefix=prefix
    )
    with JournalReader(journal.entry_path(folder, received.entry_id), KEYS) as entry:
        assert entry.received == received


def test_no_clear_byte_of_the_dataset_reaches_the_disk(tmp_path: Path) -> None:
    dataset = b"DOE^JANE" * 200_000
    received = reception(dataset)
    writer = JournalWriter(tmp_path, KEYS, received.entry_id, START)
    writer.write(dataset)
    (partial,) = tmp_path.iterdir()
    assert 0 < partial.stat().st_size < len(dataset)
    path = writer.finish(received)
    assert b"DOE^JANE" not in path.read_bytes()


def test_one_file_two_syncs_for_a_small_instance(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[bool] = []
    fsync = os.fsync

    def count(handle: int) -> None:
        synced.append(os.path.isdir(f"/proc/self/fd/{handle}"))
        fsync(handle)

    monkeypatch.setattr(os, "fsync", count)
    write_entry(tmp_path, os.urandom(20_000))
    assert synced == [False, True]
    assert len(list(tmp_path.iterdir())) == 1


def test_every_altered_byte_is_a_named_fault(tmp_path: Path) -> None:
    received = write_entry(tmp_path, b"a small dataset")
    path = journal.entry_path(tmp_path, received.entry_id)
    entry = path.read_bytes()
    for offset in range(len(entry)):
        altered = bytearray(entry)
        altered[offset] ^= 0x41
        path.write_bytes(altered)
        with pytest.raises(DataFault), JournalReader(path, KEYS) as reader:
            reader.dataset()


def test_truncation_at_every_length_is_a_named_fault(tmp_path: Path) -> None:
    received = write_entry(tmp_path, b"a small dataset")
    path = journal.entry_path(tmp_path, received.entry_id)
    entry = path.read_bytes()
    for length in range(len(entry)):
        path.write_bytes(entry[:length])
        with pytest.raises(Truncated):
            JournalReader(path, KEYS)
    path.write_bytes(entry + b"\0")
    with pytest.raises(DataFault, match="bytes follow"):
        JournalReader(path, KEYS)


def test_missing_wrong_key_and_retired_key_are_told_apart(tmp_path: Path) -> None:
    received = write_entry(tmp_path, b"dataset")
    path = journal.entry_path(tmp_path, received.entry_id)
    with pytest.raises(Missing):
        JournalReader(tmp_path / "nothing.entry", KEYS)
    with pytest.raises(WrongKey, match="not in the keyring"):
        JournalReader(path, FixedKeys(Keyring((archive_key(2),))))
    impostor = replace(archive_key(2), key_id=archive_key(1).key_id)
    with pytest.raises(WrongKey, match="not the one"):
        JournalReader(path, FixedKeys(Keyring((impostor,))))
    both = Keyring((archive_key(1), archive_key(2))).activated(archive_key(2).key_id)
    with pytest.raises(WrongKey, match="retired"):
        JournalReader(path, FixedKeys(both.retired(archive_key(1).key_id)))


def test_what_a_crash_leaves_is_never_an_entry_and_is_swept(tmp_path: Path) -> None:
    kept = write_entry(tmp_path, b"dataset")
    writer = JournalWriter(tmp_path, KEYS, b"\xff" * 16, START)
    writer.write(bytes(3 * MIN_CHUNK))
    assert list(journal.entry_ids(tmp_path)) == [kept.entry_id]
    assert journal.sweep(tmp_path) == 1
    assert list(journal.entry_ids(tmp_path)) == [kept.entry_id]
    writer.abort()
    journal.remove_entry(tmp_path, kept.entry_id)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("number", "fault"), [(errno.ENOSPC, OutOfSpace), (errno.EIO, JournalFault)]
)
def test_a_failing_sync_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, fault: type[Exception]
) -> None:
    def fail(handle: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(fault):
        write_entry(tmp_path, b"dataset")
    assert list(tmp_path.iterdir()) == []


def test_an_end_that_contradicts_the_bytes_is_refused(tmp_path: Path) -> None:
    writer = JournalWriter(tmp_path, KEYS, bytes(range(16)), START)
    writer.write(b"other bytes")
    with pytest.raises(ValueError, match="SHA-256"):
        writer.finish(reception(b"these bytes"))
    writer.abort()
