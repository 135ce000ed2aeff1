"""Read the attributes of an encoded dataset for the index: tolerant, bounded, without bulk data."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import pydicom.config
from pydicom.charset import python_encoding
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset
from pydicom.errors import BytesLengthException
from pydicom.multival import MultiValue
from pydicom.sequence import Sequence
from pydicom.tag import BaseTag
from pydicom.values import convert_value

from dicom.elements import (
    ITEM,
    PIXEL_DATA,
    UNDEFINED,
    Buffer,
    Encoding,
    Header,
    Truncated,
    content_encoding,
    settle,
    top_level,
)
from dicom.inflate import inflate_some
from dicom.syntax import encoding
from dicom.vr import TEXT_VRS, dictionary_vr

INFLATE_LIMIT: Final = 16 * 2**20
"""Bytes of a deflated dataset that are looked at: heads are far smaller, pixels aren't needed."""

LONGEST_VALUE: Final = 64 * 2**10
"""Bytes; longer values and sequences are bulk data, as per-frame functional groups are. It is the
longest value that the 16-bit length of most text VRs can tell."""

DEEPEST_NESTING: Final = 16
"""Levels of sequences that are read. Structured reports nest some ten levels deep."""

_CHARACTER_SET: Final = 0x0008_0005
_PIXEL_REPRESENTATION: Final = 0x0028_0103
_DELIMITER_GROUP: Final = 0xFFFE
_DEFAULT_ENCODINGS: Final = ["iso8859"]
_CHARACTER_SETS: Final = {term.replace("_", " "): name for term, name in python_encoding.items()}
"""By term, with the misspellings of delimiters (ISO-IR 100) made one."""


class _Bounds(NamedTuple):
    """How much of a dataset is read."""

    longest: int
    depth: int = DEEPEST_NESTING


# Whether values obey their VR is not the archive's to judge, and pydicom's warnings quote them.
pydicom.config.settings.reading_validation_mode = pydicom.config.IGNORE


def read_attributes(
    prefix: Buffer,
    transfer_syntax: str,
    limit: int = INFLATE_LIMIT,
    longest: int = LONGEST_VALUE,
) -> Dataset:
    """Read the elements that come before the Pixel Data in the first bytes of a dataset.

    Never raises for malformed data: what can't be read is left out, and a value that doesn't fit
    its VR is kept as text (VR LO) or bytes (VR OB). Bulk data and group lengths are left out.
    All values are converted: reading them from the result doesn't raise.

    Args:
        prefix: first bytes of the encoded dataset, or all of it.
        transfer_syntax: UID it is encoded in.
        limit: bytes to inflate at most, if it is deflated.
        longest: bytes; longer values and sequences are taken for bulk data.
    """
    syntax = encoding(transfer_syntax)
    data = inflate_some(prefix, limit) if syntax.is_deflated else prefix
    written = Encoding(syntax.is_explicit, syntax.is_little)
    return _read_dataset(memoryview(data), written, _DEFAULT_ENCODINGS, _Bounds(longest))


def _read_dataset(
    data: memoryview, written: Encoding, encodings: list[str], bounds: _Bounds
) -> Dataset:
    elements: dict[BaseTag, DataElement | RawDataElement] = {}
    written = settle(data, 0, written)
    signed = False
    for header, value in _values(data, written, bounds.longest):
        vr = _vr(header, signed=signed)
        if vr == b"SQ":
            element = _read_sequence(header, value, written, encodings, bounds)
        else:
            element = _read_element(header.tag, vr, bytes(value), written, encodings)
        if header.tag == _CHARACTER_SET:
            encodings = _encodings(element.value)
        elif header.tag == _PIXEL_REPRESENTATION:
            signed = element.value == 1
        elements[element.tag] = element
    return Dataset(elements)


def _values(
    data: memoryview, written: Encoding, longest: int
) -> Iterator[tuple[Header, memoryview]]:
    """Walk the elements worth reading, up to the Pixel Data or the first fault."""
    try:
        for header, end in top_level(data, written):
            if header.tag >= PIXEL_DATA and header.tag >> 16 != _DELIMITER_GROUP:
                return
            if end > len(data) or end - header.value > longest:
                continue
            if header.tag & 0xFFFF and header.tag >> 16 != _DELIMITER_GROUP:
                yield header, data[header.value : end]
    except Truncated:
        return


def _vr(header: Header, *, signed: bool) -> bytes:
    if header.length == UNDEFINED:
        return b"SQ"
    if header.vr in (b"", b"UN"):
        return dictionary_vr(header.tag, signed=signed)
    return header.vr


def _read_sequence(
    header: Header, value: memoryview, written: Encoding, encodings: list[str], bounds: _Bounds
) -> DataElement:
    items = []
    if bounds.depth > 0:
        inside = content_encoding(value, header._replace(value=0), written)
        deeper = bounds._replace(depth=bounds.depth - 1)
        items = [
            _read_dataset(item, inside, encodings, deeper)
            for tag, item in _items(value, inside)
            if tag == ITEM
        ]
    return DataElement(BaseTag(header.tag), "SQ", Sequence(items))


def _items(value: memoryview, written: Encoding) -> Iterator[tuple[int, memoryview]]:
    try:
        for header, end in top_level(value, written):
            yield header.tag, value[header.value : end]
    except Truncated:
        return


def _read_element(
    tag: int, vr: bytes, value: bytes, written: Encoding, encodings: list[str]
) -> DataElement:
    name = vr.decode("latin-1")
    raw = RawDataElement(
        BaseTag(tag), name, len(value), value, 0, not written.explicit, written.little
    )
    return _converted(raw, encodings) or _as_opaque(raw, is_text=vr in TEXT_VRS)


def _converted(raw: RawDataElement, encodings: list[str]) -> DataElement | None:
    """Convert a value as its VR says, or None if it doesn't fit."""
    vr = str(raw.VR)
    try:
        value: Any = convert_value(vr, raw, encodings)
    except (BytesLengthException, ValueError, TypeError, NotImplementedError, ArithmeticError):
        return None
    if not _fits(vr, value, raw.length):
        return None
    return DataElement(raw.tag, vr, value, already_converted=True)


def _fits(vr: str, value: Any, length: int) -> bool:
    """Whether tags are whole, and numbers numbers: pydicom lets others pass for AT, IS and DS."""
    if vr == "AT":
        return length % 4 == 0
    if vr not in ("IS", "DS"):
        return True
    values = value if isinstance(value, (list, MultiValue)) else [value]
    number = int if vr == "IS" else float
    return all(single in (None, "") or _is_finite(single, number) for single in values)


def _is_finite(value: Any, number: type[int] | type[float]) -> bool:
    return isinstance(value, number) and math.isfinite(value)


def _as_opaque(raw: RawDataElement, *, is_text: bool) -> DataElement:
    """Keep a value that its VR doesn't fit. (pydicom turns UN back into the dictionary's VR.)"""
    value = raw.value or b""
    if not is_text:
        return DataElement(raw.tag, "OB", value)
    texts = [text.strip(" \0") for text in value.decode("latin-1").split("\\")]
    return DataElement(raw.tag, "LO", texts if len(texts) > 1 else texts[0])


def _encodings(value: Any) -> list[str]:
    """Give Python's names of a Specific Character Set; terms that nobody knows are left out."""
    terms = value if isinstance(value, (list, MultiValue)) else [value]
    names = [_CHARACTER_SETS.get(_plain_term(term)) for term in terms]
    return [name for name in names if name] or _DEFAULT_ENCODINGS


def _plain_term(term: Any) -> str:
    return str(term or "").strip().upper().replace("_", " ").replace("-", " ")
