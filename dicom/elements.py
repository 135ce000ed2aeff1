"""The framing of an encoded dataset: element headers, items and delimiters (PS3.5 chapter 7).

Everything here works on offsets into bytes that strangers sent, so it never recurses, never
allocates by a declared length, and reads real-world deviations the way common toolkits do.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from struct import Struct
from typing import Final, NamedTuple

from dicom.vr import KNOWN_VRS, SHORT_VRS

Buffer = bytes | bytearray | memoryview

ITEM: Final = 0xFFFE_E000
ITEM_END: Final = 0xFFFE_E00D
SEQUENCE_END: Final = 0xFFFE_E0DD
PIXEL_DATA: Final = 0x7FE0_0010
UNDEFINED: Final = 0xFFFF_FFFF

_TAG_AND_LENGTH = {True: Struct("<HHI"), False: Struct(">HHI")}
_SHORT_LENGTH = {True: Struct("<H"), False: Struct(">H")}
_LONG_LENGTH = {True: Struct("<I"), False: Struct(">I")}
_DELIMITER_GROUP = 0xFFFE


@dataclass(frozen=True, slots=True)
class Encoding:
    """How elements are written: explicit or implicit VR, little or big endian (PS3.5 A.1-A.3)."""

    explicit: bool
    little: bool


IMPLICIT_LITTLE: Final = Encoding(explicit=False, little=True)
EXPLICIT_LITTLE: Final = Encoding(explicit=True, little=True)
EXPLICIT_BIG: Final = Encoding(explicit=True, little=False)


class Truncated(Exception):
    """The bytes end inside an element. ``needed`` is the least length that would get further."""

    def __init__(self, needed: int) -> None:
        super().__init__(f"encoded dataset ends before byte {needed}")
        self.needed = needed


class Header(NamedTuple):
    """One element, item or delimiter header."""

    tag: int
    vr: bytes
    """Two letters; empty where the header carries none."""
    length: int
    """Declared length of the value; :data:`UNDEFINED` up to a delimiter."""
    value: int
    """Offset of the value."""


def read_header(data: Buffer, offset: int, encoding: Encoding) -> Header:
    """Read the header at ``offset``.

    A header without two capital letters where the VR belongs is read as implicit VR, since some
    writers switch encodings in mid-dataset; an unknown VR has a 32-bit length (PS3.5 7.1.2).

    Raises:
        Truncated: ``data`` ends inside the header.
    """
    if offset + 8 > len(data):
        raise Truncated(offset + 8)
    group, element, length = _TAG_AND_LENGTH[encoding.little].unpack_from(data, offset)
    tag = group << 16 | element
    if not encoding.explicit or group == _DELIMITER_GROUP:
        return Header(tag, b"", length, offset + 8)
    vr = bytes(data[offset + 4 : offset + 6])
    if vr in SHORT_VRS:
        return Header(tag, vr, _short_length(data, offset, encoding), offset + 8)
    if not _looks_like_vr(vr):
        return Header(tag, b"", length, offset + 8)
    if vr not in KNOWN_VRS and _short_length(data, offset, encoding):
        # The two reserved bytes of the long form are zero: this writer used the short one.
        return Header(tag, vr, _short_length(data, offset, encoding), offset + 8)
    if offset + 12 > len(data):
        raise Truncated(offset + 12)
    (length,) = _LONG_LENGTH[encoding.little].unpack_from(data, offset + 8)
    return Header(tag, vr, length, offset + 12)


def _short_length(data: Buffer, offset: int, encoding: Encoding) -> int:
    length: int = _SHORT_LENGTH[encoding.little].unpack_from(data, offset + 6)[0]
    return length


def _looks_like_vr(vr: bytes) -> bool:
    return vr.isalpha() and vr.isupper()


def settle(data: Buffer, offset: int, expected: Encoding) -> Encoding:
    """Decide by the first element at ``offset`` whether a VR is written or not.

    Explicit VR where implicit was declared, or the other way round, is a common fault of writers,
    in whole datasets and in sequences. A known VR's letters as the length of an implicit element
    would mean 16 KiB or more, and nothing but letters is a VR.
    """
    vr = bytes(data[offset + 4 : offset + 6])
    is_delimiter = bytes(data[offset : offset + 2]) in (b"\xfe\xff", b"\xff\xfe")
    if len(vr) < 2 or is_delimiter:
        return expected
    explicit = _looks_like_vr(vr) if expected.explicit else vr in KNOWN_VRS
    return Encoding(explicit, expected.little)


def content_encoding(data: Buffer, header: Header, encoding: Encoding) -> Encoding:
    """Give the encoding of the items of a sequence.

    Items of an element of VR UN and undefined length are implicit VR little endian
    (PS3.5 6.2.2), whatever surrounds them; writers that kept big endian there show in the first
    item's tag.
    """
    if header.vr != b"UN":
        return encoding
    is_big = bytes(data[header.value : header.value + 2]) == b"\xff\xfe"
    return Encoding(explicit=False, little=not is_big)


def end_of_value(data: Buffer, header: Header, encoding: Encoding) -> int:
    """Give the offset behind an element's value; a declared length may lead beyond ``data``.

    Raises:
        Truncated: an undefined length isn't delimited inside ``data``.
    """
    if header.length != UNDEFINED:
        return header.value + header.length
    return _end_of_delimited(data, header, encoding)


class _Open(NamedTuple):
    """A sequence or item of undefined length whose delimiter has not come yet."""

    encoding: Encoding
    is_item: bool


def _open(data: Buffer, header: Header, encoding: Encoding) -> _Open:
    if header.tag == ITEM:
        return _Open(settle(data, header.value, encoding), is_item=True)
    return _Open(content_encoding(data, header, encoding), is_item=False)


def _end_of_delimited(data: Buffer, header: Header, encoding: Encoding) -> int:
    offset = header.value
    stack = [_open(data, header, encoding)]
    while stack:
        current = stack[-1].encoding
        header = read_header(data, offset, current)
        offset = header.value
        if header.tag == SEQUENCE_END:
            _close_sequence(stack)
        elif header.tag == ITEM_END:
            if stack[-1].is_item:
                stack.pop()
        elif header.length == UNDEFINED:
            stack.append(_open(data, header, current))
        else:
            offset += header.length
    return offset


def _close_sequence(stack: list[_Open]) -> None:
    """Close the innermost sequence, and an item in it that lacks its own delimiter."""
    if stack[-1].is_item:
        stack.pop()
    if stack:
        stack.pop()


def top_level(data: Buffer, encoding: Encoding) -> Iterator[tuple[Header, int]]:
    """Walk the top-level elements: each header with the offset behind its value.

    The walk ends where fewer than the eight bytes of a header are left.

    Raises:
        Truncated: ``data`` ends inside an element; what came before has been yielded.
    """
    encoding = settle(data, 0, encoding)
    offset = 0
    while offset + 8 <= len(data):
        header = read_header(data, offset, encoding)
        offset = end_of_value(data, header, encoding)
        yield header, offset
