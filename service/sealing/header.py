"""The sealed header: what is known of the instance, and its dataset but for the body.

docs/format.md, "Sealed header". Compressed with zstd and a dictionary, since a 64 x 64 MR slice has
more header than pixels.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from importlib import resources
from io import BytesIO
from typing import Any, Final

import zstandard

from codec import CodecError, decode_general, encode_general
from dicom.cut import FrameLayout
from service.errors import Undecodable
from service.records import Received
from service.sealing import record
from service.sealing.parts import MAX_CHUNK, chunk_bytes, pieces

DICTIONARY: Final = 1
"""What new objects use. Numbers are on disk, so old dictionaries stay in the package."""

LEVEL: Final = 19
"""Of zstd. The sealed headers of 213 public CT, MR and X-ray files took 10987 bytes on average at
level 3 (0.3 ms each), 10196 at 12 (0.9 ms), 9719 at 19 (13 ms), 9708 at 22 (62 ms). Repeat:
``python -m tests.vault.header_sizes FOLDER``."""
FIRST_CHUNK: Final = 1 << 20
"""Bytes of the content that the first chunk holds; nearly always all of it."""

_FIRST_BLOCK: Final = 1 << 14
"""zstd gives up on a block as a whole; so the facts do not share one with all of a head that does
not compress."""


@dataclass(frozen=True, slots=True)
class FrameShape:
    """How the frames of an object turn back into the bytes of its body."""

    rows: int
    columns: int
    frames: int
    word: int
    """Bytes in one allocated pixel."""
    big_endian: bool

    @classmethod
    def of(cls, layout: FrameLayout) -> FrameShape:
        """Take what decoding needs from a layout."""
        return cls(layout.rows, layout.columns, layout.frames, layout.word, layout.big_endian)

    @property
    def frame_bytes(self) -> int:
        """Bytes in one frame."""
        return self.rows * self.columns * self.word


@dataclass(frozen=True, slots=True)
class SealedHeader:
    """The content of the sealed header. Head, body and tail make the dataset; the body is apart."""

    received: Received
    revision: int
    sealed_at: int
    frames: FrameShape | None
    """None where the body is a stream of general chunks, or empty."""
    body: int
    """Bytes of the body."""
    chunk: int
    """Bytes in each chunk of the body but the last."""
    head: bytes
    tail: bytes

    def pack(self) -> Iterator[bytes]:
        """Compress the header, chunk by chunk."""
        text = record.to_json(self.facts())
        start = len(text).to_bytes(4, "little") + text
        content = memoryview(b"".join((start, self.received.prefix, self.head, self.tail)))
        yield _compress(content[:FIRST_CHUNK])
        rest = content[FIRST_CHUNK:]
        for piece in pieces(rest, chunk_bytes(len(rest))):
            yield encode_general(piece)

    def facts(self) -> dict[str, object]:
        """Give the record that the header starts with (docs/format.md, "Record")."""
        return {
            "received": record.from_received(self.received),
            "revision": self.revision,
            "sealed_at": self.sealed_at,
            "frames": None if self.frames is None else asdict(self.frames),
            "body": self.body,
            "chunk": self.chunk,
            "prefix": len(self.received.prefix),
            "head": len(self.head),
            "tail": len(self.tail),
        }

    @classmethod
    def unpack(cls, chunks: Sequence[bytes], dictionary: int) -> SealedHeader:
        """Read what :meth:`pack` wrote.

        Raises:
            Undecodable: the dictionary is unknown, or it is no sealed header.
        """
        try:
            content = [_decompress(chunks[0], dictionary)]
            for chunk in chunks[1:]:
                content.append(decode_general(chunk, MAX_CHUNK))
            return _parse(memoryview(b"".join(content)))
        except (zstandard.ZstdError, CodecError) as fault:
            raise Undecodable("the sealed header does not decompress") from fault
        except (KeyError, TypeError, ValueError) as fault:
            raise Undecodable("the sealed header is malformed") from fault


@cache
def load_dictionary(number: int) -> zstandard.ZstdCompressionDict:
    """Load a dictionary that ships with the package.

    Raises:
        Undecodable: this version has no such dictionary.
    """
    file = resources.files("service.sealing") / "dictionaries" / f"{number}.zdict"
    if not file.is_file():
        raise Undecodable(f"header dictionary {number} is not known to this version")
    return zstandard.ZstdCompressionDict(file.read_bytes())


def _compress(content: memoryview) -> bytes:
    parameters = zstandard.ZstdCompressionParameters.from_level(
        LEVEL, format=zstandard.FORMAT_ZSTD1_MAGICLESS, write_dict_id=False, write_checksum=False
    )
    compressor = zstandard.ZstdCompressor(
        dict_data=load_dictionary(DICTIONARY), compression_params=parameters
    ).compressobj()
    first = compressor.compress(content[:_FIRST_BLOCK])
    if len(content) > _FIRST_BLOCK:
        first += compressor.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK)
    return first + compressor.compress(content[_FIRST_BLOCK:]) + compressor.flush()


def _decompress(chunk: bytes, dictionary: int) -> bytes:
    decompressor = zstandard.ZstdDecompressor(
        dict_data=load_dictionary(dictionary), format=zstandard.FORMAT_ZSTD1_MAGICLESS
    )
    with decompressor.stream_reader(BytesIO(chunk)) as stream:
        content = stream.read(FIRST_CHUNK)
        if stream.read(1):
            raise ValueError("the first chunk holds more than it may")
        return content


def _parse(content: memoryview) -> SealedHeader:
    end = 4 + int.from_bytes(content[:4], "little")
    facts = record.from_json(bytes(content[4:end]))
    sections = []
    for name in ("prefix", "head", "tail"):
        sections.append(bytes(content[end : end + facts[name]]))
        if len(sections[-1]) != facts[name]:
            raise ValueError("the sealed header ends early")
        end += facts[name]
    prefix, head, tail = sections
    received = record.to_received(facts["received"], prefix)
    if end != len(content) or len(head) + facts["body"] + len(tail) != received.length:
        raise ValueError("head, body and tail do not make the dataset")
    return SealedHeader(
        received=received,
        revision=facts["revision"],
        sealed_at=facts["sealed_at"],
        frames=_frames(facts["frames"], facts["body"]),
        body=facts["body"],
        chunk=facts["chunk"],
        head=head,
        tail=tail,
    )


def _frames(facts: dict[str, Any] | None, body: int) -> FrameShape | None:
    shape = None if facts is None else FrameShape(**facts)
    if shape is not None and (shape.frames * shape.frame_bytes != body or shape.frames < 1):
        raise ValueError("the frames do not make the body")
    return shape
