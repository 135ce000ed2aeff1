"""Where the parts of an object lie, found by its clear structure alone.

Everything that is not under a part's seal is compared with the one form that the writer gives it,
so that an altered structure is named and never followed.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import BinaryIO, NamedTuple

from service.errors import Altered, Swapped, Truncated
from service.sealing.clear import BODY_CHUNKS, HEADER_CHUNKS, element
from service.sealing.header import FrameShape
from service.sealing.parts import HEADER_BYTES, PartHeader
from service.sealing.writer import (
    DELIMITER,
    FRAME_MAGIC,
    ITEM,
    PIXEL_DATA,
    needs_extended_table,
    offset_table,
)

_ELEMENT_BYTES = 12
_EMPTY_TABLE = ITEM.pack(0xFFFE, 0xE000, 0)


class Place(NamedTuple):
    """Where a part lies in the file, and of what type it says that it is."""

    offset: int
    size: int
    type: int


class Structure:
    """Walks an object's elements behind the clear ones; first :meth:`header_chunks`."""

    def __init__(self, file: BinaryIO, offset: int) -> None:
        self._file = file
        self._clear_end = self._header_end = self._offset = offset
        self.size = file.seek(0, os.SEEK_END)
        """Bytes of the whole object."""

    def header_chunks(self) -> list[Place]:
        """Find the chunks of the sealed header, which follow the clear elements."""
        self._offset = self._clear_end
        places = self._elements(HEADER_CHUNKS)
        self._header_end = self._offset
        return places

    def body_chunks(self) -> list[Place]:
        """Find the chunks of a body that is a stream, behind the sealed header; to the end."""
        self._offset = self._header_end
        start = self._peek(len(PIXEL_DATA))
        if 0 < len(start) < len(PIXEL_DATA):
            raise Truncated("the object ends where its body starts")
        if start != PIXEL_DATA:
            places = self._elements(BODY_CHUNKS)
        else:
            self._expect(PIXEL_DATA + _EMPTY_TABLE, "the start of Pixel Data")
            places = self._items(b"")
        self.expect_end()
        return places

    def frames(self, object_id: bytes, shape: FrameShape) -> tuple[list[Place], bool]:
        """Find the frames, behind the sealed header; to the end.

        Returns:
            The places, and whether the table of offsets says the same.
        """
        self._offset = self._header_end
        extended = needs_extended_table(shape)
        table_offset = self._offset
        nothing = [0] * shape.frames
        table = self._take(len(offset_table(nothing, nothing, extended)))
        first = self._offset
        places = self._items(FRAME_MAGIC + object_id)
        self.expect_end()
        if len(places) != shape.frames:
            kind = Truncated if len(places) < shape.frames else Altered
            raise kind(f"{len(places)} frames of {shape.frames} are in the object")
        expected = _expected_table(places, first, len(FRAME_MAGIC + object_id), extended)
        _compare_table(table, expected, table_offset)
        return places, table == expected

    def expect_end(self) -> None:
        """Check that nothing follows."""
        if self._offset != self.size:
            raise Altered(f"bytes follow the end of the object, at byte {self._offset}")

    def _elements(self, tags: Sequence[int]) -> list[Place]:
        places: list[Place] = []
        for tag in tags:
            start = element(tag, "OB", b"")[:8]
            if self._peek(8) != start:
                break
            value = int.from_bytes(self._take(_ELEMENT_BYTES)[8:], "little")
            places.append(self._part(value, b""))
        return places

    def _items(self, start: bytes) -> list[Place]:
        places: list[Place] = []
        while (head := self._take(ITEM.size)) != DELIMITER:
            group, number, length = ITEM.unpack(head)
            if (group, number) != (0xFFFE, 0xE000):
                raise Altered(f"no item of Pixel Data at byte {self._offset - ITEM.size}")
            places.append(self._part(length, start))
        return places

    def _part(self, length: int, start: bytes) -> Place:
        """Step over a value of ``length`` bytes: ``start``, one part, padding to even length."""
        end = self._offset + length
        if end > self.size:
            raise Truncated(f"the object ends inside the value at byte {self._offset}")
        _check_start(self._take(len(start)), start)
        offset = self._offset
        header = PartHeader.unpack(self._take(HEADER_BYTES))
        if header.size + offset + (len(start) + header.size) % 2 != end:
            raise Altered(f"{header}: its length contradicts that of its element or item")
        self._offset = offset + header.size
        if any(self._take(end - self._offset)):
            raise Altered(f"{header}: the padding behind it")
        return Place(offset, header.size, header.type)

    def _expect(self, expected: bytes, what: str) -> None:
        offset = self._offset
        if self._take(len(expected)) != expected:
            raise Altered(f"{what}, at byte {offset}")

    def _peek(self, size: int) -> bytes:
        self._file.seek(self._offset)
        return self._file.read(size)

    def _take(self, size: int) -> bytes:
        if self._offset + size > self.size:
            raise Truncated(f"the object ends inside its structure, after byte {self._offset}")
        data = self._peek(size)
        self._offset += size
        return data


def _check_start(found: bytes, expected: bytes) -> None:
    if found[:4] != expected[:4]:
        raise Altered("a frame's item does not begin as one")
    if found != expected:
        raise Swapped(f"an item of object {found[4:].hex()} stands in object {expected[4:].hex()}")


def _expected_table(places: list[Place], first: int, start: int, extended: bool) -> bytes:
    offsets = [place.offset - start - ITEM.size - first for place in places]
    lengths = [start + place.size + (start + place.size) % 2 for place in places]
    return offset_table(offsets, lengths, extended)


def _compare_table(table: bytes, expected: bytes, offset: int) -> None:
    """Check the framing of the table of offsets; its values are hints and compared by the audit."""
    framing = PIXEL_DATA + ITEM.pack(0xFFFE, 0xE000, len(expected) - len(PIXEL_DATA) - ITEM.size)
    if not expected.startswith(framing):
        framing = b""
        if not table.endswith(PIXEL_DATA + _EMPTY_TABLE) or table[:12] != expected[:12]:
            raise Altered(f"the Extended Offset Table, at byte {offset}")
    if not table.startswith(framing):
        raise Altered(f"the start of Pixel Data, at byte {offset}")
