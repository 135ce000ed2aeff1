"""Where in a file its grayscale samples lie: DICOM (native), PNG, TIFF and PGM."""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from io import BytesIO
from typing import Any, Final

import numpy as np
from PIL import Image

from codec import Hints
from dicom.cut import cut
from dicom.part10 import MAGIC, PREAMBLE, NotDicom, split_part10
from service.errors import DataFault
from service.sealing.frames import Words, frame_words, hints
from service.sealing.header import FrameShape

_PNG: Final = b"\x89PNG\r\n\x1a\n"
_TIFF: Final = (b"II*\0", b"MM\0*")
_GRAYSCALE: Final = ("L", "I;16", "I;16L", "I;16B", "I;16N")
_PGM: Final = re.compile(rb"P5((?:\s+|#[^\n]*\n)+)(\d{1,9})\s+(\d{1,9})\s+(\d{1,5})\s")
_BITS, _COMPRESSION, _OFFSETS, _COUNTS, _FORMAT = 258, 259, 273, 279, 339
_FIRST_BYTES: Final = 1 << 16

_UNREADABLE: Final = (
    OSError,
    SyntaxError,
    ValueError,
    LookupError,
    struct.error,
    Image.DecompressionBombError,
)
"""What Pillow raises for a file that is damaged or of a kind it does not read."""


class NoPicture(DataFault):
    """A file is not grayscale of 8 or 16 bits, damaged, or of another kind."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A file's grayscale frames.

    Attributes:
        kind: ``dicom``, ``png``, ``tiff`` or ``pgm``.
        frames: allocated words, each (rows, columns); none where they are not native (DICOM).
        hints: what the file says of them.
        start: where the samples stand in the file as they are; None where they are compressed.
        shape: how they stand there.
    """

    kind: str
    frames: tuple[Words, ...]
    hints: Hints
    start: int | None = None
    shape: FrameShape | None = None


def read_picture(data: bytes) -> Picture:
    """Find the samples of a file.

    Raises:
        NoPicture: it is of none of these kinds, in colour, or damaged.
    """
    if data[PREAMBLE : PREAMBLE + len(MAGIC)] == MAGIC:  # the preamble may be another file's start
        return _dicom(data)
    if data.startswith(_PNG):
        return _png(data)
    if data[:4] in _TIFF:
        return _tiff(data)
    if re.match(rb"P[1-7]\s", data):
        return _pgm(data)
    return _dicom(data)


def _dicom(data: bytes) -> Picture:
    try:
        header = split_part10(data[:_FIRST_BYTES])
    except NotDicom as fault:
        raise NoPicture("not a DICOM, PNG, TIFF or PGM file") from fault
    dataset = memoryview(data)[header.dataset_offset :]
    found = cut(dataset, len(dataset), header.transfer_syntax)
    if found.layout is None or found.pixels is None:
        return Picture("dicom", (), Hints())
    start = header.dataset_offset + found.pixels[0]
    return _native("dicom", data, start, FrameShape.of(found.layout), hints(found.layout))


def _pgm(data: bytes) -> Picture:
    found = _PGM.match(data)
    if found is None:
        raise NoPicture("of the PNM files only binary PGM (P5) is read")
    columns, rows, most = (int(number) for number in found.groups()[1:])
    if not (rows and columns and 0 < most < 1 << 16):
        raise NoPicture("a PGM file with impossible numbers")
    shape = FrameShape(rows, columns, 1, 1 if most < 256 else 2, big_endian=True)
    return _native("pgm", data, found.end(), shape, Hints(bits_stored=most.bit_length()))


def _native(kind: str, data: bytes, start: int, shape: FrameShape, told: Hints) -> Picture:
    end = start + shape.frames * shape.frame_bytes
    if end > len(data):
        raise NoPicture(f"the {kind.upper()} file ends inside its samples")
    view, size = memoryview(data), shape.frame_bytes
    frames = (frame_words(view[at : at + size], shape) for at in range(start, end, size))
    return Picture(kind, tuple(frames), told, start, shape)


def _png(data: bytes) -> Picture:
    with _opened(data, "PNG") as image:
        return Picture("png", (_words(image),), Hints())


def _tiff(data: bytes) -> Picture:
    with _opened(data, "TIFF") as image:
        if getattr(image, "n_frames", 1) != 1:
            raise NoPicture("a TIFF file of several pages: code them one by one")
        tags: dict[int, Any] = dict(getattr(image, "tag_v2", {}))
        word = 2 if tags.get(_BITS, (8,))[0] > 8 else 1
        shape = FrameShape(image.height, image.width, 1, word, big_endian=data[:2] == b"MM")
        told = Hints(signed=tags.get(_FORMAT, (1,))[0] == 2)
        start = _stretch(tags, shape)
        if start is not None:
            return _native("tiff", data, start, shape, told)
        return Picture("tiff", (_words(image),), told)


def _stretch(tags: dict[int, Any], shape: FrameShape) -> int | None:
    """Where all strips stand, if they are uncompressed and follow one another."""
    offsets, counts = tags.get(_OFFSETS, ()), tags.get(_COUNTS, ())
    ends = [offset + count for offset, count in zip(offsets, counts, strict=False)]
    whole = sum(counts) == shape.frame_bytes and list(offsets[1:]) == ends[:-1]
    return int(offsets[0]) if tags.get(_COMPRESSION) == 1 and offsets and whole else None


def _opened(data: bytes, kind: str) -> Image.Image:
    try:
        image = Image.open(BytesIO(data), formats=[kind])
        image.load()
    except _UNREADABLE as fault:
        raise NoPicture(f"the {kind} file is damaged or of an unknown kind") from fault
    if image.mode not in _GRAYSCALE:
        raise NoPicture(f"{kind} in mode {image.mode}: only 8- and 16-bit grayscale is coded")
    return image


def _words(image: Image.Image) -> Words:
    words = np.asarray(image)
    if words.dtype == np.uint8:
        return words
    return words.astype(np.uint16)
