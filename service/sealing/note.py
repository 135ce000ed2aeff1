"""Notes: sealed records in the store of what objects alone do not tell.

A deletion, a rejection from quarantine or a correction leaves a note, so that rebuilding the index
from the store resurrects nothing (docs/format.md, "Note"). What a note says is the caller's: a JSON
object; the archive's receive sequence in it orders notes and receptions.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from service.errors import Missing, StoreFault, WrongInstance
from service.files import make_folder, sync_folder, write_atomically
from service.keys.derivation import Purpose
from service.keys.keystore import Keys
from service.records import ID_BYTES
from service.sealing import envelope, record
from service.sealing.envelope import Envelope
from service.sealing.parts import PartType

MAGIC: Final = b"RLN\x01"
"""Three letters and the format version."""
SUFFIX: Final = ".note"


def write_note(folder: Path, keys: Keys, content: Mapping[str, object]) -> bytes:
    """Seal a note and make it durable; on return it survives a power cut.

    Returns:
        The id of the note.

    Raises:
        StoreFault: it cannot be written.
    """
    note_id = secrets.token_bytes(ID_BYTES)
    sealed = Envelope.seal(MAGIC, Purpose.NOTE, keys, note_id)
    part = sealed.cipher.seal(PartType.NOTE, 0, 1, record.to_json(content))
    try:
        make_folder(folder)
        write_atomically(_path(folder, note_id), sealed.start + part)
    except OSError as fault:
        raise StoreFault(f"a note cannot be written: {fault.strerror}") from fault
    return note_id


def read_note(folder: Path, keys: Keys, note_id: bytes) -> dict[str, Any]:
    """Open one note.

    Raises:
        Missing: there is no such note.
        Truncated, Altered, WrongKey, WrongInstance, Undecodable: named by what is wrong with it.
    """
    return open_note(_read(folder, note_id), keys, note_id)


def open_note(data: bytes, keys: Keys, note_id: bytes) -> dict[str, Any]:
    """Open the sealed bytes of one note, wherever they come from.

    Raises:
        Truncated, Altered, WrongKey, WrongInstance, Undecodable: named by what is wrong with it.
    """
    sealed = Envelope.open(MAGIC, Purpose.NOTE, keys, data[: envelope.SIZE])
    if sealed.file_id != note_id:
        raise WrongInstance(f"the file of note {note_id.hex()} holds another")
    return record.from_json(sealed.cipher.open(PartType.NOTE, 0, 1, data[envelope.SIZE :]))


def note_key(sealed: bytes) -> bytes:
    """Give the archive key that a note is sealed under, by its clear start.

    Raises:
        Truncated, Undecodable: its clear start cannot be read.
    """
    return envelope.key_of(MAGIC, Purpose.NOTE, sealed[: envelope.SIZE])


def remove_note(folder: Path, note_id: bytes) -> None:
    """Remove a note durably; no fault if there is none."""
    path = _path(folder, note_id)
    if path.exists():
        path.unlink(missing_ok=True)
        sync_folder(folder)


def note_ids(folder: Path) -> Iterator[bytes]:
    """Name every note, in ascending order of their random ids."""
    for path in sorted(folder.glob(f"*{SUFFIX}")):
        if len(path.stem) == 2 * ID_BYTES:
            yield bytes.fromhex(path.stem)


def _path(folder: Path, note_id: bytes) -> Path:
    return folder / (note_id.hex() + SUFFIX)


def _read(folder: Path, note_id: bytes) -> bytes:
    try:
        return _path(folder, note_id).read_bytes()
    except FileNotFoundError as fault:
        raise Missing(f"there is no note {note_id.hex()}") from fault
    except OSError as fault:
        raise StoreFault(f"note {note_id.hex()} cannot be read: {fault.strerror}") from fault
