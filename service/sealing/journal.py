"""Journal entries: one encrypted file for each instance that is not archived yet.

An entry grows under a temporary name while its dataset arrives, in parts of 1 MiB, so memory stays
bounded and no clear byte reaches a disk. :meth:`JournalWriter.finish` makes it durable: a small
instance costs one file, one ``fsync`` of it, one rename and one ``fsync`` of the folder. What a
crash leaves under a temporary name was never acknowledged; :func:`sweep` removes it at start-up.
"""

from __future__ import annotations

import errno
import hashlib
import os
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO, Final

from service.errors import (
    Altered,
    IoFault,
    JournalFault,
    Missing,
    OutOfSpace,
    Truncated,
    WrongInstance,
)
from service.failpoints import failpoint
from service.files import PARTIAL, partial_name, sync_folder
from service.keys.derivation import Purpose
from service.keys.keystore import Keys
from service.records import ID_BYTES, Received
from service.sealing import envelope, record
from service.sealing.envelope import Envelope
from service.sealing.parts import (
    HEADER_BYTES,
    MIN_CHUNK,
    TAG_BYTES,
    Buffer,
    PartHeader,
    PartType,
)
from service.sealing.source import Pieces, Source

MAGIC: Final = b"RLJ\x01"
"""Three letters and the format version."""
SUFFIX: Final = ".entry"

_LARGEST_RECORD: Final = 1 << 24


def entry_path(folder: Path, entry_id: bytes) -> Path:
    """Name the file of an entry."""
    return folder / (entry_id.hex() + SUFFIX)


def entry_ids(folder: Path) -> Iterator[bytes]:
    """List the complete entries of a journal, in no order."""
    with os.scandir(folder) as names:
        for name in names:
            stem, dot, _ = name.name.partition(SUFFIX)
            if dot and name.name.endswith(SUFFIX) and len(stem) == 2 * ID_BYTES:
                yield bytes.fromhex(stem)


def remove_entry(folder: Path, entry_id: bytes) -> None:
    """Remove an entry whose instance is archived; no fault if it is gone already."""
    entry_path(folder, entry_id).unlink(missing_ok=True)
    failpoint("entry.removed")


def sweep(folder: Path) -> int:
    """Remove what interrupted receptions left behind; call before any receiver runs.

    Returns:
        How many files were removed.
    """
    leftovers = list(folder.glob(f"*{PARTIAL}"))
    for path in leftovers:
        path.unlink(missing_ok=True)
    return len(leftovers)


class JournalWriter:
    """One entry on its way to the disk. Use from one thread.

    ``start`` is what is known before the first byte (command UIDs, AE titles, transfer syntax); it
    is sealed first, so that an entry tells of itself even if only its beginning is left. ``random``
    is the system's generator but for golden files.
    """

    def __init__(
        self,
        folder: Path,
        keys: Keys,
        entry_id: bytes,
        start: Mapping[str, object],
        random: Callable[[int], bytes] = secrets.token_bytes,
    ) -> None:
        opened = Envelope.seal(MAGIC, Purpose.JOURNAL, keys, entry_id, random)
        self.entry_id = entry_id
        self.key_id = opened.key_id
        """The archive key that the entry is sealed under."""
        self.length = 0
        """Bytes written so far."""
        self._path = entry_path(folder, entry_id)
        self._partial = partial_name(self._path)
        self._cipher = opened.cipher
        self._hash = hashlib.sha256()
        self._chunk = bytearray()
        self._chunks = 0
        self._file: BinaryIO | None = None
        first = self._cipher.seal(PartType.ENTRY_START, 0, 1, record.to_json(start))
        self._sealed = [opened.start, first]

    @property
    def sha256(self) -> bytes:
        """SHA-256 of what was written so far."""
        return self._hash.digest()

    def write(self, fragment: Buffer) -> None:
        """Take the next bytes of the encoded dataset.

        Raises:
            JournalFault, OutOfSpace: the disk refused; the entry must be aborted.
        """
        self.length += len(fragment)
        self._hash.update(fragment)
        self._chunk += fragment
        while len(self._chunk) > MIN_CHUNK:
            with memoryview(self._chunk) as chunk:
                self._seal_chunk(chunk[:MIN_CHUNK], last=False)
            del self._chunk[:MIN_CHUNK]
            self._flush()

    def finish(self, received: Received) -> Path:
        """Write the end and make the entry durable; on return it survives a power cut.

        Raises:
            JournalFault, OutOfSpace: the disk refused; nothing of the entry is left.
            ValueError: ``received`` contradicts what was written.
        """
        facts = (received.entry_id, received.length, received.sha256)
        if facts != (self.entry_id, self.length, self.sha256):
            raise ValueError("the reception's id, length or SHA-256 is not that of the entry")
        self._seal_chunk(self._chunk, last=True)
        end = record.to_json(record.from_received(received))
        content = len(end).to_bytes(4, "little") + end + received.prefix
        self._sealed.append(self._cipher.seal(PartType.ENTRY_END, 0, 1, content))
        try:
            self._flush()
            self._publish()
        except IoFault:
            self.abort()
            raise
        return self._path

    def abort(self) -> None:
        """Forget the entry; nothing of it stays on the disk."""
        if self._file is not None:
            with suppress(OSError):
                self._file.close()
            self._file = None
        with suppress(OSError):
            self._partial.unlink(missing_ok=True)

    def _seal_chunk(self, chunk: Buffer, last: bool) -> None:
        count = self._chunks + 1 if last else 0
        self._sealed.append(self._cipher.seal(PartType.ENTRY_DATA, self._chunks, count, chunk))
        self._chunks += 1

    def _flush(self) -> None:
        try:
            if self._file is None:
                handle = os.open(self._partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
                self._file = os.fdopen(handle, "wb", buffering=0)
            for part in self._sealed:
                _write_all(self._file, part)
        except OSError as fault:
            raise _fault(fault) from fault
        self._sealed.clear()

    def _publish(self) -> None:
        if self._file is None:
            raise ValueError("an entry is published after its parts are written")
        failpoint("entry.written")
        try:
            os.fsync(self._file.fileno())
            failpoint("entry.synced")
            self._file.close()
            self._file = None
            self._partial.rename(self._path)
            failpoint("entry.renamed")
            sync_folder(self._path.parent)
            failpoint("entry.durable")
        except OSError as fault:
            with suppress(OSError):
                self._path.unlink(missing_ok=True)
            raise _fault(fault) from fault


class JournalReader:
    """Opens an entry. A context manager; use from one thread.

    Raises (the constructor):
        Missing: no such entry.
        Truncated, Altered, WrongKey, WrongInstance, Undecodable: named by what is wrong with it.
    """

    def __init__(self, path: Path, keys: Keys) -> None:
        try:
            self._file = path.open("rb")
        except FileNotFoundError as fault:
            raise Missing(f"no journal entry {path.stem}") from fault
        except OSError as fault:
            raise JournalFault(f"cannot read journal entry {path.stem}") from fault
        try:
            self._open(path, keys)
        except OSError as fault:
            self._file.close()
            raise JournalFault(f"cannot read journal entry {path.stem}") from fault
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> JournalReader:
        return self

    def __exit__(self, *exception: object) -> None:
        self._file.close()

    def _open(self, path: Path, keys: Keys) -> None:
        start = self._file.read(envelope.SIZE)
        opened = Envelope.open(MAGIC, Purpose.JOURNAL, keys, start)
        self.entry_id, self.key_id = opened.file_id, opened.key_id
        if path.name != self.entry_id.hex() + SUFFIX:
            raise WrongInstance(f"journal entry {path.stem} holds another entry")
        self._cipher = opened.cipher
        self._places = list(self._scan())
        self.start: dict[str, Any] = record.from_json(self._read(0, PartType.ENTRY_START, 1))
        self.received = self._read_end()

    def chunks(self) -> Iterator[bytes]:
        """Give the encoded dataset in pieces of at most 1 MiB, each authenticated.

        Only after the last piece is the SHA-256 known to be right.

        Raises:
            Altered: a part does not authenticate, or the whole has another SHA-256.
        """
        digest, length = hashlib.sha256(), 0
        count = len(self._places) - 2
        for index in range(count):
            last = index == count - 1
            chunk = self._read(index + 1, PartType.ENTRY_DATA, count if last else 0, index)
            digest.update(chunk)
            length += len(chunk)
            yield chunk
        if (length, digest.digest()) != (self.received.length, self.received.sha256):
            raise Altered("the dataset of the journal entry has another length or SHA-256")

    @property
    def source(self) -> Source:
        """The encoded dataset, to read by ranges; each piece is authenticated when it is read.

        That all of them have the SHA-256 of the reception, :meth:`verify` shows.
        """
        count = len(self._places) - 2

        def load(number: int) -> bytes:
            last = number == count - 1
            return self._read(number + 1, PartType.ENTRY_DATA, count if last else 0, number)

        return Pieces(self.received.length, MIN_CHUNK, load)

    def verify(self) -> None:
        """Read the whole dataset through.

        Raises:
            Altered: it is not what was received.
        """
        for _ in self.chunks():
            continue

    def dataset(self) -> bytes:
        """Read the whole encoded dataset, verified.

        Raises:
            Altered: it is not what was received.
        """
        return b"".join(self.chunks())

    def read_into(self, target: memoryview) -> None:
        """Read the dataset into ``received.length`` bytes of the caller's."""
        offset = 0
        for chunk in self.chunks():
            if offset + len(chunk) > len(target):
                raise Altered("the dataset of the journal entry is longer than its end says")
            target[offset : offset + len(chunk)] = chunk
            offset += len(chunk)

    def _scan(self) -> Iterator[tuple[int, PartHeader]]:
        """Find every part by its clear header; the content is read and authenticated later."""
        size = os.fstat(self._file.fileno()).st_size
        offset, kind = envelope.SIZE, 0
        while kind != PartType.ENTRY_END:
            self._file.seek(offset)
            header = PartHeader.unpack(self._file.read(HEADER_BYTES))
            _check_place(header, kind)
            yield offset, header
            offset, kind = offset + header.size, header.type
            if offset > size:
                raise Truncated(f"the journal entry ends inside {header}")
        if offset != size:
            raise Altered("bytes follow the end of the journal entry")

    def _read(self, place: int, kind: PartType, count: int, index: int = 0) -> bytes:
        offset, header = self._places[place]
        try:
            self._file.seek(offset)
            part = self._file.read(header.size)
        except OSError as fault:
            raise JournalFault(f"cannot read journal entry {self.entry_id.hex()}") from fault
        return self._cipher.open(kind, index, count, part)

    def _read_end(self) -> Received:
        content = self._read(-1, PartType.ENTRY_END, 1)
        length = int.from_bytes(content[:4], "little")
        received = record.to_received(
            record.from_json(content[4 : 4 + length]), content[4 + length :]
        )
        if received.entry_id != self.entry_id:
            raise WrongInstance("the journal entry's end tells of another entry")
        return received


def _check_place(header: PartHeader, before: int) -> None:
    """Refuse what cannot follow, and sizes no writer makes, before anything is allocated."""
    follows = {
        0: {PartType.ENTRY_START},
        PartType.ENTRY_START: {PartType.ENTRY_DATA},
        PartType.ENTRY_DATA: {PartType.ENTRY_DATA, PartType.ENTRY_END},
    }
    if header.type not in follows.get(before, set()):
        raise Altered(f"{header} of the journal entry stands where it cannot")
    largest = MIN_CHUNK if header.type == PartType.ENTRY_DATA else _LARGEST_RECORD
    if header.length > largest + TAG_BYTES:
        raise Altered(f"{header} of the journal entry has an impossible length")


def _write_all(file: BinaryIO, part: Buffer) -> None:
    view = memoryview(part)
    while view:
        view = view[file.write(view) :]


def _fault(fault: OSError) -> JournalFault | OutOfSpace:
    if fault.errno in (errno.ENOSPC, errno.EDQUOT):
        return OutOfSpace("no space is left for the journal")
    return JournalFault(f"the journal cannot be written: {fault.strerror}")
