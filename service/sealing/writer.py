"""Write one instance as an object: a DICOM file in the private transfer syntax (docs/format.md)."""

from __future__ import annotations

import hashlib
import itertools
import os
import secrets
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from struct import Struct
from typing import BinaryIO, Final

from pydicom.dataset import Dataset

from codec import encode_general
from dicom.cut import Cut
from service.errors import DataFault
from service.keys.derivation import Purpose, SealingKey
from service.keys.keystore import Keys
from service.records import ID_BYTES, ObjectFacts, Received
from service.sealing.clear import BODY_CHUNKS, HEADER_CHUNKS, describe_pixels, element, write_clear
from service.sealing.header import DICTIONARY, FrameShape, SealedHeader
from service.sealing.parts import (
    FEW_CHUNKS,
    HEADER_BYTES,
    TAG_BYTES,
    PartCipher,
    PartType,
    chunk_bytes,
)
from service.sealing.source import Source, ranges

FRAME_MAGIC: Final = b"RLP\x01"
"""Three letters and the format version; begins each frame's item, before the object id."""
ITEM: Final = Struct("<HHI")
PIXEL_DATA: Final = bytes.fromhex("e07f1000") + b"OB\0\0" + b"\xff" * 4
DELIMITER: Final = ITEM.pack(0xFFFE, 0xE0DD, 0)
OFFSETS: Final = 0x7FE0_0001
LENGTHS: Final = 0x7FE0_0002

HEAD_WITHOUT_PIXELS: Final = 1 << 18
"""Bytes of a dataset without native Pixel Data that go into the sealed header, the rest being the
body. 99.8% of 752 public files have no more before their Pixel Data (:mod:`service.head`)."""

_MORE_CHUNKS: Final = len(BODY_CHUNKS) - FEW_CHUNKS

_BASIC_REACH: Final = (1 << 32) - 1
"""The largest offset that a Basic Offset Table holds."""

_ITEM_OVERHEAD: Final = ITEM.size + len(FRAME_MAGIC) + ID_BYTES + HEADER_BYTES + TAG_BYTES + 2
"""Bytes that an item has more than the words of a frame kept raw: a method byte, a padding byte."""


@dataclass(frozen=True, slots=True)
class Content:
    """What becomes an object."""

    received: Received
    revision: int
    dataset: Source
    """The encoded dataset as received."""
    cut: Cut
    attributes: Dataset
    """The head's attributes, for the pixel description that stands in the clear."""

    @property
    def chunk(self) -> int:
        """Size of the body's chunks: each frame of the dataset allows one more.

        Items of Pixel Data are so at most some two frames long; elements end at 224.
        """
        number = self.attributes.get("NumberOfFrames", 0)
        frames = number if isinstance(number, int) and number > 0 else 0
        more = min(frames, _MORE_CHUNKS) if self.cut.pixels is None else frames
        return chunk_bytes(self.cut.length, FEW_CHUNKS + more)


@dataclass(frozen=True, slots=True)
class FrameStream:
    """One frame, coded by :func:`codec.encode_frame`."""

    content: bytes
    is_dependent: bool = False
    """Whether decoding it takes the frame before; else it is a key frame."""


@dataclass(frozen=True, slots=True)
class EncodedFrames:
    """The coded frames of ``cut.layout``."""

    streams: Iterable[FrameStream]
    """One for each frame, in order, the first a key frame; taken one at a time."""
    model: bytes | None
    """Digest of the predictor that any of them needs."""


@dataclass(frozen=True, slots=True)
class Sealing:
    """One sealing: a new object id, a new key, a time. Never used for a second object."""

    object_id: bytes
    key: SealingKey
    sealed_at: int

    @classmethod
    def fresh(cls, keys: Keys, random: Callable[[int], bytes] = secrets.token_bytes) -> Sealing:
        """Draw id and salt for one object under the active archive key."""
        active = keys.keyring.active
        object_id = random(ID_BYTES)
        key = SealingKey.fresh(active.key_id, active.secret, Purpose.OBJECT, object_id, random)
        return cls(object_id, key, time.time_ns() // 1000)


def kept_whole(content: Content) -> Content:
    """Give the same content with no Pixel Data cut out: the form with the fewest parts."""
    return replace(content, cut=Cut(content.cut.length))


def size_limit(received: Received, frames: int) -> int:
    """Name the size that the object of an instance with so many frames must not exceed."""
    return len(received.prefix) + received.length + 1024 + 64 * frames


def write_object(
    out: BinaryIO, sealing: Sealing, content: Content, frames: EncodedFrames | None = None
) -> ObjectFacts:
    """Write an object to a new, empty, seekable file; syncing it is the caller's.

    Without ``frames`` the body goes through the general lossless path, one chunk at a time. Coded
    frames are written one at a time too. Where the result is over :func:`size_limit`, which takes
    contents that no method makes smaller, the caller writes again under a new sealing: without
    ``frames``, and then :func:`kept_whole`.

    Raises:
        DataFault: ``frames`` gives another number of frames than the cut, or a piece is too long.
        OSError: the file cannot be written.
    """
    plan = _plan(content, frames is not None)
    model = None if frames is None else frames.model
    clear = write_clear(
        (content.received.sop_class_uid, content.received.sop_instance_uid),
        plan.pixels,
        sealing.object_id,
        sealing.key,
        DICTIONARY,
        model,
    )
    cipher = PartCipher(sealing.key, hashlib.sha256(clear).digest())
    out.write(clear)
    _write_header(out, cipher, content, plan, sealing.sealed_at)
    if frames is not None and plan.frames is not None:
        _write_frames(out, cipher, sealing.object_id, plan.frames, frames.streams)
    elif plan.start < plan.end:
        _write_body(out, cipher, plan, content)
    return ObjectFacts(
        object_id=sealing.object_id,
        key_id=sealing.key.key_id,
        size=out.tell(),
        model=model,
        coding="general" if frames is None else "frames",
        sealed_at=sealing.sealed_at,
    )


@dataclass(frozen=True, slots=True)
class _Plan:
    start: int
    """The body is dataset[start:end]."""
    end: int
    frames: FrameShape | None
    pixels: dict[int, str | int]
    is_pixels: bool
    """Whether the body is (the beginning of) the Pixel Data value."""


def _plan(content: Content, coded: bool) -> _Plan:
    cut = content.cut
    if len(content.dataset) != cut.length:
        raise DataFault("the cut is of another dataset")
    if cut.pixels is None or cut.pixels[0] == cut.pixels[1]:
        if coded:
            raise DataFault("coded frames for a dataset without Pixel Data")
        return _Plan(min(cut.length, HEAD_WITHOUT_PIXELS), cut.length, None, {}, False)
    start, end = cut.pixels
    pixels = describe_pixels(content.attributes, cut.layout)
    if not coded:
        return _Plan(start, end, None, pixels, True)
    if cut.layout is None:
        raise DataFault("coded frames for Pixel Data without a frame layout")
    shape = FrameShape.of(cut.layout)
    return _Plan(start, start + shape.frames * shape.frame_bytes, shape, pixels, True)


def _write_header(
    out: BinaryIO, cipher: PartCipher, content: Content, plan: _Plan, sealed_at: int
) -> None:
    header = SealedHeader(
        received=content.received,
        revision=content.revision,
        sealed_at=sealed_at,
        frames=plan.frames,
        body=plan.end - plan.start,
        chunk=content.chunk,
        head=bytes(content.dataset[: plan.start]),
        tail=bytes(content.dataset[plan.end :]),
    )
    _write_elements(out, HEADER_CHUNKS, cipher.seal_stream(PartType.HEADER, header.pack()))


def _write_elements(out: BinaryIO, tags: Sequence[int], parts: Iterator[bytes]) -> None:
    for number, part in enumerate(parts):
        if number >= len(tags):
            raise DataFault("a stream of more chunks than an object holds")
        out.write(element(tags[number], "OB", part))


def _write_body(out: BinaryIO, cipher: PartCipher, plan: _Plan, content: Content) -> None:
    body = ranges(content.dataset, content.chunk, plan.start, plan.end)
    unit = content.cut.unit if plan.is_pixels else 1
    chunks = (encode_general(piece, unit) for piece in body)
    parts = cipher.seal_stream(PartType.BODY, chunks)
    if not plan.is_pixels:
        _write_elements(out, BODY_CHUNKS, parts)
        return
    out.write(PIXEL_DATA + ITEM.pack(0xFFFE, 0xE000, 0))
    for part in parts:
        _write_item(out, part)
    out.write(DELIMITER)


def _write_frames(
    out: BinaryIO,
    cipher: PartCipher,
    object_id: bytes,
    shape: FrameShape,
    streams: Iterable[FrameStream],
) -> None:
    """Write an item a frame, then fill in the table of offsets that stands before them."""
    extended = needs_extended_table(shape)
    table = out.tell()
    out.write(offset_table([0] * shape.frames, [0] * shape.frames, extended))
    first, offsets, lengths = out.tell(), [], []
    pairs = itertools.zip_longest(range(shape.frames), streams)
    for number, stream in pairs:
        if number is None or stream is None:
            raise DataFault(f"the cut has {shape.frames} frames; another number was coded")
        offsets.append(out.tell() - first)
        kind = PartType.DEPENDENT_FRAME if stream.is_dependent else PartType.KEY_FRAME
        part = cipher.seal(kind, number, shape.frames, stream.content)
        lengths.append(_write_item(out, FRAME_MAGIC + object_id + part))
    out.write(DELIMITER)
    out.seek(table)
    out.write(offset_table(offsets, lengths, extended))
    out.seek(0, os.SEEK_END)


def needs_extended_table(shape: FrameShape) -> bool:
    """Whether the items could pass 4 GiB, where a Basic Offset Table ends (PS3.5 A.4)."""
    return shape.frames * (shape.frame_bytes + _ITEM_OVERHEAD) > _BASIC_REACH


def offset_table(offsets: Sequence[int], lengths: Sequence[int], extended: bool) -> bytes:
    """Encode what stands before the first frame: the table of offsets, and the element's start.

    Basic Offset Table as in PS3.5 A.4, or Extended Offset Table as in PS3.3 C.7.6.3.1.8.
    """
    if not extended:
        basic = b"".join(offset.to_bytes(4, "little") for offset in offsets)
        return PIXEL_DATA + ITEM.pack(0xFFFE, 0xE000, len(basic)) + basic
    tables = (
        element(tag, "OV", b"".join(value.to_bytes(8, "little") for value in values))
        for tag, values in ((OFFSETS, offsets), (LENGTHS, lengths))
    )
    return b"".join(tables) + PIXEL_DATA + ITEM.pack(0xFFFE, 0xE000, 0)


def _write_item(out: BinaryIO, value: bytes) -> int:
    """Write one item, padded to even length; give the length that stands in its header."""
    length = len(value) + len(value) % 2
    out.write(ITEM.pack(0xFFFE, 0xE000, length))
    out.write(value + bytes(len(value) % 2))
    return length
