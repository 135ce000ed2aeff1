"""Parts: the separately sealed pieces of a sealed file (docs/format.md, "Part").

AES-256-GCM (NIST SP 800-38D) with a 96-bit nonce made of part type and index. The key belongs to
one file and one sealing (:mod:`service.keys.derivation`), no type and index is sealed twice in it,
so no nonce repeats; a part holds at most 2^28 bytes and a code byte, far below the 2^36 bytes that
section 5.2.1.1 allows for one nonce and the 2^31 that one call of the library takes.

Long contents are streams of chunks in the STREAM construction (Hoang, Reyhanitabar, Rogaway,
Vizar 2015): the index counts the chunks and the count is nought on all but the last, so that a
chunk dropped, moved or cut off at the end does not authenticate.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from struct import Struct
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from service.errors import Altered, Swapped, Truncated
from service.keys.derivation import SealingKey

Buffer = bytes | bytearray | memoryview

TAG_BYTES: Final = 16
MIN_CHUNK: Final = 1 << 20
MAX_CHUNK: Final = 1 << 28
FEW_CHUNKS: Final = 2
"""A stream grows its chunks beyond 1 MiB rather than have more than this many, since each costs up
to 43 bytes and an object may be only 1 KiB and 64 bytes a frame larger than what came in. The
chunk in flight is then as large as half of a dataset that is in memory anyway."""

_HEADER: Final = Struct("<BIII")
_NONCE: Final = Struct(">IQ")
HEADER_BYTES: Final = _HEADER.size


class PartType(IntEnum):
    """What a part holds. Numbers are on disk: never reuse one."""

    HEADER = 1
    KEY_FRAME = 2
    """Decoded by itself."""
    BODY = 3
    ENTRY_START = 4
    ENTRY_DATA = 5
    ENTRY_END = 6
    NOTE = 7
    SNAPSHOT = 8
    DEPENDENT_FRAME = 9
    """Decoded with the frame before it at hand."""
    ANCHOR = 10
    CODED_FILE = 11


_NOUNS: Final = {
    PartType.HEADER: "sealed header, chunk",
    PartType.KEY_FRAME: "frame",
    PartType.DEPENDENT_FRAME: "dependent frame",
    PartType.BODY: "body, chunk",
    PartType.ENTRY_START: "start of the entry, part",
    PartType.ENTRY_DATA: "dataset, chunk",
    PartType.ENTRY_END: "end of the entry, part",
    PartType.NOTE: "note, part",
    PartType.SNAPSHOT: "snapshot, chunk",
    PartType.ANCHOR: "anchor, part",
    PartType.CODED_FILE: "coded file, chunk",
}


@dataclass(frozen=True, slots=True)
class PartHeader:
    """The clear header of a part."""

    type: int
    index: int
    count: int
    """Parts of this type in the file; in a stream nought on all but the last chunk."""
    length: int
    """Bytes of ciphertext and tag."""

    def pack(self) -> bytes:
        """Write the 13 bytes of the header."""
        return _HEADER.pack(self.type, self.index, self.count, self.length)

    @classmethod
    def unpack(cls, data: Buffer, offset: int = 0) -> PartHeader:
        """Read a header.

        Raises:
            Truncated: ``data`` ends inside it.
        """
        if len(data) - offset < HEADER_BYTES:
            raise Truncated("the file ends inside a part's header")
        return cls(*_HEADER.unpack_from(data, offset))

    @property
    def size(self) -> int:
        """Bytes of the whole part, its header included."""
        return HEADER_BYTES + self.length

    def __str__(self) -> str:
        noun = _NOUNS.get(PartType(self.type)) if self.type in set(PartType) else None
        return f"{noun or f'part of unknown type {self.type},'} {self.index + 1}"


class PartCipher:
    """Seals and opens the parts of one file.

    ``clear`` is the SHA-256 of the file's clear bytes; with it in the associated data no clear byte
    can change, and no part serve in another file, unseen.
    """

    def __init__(self, key: SealingKey, clear: bytes) -> None:
        self._cipher = AESGCM(key.secret)
        self._clear = clear

    def seal(self, kind: PartType, index: int, count: int, content: Buffer) -> bytes:
        """Seal one part: its header, ciphertext and tag."""
        header = PartHeader(kind, index, count, len(content) + TAG_BYTES)
        packed = header.pack()
        nonce = _NONCE.pack(kind, index)
        return packed + self._cipher.encrypt(nonce, content, self._clear + packed)

    def open(self, kind: PartType, index: int, count: int, part: Buffer) -> bytes:
        """Open the part that is to be number ``index`` of ``count`` (or of a stream).

        Raises:
            Truncated: it is shorter than its header says.
            Swapped: its header says that it is another part.
            Altered: it does not authenticate.
        """
        header = PartHeader.unpack(part)
        expected = PartHeader(kind, index, count, len(part) - HEADER_BYTES)
        _compare(header, expected)
        nonce = _NONCE.pack(kind, index)
        sealed = memoryview(part)[HEADER_BYTES:]
        try:
            return self._cipher.decrypt(nonce, sealed, self._clear + header.pack())
        except InvalidTag as fault:
            raise Altered(f"{expected} does not authenticate") from fault

    def seal_stream(self, kind: PartType, chunks: Iterator[bytes]) -> Iterator[bytes]:
        """Seal chunks as a stream, one part each; at least one chunk, which may be empty."""
        waiting = next(chunks, b"")
        index = 0
        for chunk in chunks:
            yield self.seal(kind, index, 0, waiting)
            waiting, index = chunk, index + 1
        yield self.seal(kind, index, index + 1, waiting)

    def open_chunk(self, kind: PartType, index: int, count: int, part: Buffer) -> bytes:
        """Open chunk ``index`` of a stream of ``count`` chunks."""
        return self.open(kind, index, count if index == count - 1 else 0, part)


def chunk_bytes(length: int, most: int = FEW_CHUNKS) -> int:
    """Choose the chunk size of a stream: 1 MiB, doubled until ``most`` chunks hold it."""
    size = MIN_CHUNK
    while size * most < length and size < MAX_CHUNK:
        size *= 2
    return size


def pieces(data: Buffer, size: int) -> Iterator[memoryview]:
    """Cut what becomes a stream into the contents of its chunks."""
    view = memoryview(data)
    for offset in range(0, len(view), size):
        yield view[offset : offset + size]


def _compare(header: PartHeader, expected: PartHeader) -> None:
    """Tell by its clear header a part that stands in the wrong place from one that is cut short."""
    if header.length > expected.length:
        raise Truncated(f"{expected} is shorter than its header says")
    if header.length < expected.length or header.length < TAG_BYTES:
        raise Altered(f"{expected} has a wrong length in its header")
    if header != expected:
        raise Swapped(f"{expected} belongs here, but {header} is found")
