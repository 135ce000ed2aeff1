"""Write an encoded dataset in another of the uncompressed encodings, value for value.

Implicit and explicit VR, big and little endian differ in element headers and in the order of bytes
in words (PS3.5 7.1, 7.3). Everything else is kept as it came: values, padding, order of elements,
private tags, defined and undefined lengths of sequences and items, and bytes behind the end. Only
group lengths go when headers change their size (retired, PS3.5 7.2): they would be wrong.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from dicom.elements import (
    IMPLICIT_LITTLE,
    ITEM,
    PIXEL_DATA,
    UNDEFINED,
    Buffer,
    Encoding,
    Header,
    Truncated,
    content_encoding,
    end_of_value,
    read_header,
    settle,
)
from dicom.swap import swap_words
from dicom.vr import SHORT_VRS, dictionary_vr

DEEPEST_NESTING: Final = 100
"""Levels of sequences that are rewritten; each costs four frames of Python's stack of 1000."""

_BITS_ALLOCATED: Final = 0x0028_0100
_PIXEL_REPRESENTATION: Final = 0x0028_0103
_DELIMITER_GROUP: Final = 0xFFFE
_LONGEST_SHORT: Final = 0xFFFF


class RecodeError(ValueError):
    """An encoded dataset isn't well enough formed to be written in another encoding."""


@dataclass(frozen=True, slots=True)
class _Recoder:
    """What stays the same inside one dataset: how it is written, and how it shall be."""

    source: Encoding
    target: Encoding
    signed: bool = False
    """Pixel Representation, for numbers that are US or SS; an item inherits its parent's."""
    bits_allocated: int = 16
    depth: int = 0


def recode(dataset: Buffer, source: Encoding, target: Encoding) -> bytes:
    """Write a dataset of native encoding in another one, or as it is if they are the same.

    Args:
        dataset: the encoded dataset.
        source: how it is said to be written; explicit VR where implicit was declared is seen.
        target: explicit or implicit VR, little endian.

    Raises:
        RecodeError: truncated, nested too deep, or a sequence that isn't one.
    """
    try:
        source = settle(dataset, 0, source)
        if source == target:
            return bytes(dataset)
        return b"".join(_recode_dataset(memoryview(dataset), _Recoder(source, target)))
    except Truncated as error:
        raise RecodeError(f"dataset can't be re-encoded: {error}") from error


def _recode_dataset(data: memoryview, recoder: _Recoder) -> Iterator[bytes]:
    if recoder.depth > DEEPEST_NESTING:
        raise RecodeError(f"sequences are nested more than {DEEPEST_NESTING} levels deep")
    recoder = replace(recoder, source=settle(data, 0, recoder.source))
    offset, source = 0, recoder.source
    while offset + 8 <= len(data):
        header = read_header(data, offset, source)
        end = end_of_value(data, header, source)
        if end > len(data):
            raise Truncated(end)
        if header.tag >> 16 == _DELIMITER_GROUP:
            raise RecodeError(f"delimiter outside of a sequence at byte {offset}")
        value = data[header.value : end]
        recoder = _take_note(header, value, recoder)
        if header.tag & 0xFFFF or source.explicit == recoder.target.explicit:
            yield from _recode_element(header, value, recoder)
        offset = end
    yield bytes(data[offset:])


def _take_note(header: Header, value: memoryview, recoder: _Recoder) -> _Recoder:
    """Remember what the meaning of later elements depends on."""
    if header.tag == _BITS_ALLOCATED and len(value) == 2:
        low, high = value[:2] if recoder.source.little else value[1::-1]
        return replace(recoder, bits_allocated=high << 8 | low)
    if header.tag == _PIXEL_REPRESENTATION:
        return replace(recoder, signed=any(value))
    return recoder


def _recode_element(header: Header, value: memoryview, recoder: _Recoder) -> Iterator[bytes]:
    vr = header.vr or dictionary_vr(header.tag, signed=recoder.signed)
    if header.length == UNDEFINED and header.vr == b"UN":
        yield _write_header(header.tag, b"UN", UNDEFINED, recoder.target)
        yield from _recode_unknown_sequence(header, value, recoder)
    elif header.length == UNDEFINED and vr in (b"OB", b"OW"):
        yield from _copy_fragments(header, vr, value, recoder)
    elif header.length == UNDEFINED or vr == b"SQ":
        items = b"".join(_recode_items(value, recoder))
        length = UNDEFINED if header.length == UNDEFINED else len(items)
        yield _write_header(header.tag, b"SQ", length, recoder.target)
        yield items
    else:
        yield _write_header(header.tag, vr, len(value), recoder.target)
        if recoder.source.little == recoder.target.little:
            yield bytes(value)
        else:
            yield swap_words(_words_of(header.tag, vr, recoder), value)


def _words_of(tag: int, vr: bytes, recoder: _Recoder) -> bytes:
    """Pixels of 32 bits in OW are cells of 32 bits in real big endian files, not pairs of words."""
    if tag == PIXEL_DATA and vr == b"OW" and recoder.bits_allocated == 32:
        return b"OL"
    return vr


def _copy_fragments(
    header: Header, vr: bytes, value: memoryview, recoder: _Recoder
) -> Iterator[bytes]:
    """Copy encapsulated Pixel Data of an icon; only little endian has them (PS3.5 A.4)."""
    if not recoder.source.little:
        raise RecodeError("encapsulated Pixel Data in a big endian dataset")
    yield _write_header(header.tag, vr, UNDEFINED, recoder.target)
    yield bytes(value)


def _recode_unknown_sequence(
    header: Header, value: memoryview, recoder: _Recoder
) -> Iterator[bytes]:
    """Items of VR UN are implicit VR little endian in every encoding (PS3.5 6.2.2)."""
    inside = content_encoding(value, header._replace(value=0), recoder.source)
    if inside == IMPLICIT_LITTLE:
        yield bytes(value)
    else:
        yield from _recode_items(value, replace(recoder, source=inside, target=IMPLICIT_LITTLE))


def _recode_items(value: memoryview, recoder: _Recoder) -> Iterator[bytes]:
    offset = 0
    while offset < len(value):
        header = read_header(value, offset, recoder.source)
        end = end_of_value(value, header, recoder.source)
        if header.tag >> 16 != _DELIMITER_GROUP:
            raise RecodeError("a sequence holds something that is not an item")
        if end > len(value):
            raise Truncated(end)
        if header.tag == ITEM:
            yield from _recode_item(header, value[header.value : end], recoder)
        else:
            yield _write_header(header.tag, b"", header.length, recoder.target)
        offset = end


def _recode_item(header: Header, content: memoryview, recoder: _Recoder) -> Iterator[bytes]:
    inside = replace(recoder, depth=recoder.depth + 1)
    if header.length != UNDEFINED:
        written = b"".join(_recode_dataset(content, inside))
        yield _write_header(ITEM, b"", len(written), recoder.target)
        yield written
        return
    delimiter = read_header(content, len(content) - 8, recoder.source)
    yield _write_header(ITEM, b"", UNDEFINED, recoder.target)
    yield from _recode_dataset(content[:-8], inside)
    yield _write_header(delimiter.tag, b"", delimiter.length, recoder.target)


def _write_header(tag: int, vr: bytes, length: int, target: Encoding) -> bytes:
    """Write a little endian header; a value too long for its VR's 16-bit length becomes UN."""
    head = (tag >> 16).to_bytes(2, "little") + (tag & 0xFFFF).to_bytes(2, "little")
    if not target.explicit or not vr:
        return head + length.to_bytes(4, "little")
    if vr in SHORT_VRS and length <= _LONGEST_SHORT:
        return head + vr + length.to_bytes(2, "little")
    if vr in SHORT_VRS:
        vr = b"UN"
    return head + vr + b"\0\0" + length.to_bytes(4, "little")
