"""Fuzzed: objects, journal entries, notes, snapshots and keyrings as an intruder could leave them.

Where a file is under a key, nothing altered may open to anything but what was sealed; what comes
behind the seal is fuzzed by itself, as one who holds a key could write it.
"""

from __future__ import annotations

import atexit
import json
import shutil
import tempfile
from collections.abc import Iterator
from functools import cache
from io import BytesIO
from pathlib import Path

import zstandard

from service.errors import DataFault, Fault
from service.keys import KeyFile, Keyring, KeyStore
from service.sealing import record
from service.sealing.header import DICTIONARY, SealedHeader
from service.sealing.journal import JournalReader, JournalWriter, entry_path
from service.sealing.note import read_note, write_note
from service.sealing.reader import ObjectReader
from service.sealing.snapshot import open_snapshot, seal_snapshot
from tests.fuzz.target import Target
from tests.vault.helpers import FixedKeys, reception
from tests.vault.objects import Sealed, content_of, image, seal, smooth

_KEYS = FixedKeys()
_DATASET = image(smooth(1, 4, 4))
_NOTE = {"kind": "reject", "entry": "00", "sequence": 7}


@cache
def _folder() -> Path:
    memory = Path("/dev/shm")
    folder = Path(
        tempfile.mkdtemp(prefix="radiolith-fuzz-", dir=memory if memory.is_dir() else None)
    )
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


@cache
def _objects() -> tuple[Sealed, ...]:
    colour = image(smooth(1, 4, 12).astype("u1"), samples=3)
    return (
        seal(content_of(_DATASET), frames=False, seed=b"1"),
        seal(content_of(colour), frames=False, seed=b"2"),
        seal(content_of(b"not a dataset", "1.2.840.10008.1.2.4.90"), seed=b"3"),
    )


def _object(data: bytes) -> None:
    try:
        reader = ObjectReader(BytesIO(data), _KEYS)
        opened = b"".join(reader.pieces())
    except DataFault:
        return
    assert any(
        opened == b"".join(sealed.reader().pieces()) and reader.received == sealed.received
        for sealed in _objects()
    )


def _header(data: bytes) -> None:
    compressed = zstandard.ZstdCompressor(
        compression_params=zstandard.ZstdCompressionParameters(
            format=zstandard.FORMAT_ZSTD1_MAGICLESS, write_checksum=False
        )
    ).compress(data)
    for chunks in ([data], [compressed], [compressed, data]):
        try:
            SealedHeader.unpack(chunks, DICTIONARY)
        except DataFault:
            continue


def _header_seeds() -> Iterator[bytes]:
    facts = SealedHeader(reception(b"headtail"), 1, 2, None, 0, 1 << 20, b"head", b"tail").facts()
    for changed in (facts, facts | {"head": 2**63}, facts | {"head": -1}, facts | {"frames": {}}):
        text = record.to_json(changed)
        yield len(text).to_bytes(4, "little") + text + b"headtail"
    frames = {"rows": 1 << 30, "columns": 1 << 30, "frames": 1, "word": 2, "big_endian": False}
    text = record.to_json(facts | {"frames": frames, "body": 1 << 61})
    yield len(text).to_bytes(4, "little") + text + b"headtail"


def _journal(data: bytes) -> None:
    path = entry_path(_folder(), reception(b"").entry_id)
    path.write_bytes(data)
    try:
        with JournalReader(path, _KEYS) as entry:
            opened = b"".join(entry.chunks())
    except DataFault:
        return
    assert opened == _DATASET


def _journal_seeds() -> Iterator[bytes]:
    received = reception(_DATASET)
    writer = JournalWriter(_folder(), _KEYS, received.entry_id, {"calling_ae": "A"})
    writer.write(_DATASET)
    yield writer.finish(received).read_bytes()


def _record(data: bytes) -> None:
    try:
        record.to_received(record.from_json(data))
    except DataFault:
        return


def _record_seeds() -> Iterator[bytes]:
    yield record.to_json(record.from_received(reception(b"dataset")))
    yield b"[" * 100_000
    yield b'{"length": ' + b"9" * 5000 + b"}"


def _note(data: bytes) -> None:
    folder = _folder()
    path = folder / f"{'ab' * 16}.note"
    path.write_bytes(data)
    try:
        read_note(folder, _KEYS, bytes.fromhex("ab" * 16))
    except DataFault:
        return
    raise AssertionError("a note opened under another note's name")


def _note_seeds() -> Iterator[bytes]:
    folder = _folder() / "notes"
    note_id = write_note(folder, _KEYS, _NOTE)
    yield (folder / f"{note_id.hex()}.note").read_bytes()


def _snapshot(data: bytes) -> None:
    try:
        opened = b"".join(open_snapshot(BytesIO(data), _KEYS))
    except DataFault:
        return
    assert opened == _DATASET


def _snapshot_seeds() -> Iterator[bytes]:
    out = BytesIO()
    seal_snapshot(BytesIO(_DATASET), out, _KEYS)
    yield out.getvalue()


@cache
def _root() -> KeyFile:
    return KeyFile.create(_folder() / "root.key")


@cache
def _keyring_file() -> bytes:
    path = _folder() / "made.json"
    KeyStore.create(path, _root())
    return path.read_bytes()


def _keyring(data: bytes) -> None:
    """The file, and what is behind its seal."""
    path = _folder() / "keyring.json"
    path.write_bytes(data)
    try:
        opened = KeyStore(path, _root()).keyring
    except Fault:
        pass
    else:
        assert opened == KeyStore(_folder() / "made.json", _root()).keyring
    try:
        Keyring.from_json(data)
    except DataFault:
        return


def _keyring_seeds() -> Iterator[bytes]:
    yield _keyring_file()
    yield _KEYS.keyring.to_json()
    sealed = json.loads(_keyring_file())
    costly = {"kind": "passphrase", "log2_n": 20, "r": 16, "p": 16}
    yield json.dumps(sealed | {"root": sealed["root"] | costly}).encode()
    yield b"[" * 100_000


def _object_seeds() -> Iterator[bytes]:
    yield from (bytes(sealed.data) for sealed in _objects())


TARGETS = (
    Target("object", _object, _object_seeds, ("service",)),
    Target("header", _header, _header_seeds, ("service",)),
    Target("journal", _journal, _journal_seeds, ("service",)),
    Target("record", _record, _record_seeds, ("service",)),
    Target("note", _note, _note_seeds, ("service",), 512),
    Target("snapshot", _snapshot, _snapshot_seeds, ("service",)),
    Target("keyring", _keyring, _keyring_seeds, ("service",)),
)
