"""Cut the value of the top-level Pixel Data out of an encoded dataset.

``head`` is the dataset up to that value, ``tail`` what follows it: head + pixels + tail is the
dataset, byte for byte, whatever it holds. A dataset that can't be parsed is kept whole.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from dicom.elements import (
    PIXEL_DATA,
    UNDEFINED,
    Buffer,
    Encoding,
    Header,
    Truncated,
    top_level,
)
from dicom.syntax import encoding

_SAMPLES_PER_PIXEL: Final = 0x0028_0002
_PHOTOMETRIC_INTERPRETATION: Final = 0x0028_0004
_NUMBER_OF_FRAMES: Final = 0x0028_0008
_ROWS: Final = 0x0028_0010
_COLUMNS: Final = 0x0028_0011
_BITS_ALLOCATED: Final = 0x0028_0100
_BITS_STORED: Final = 0x0028_0101
_HIGH_BIT: Final = 0x0028_0102
_PIXEL_REPRESENTATION: Final = 0x0028_0103
_PIXEL_PADDING_VALUE: Final = 0x0028_0120

_NUMBERS: Final = frozenset(
    {
        _SAMPLES_PER_PIXEL,
        _NUMBER_OF_FRAMES,
        _ROWS,
        _COLUMNS,
        _BITS_ALLOCATED,
        _BITS_STORED,
        _HIGH_BIT,
        _PIXEL_REPRESENTATION,
        _PIXEL_PADDING_VALUE,
    }
)
_GRAYSCALE: Final = frozenset({b"MONOCHROME1", b"MONOCHROME2", b""})
_TEXT_VRS: Final = frozenset({b"IS", b"DS", b"LO", b"SH", b"CS"})
_LONGEST_DESCRIPTION = 64
"""Bytes; an IS value has at most 12, a US value 2, Photometric Interpretation 16 (PS3.5 6.2)."""


class NeedMore(Exception):
    """The prefix ends before the Pixel Data; at least ``needed`` bytes of the dataset would help.

    Every attempt starts over: a caller that at least doubles its prefix each time stays linear.
    """

    def __init__(self, needed: int) -> None:
        super().__init__(f"Pixel Data lie beyond the prefix: {needed} bytes needed")
        self.needed = needed


@dataclass(frozen=True, slots=True)
class FrameLayout:
    """How grayscale frames lie in a Pixel Data value: one after the other, from its first byte."""

    rows: int
    columns: int
    frames: int
    """Whole frames that the value holds, and no more than Number of Frames says."""
    word: int
    """Bytes in one allocated pixel: 1 or 2."""
    big_endian: bool
    signed: bool
    bits_stored: int
    high_bit: int
    padding_value: int | None
    """Pixel Padding Value as an unsigned word, the form it has among the pixels."""

    @property
    def frame_bytes(self) -> int:
        """Bytes in one frame."""
        return self.rows * self.columns * self.word


@dataclass(frozen=True, slots=True)
class Cut:
    """Where the Pixel Data value lies in an encoded dataset of ``length`` bytes."""

    length: int
    pixels: tuple[int, int] | None = None
    """Offsets of the value; None keeps the dataset whole."""
    layout: FrameLayout | None = None
    """None unless the value starts with grayscale frames of 8 or 16 allocated bits."""
    unit: int = 1
    """Bytes in one allocated pixel, all samples: the period that a general coder may look for."""


def cut(prefix: Buffer, length: int, transfer_syntax: str) -> Cut:
    """Find the native top-level Pixel Data (7FE0,0010) of an encoded dataset.

    Encapsulated and deflated datasets, and those without Pixel Data or not parsed up to them, stay
    whole; malformed data never raise.

    Args:
        prefix: the first bytes of the dataset, all of its head at least.
        length: bytes of the whole dataset.
        transfer_syntax: UID it is encoded in.

    Raises:
        NeedMore: Pixel Data aren't reached inside ``prefix``, and there is more of the dataset.
    """
    syntax = encoding(transfer_syntax)
    if not syntax.is_native:
        return Cut(length)
    written = Encoding(syntax.is_explicit, syntax.is_little)
    try:
        return _cut_native(prefix, length, written)
    except Truncated as truncated:
        if len(prefix) < truncated.needed <= length:
            raise NeedMore(truncated.needed) from None
        return Cut(length)


def _cut_native(prefix: Buffer, length: int, written: Encoding) -> Cut:
    description: dict[int, tuple[bytes, bytes]] = {}
    end = 0
    for header, end in top_level(prefix, written):
        if header.tag == PIXEL_DATA:
            return _cut_pixels(header, length, description, written)
        if header.tag > PIXEL_DATA:
            return Cut(length)
        if header.tag >> 16 == 0x0028 and header.length <= _LONGEST_DESCRIPTION:
            description[header.tag] = (header.vr, bytes(prefix[header.value : end]))
    if end + 8 <= length:
        raise Truncated(end + 8)
    return Cut(length)


def _cut_pixels(
    header: Header, length: int, description: Mapping[int, tuple[bytes, bytes]], written: Encoding
) -> Cut:
    end = header.value + header.length
    if header.length == UNDEFINED or end > length:
        return Cut(length)
    numbers = {
        tag: number
        for tag, (vr, value) in description.items()
        if tag in _NUMBERS and (number := _number(vr, value, written.little, tag)) is not None
    }
    photometric = description.get(_PHOTOMETRIC_INTERPRETATION, (b"", b""))[1].strip(b" \0")
    layout = None
    if photometric in _GRAYSCALE and numbers.get(_SAMPLES_PER_PIXEL, 1) == 1:
        layout = _frame_layout(numbers, header.length, big_endian=not written.little)
    return Cut(length, (header.value, end), layout, _unit(numbers))


def _number(vr: bytes, value: bytes, little: bool, tag: int) -> int | None:
    if vr in _TEXT_VRS or (not vr and tag == _NUMBER_OF_FRAMES):
        text = value.strip(b" \0")
        return int(text) if text.isdigit() else None
    if len(value) not in (2, 4):
        return None
    return int.from_bytes(value, "little" if little else "big")


def _unit(numbers: Mapping[int, int]) -> int:
    allocated = max(1, numbers.get(_BITS_ALLOCATED, 8) // 8)
    return min(allocated * max(1, numbers.get(_SAMPLES_PER_PIXEL, 1)), 255)


def _frame_layout(
    numbers: Mapping[int, int], value_length: int, *, big_endian: bool
) -> FrameLayout | None:
    allocated = numbers.get(_BITS_ALLOCATED)
    if allocated not in (8, 16):
        return None
    rows, columns = numbers.get(_ROWS, 0), numbers.get(_COLUMNS, 0)
    frame_bytes = rows * columns * allocated // 8
    if not frame_bytes:
        return None
    frames = min(numbers.get(_NUMBER_OF_FRAMES, 1), value_length // frame_bytes)
    if not frames:
        return None
    stored = numbers.get(_BITS_STORED, allocated)
    if not 1 <= stored <= allocated:
        stored = allocated
    high_bit = numbers.get(_HIGH_BIT, stored - 1)
    padding = numbers.get(_PIXEL_PADDING_VALUE)
    return FrameLayout(
        rows=rows,
        columns=columns,
        frames=frames,
        word=allocated // 8,
        big_endian=big_endian,
        signed=numbers.get(_PIXEL_REPRESENTATION) == 1,
        bits_stored=stored,
        high_bit=high_bit if stored - 1 <= high_bit < allocated else stored - 1,
        padding_value=None if padding is None else padding & (1 << allocated) - 1,
    )
