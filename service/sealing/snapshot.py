"""Snapshots: a file of the archive's own, sealed for a backup (docs/format.md, "Snapshot").

An envelope and one stream of chunks of 1 MiB. The index goes into backups so: it is patient data.
Files coded by hand are sealed in the same way ("Coded file").
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, Final

from service.errors import Altered, Truncated
from service.keys.derivation import Purpose
from service.keys.keystore import Keys
from service.records import ID_BYTES
from service.sealing import envelope
from service.sealing.envelope import Envelope
from service.sealing.parts import HEADER_BYTES, MIN_CHUNK, TAG_BYTES, PartHeader, PartType


@dataclass(frozen=True, slots=True)
class Form:
    """A kind of file that is an envelope and one stream."""

    magic: bytes
    """Three letters and the format version."""
    purpose: Purpose
    part: PartType


SNAPSHOT: Final = Form(b"RLS\x01", Purpose.SNAPSHOT, PartType.SNAPSHOT)
CODED_FILE: Final = Form(b"RLC\x01", Purpose.CODED_FILE, PartType.CODED_FILE)


def seal_snapshot(source: BinaryIO, target: BinaryIO, keys: Keys, form: Form = SNAPSHOT) -> None:
    """Seal the rest of ``source`` into ``target``, under the active archive key.

    Raises:
        OSError: one of them cannot be read or written.
    """
    sealed = Envelope.seal(form.magic, form.purpose, keys, secrets.token_bytes(ID_BYTES))
    target.write(sealed.start)
    chunks = iter(lambda: source.read(MIN_CHUNK), b"")
    for part in sealed.cipher.seal_stream(form.part, chunks):
        target.write(part)


def open_snapshot(source: BinaryIO, keys: Keys, form: Form = SNAPSHOT) -> Iterator[bytes]:
    """Give the content of a snapshot, chunk by chunk; it is whole once the last one came.

    Raises:
        Truncated, Altered, Swapped, WrongKey, Undecodable: named by what is wrong with it.
    """
    opened = Envelope.open(form.magic, form.purpose, keys, source.read(envelope.SIZE))
    index, is_last = 0, False
    while not is_last:
        head = source.read(HEADER_BYTES)
        header = PartHeader.unpack(head)
        if header.length > MIN_CHUNK + TAG_BYTES:
            raise Altered(f"{header} has an impossible length")
        is_last = header.count != 0
        part = head + source.read(header.length)
        if len(part) < header.size:
            raise Truncated(f"the file ends inside {header}")
        count = index + 1 if is_last else 0
        yield opened.cipher.open(form.part, index, count, part)
        index += 1
    if source.read(1):
        raise Altered("bytes follow the last chunk")
