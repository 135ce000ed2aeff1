"""Fuzzed: encoded datasets and files, as far as they are read before anything is decided."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

from dicom.attributes import read_attributes
from dicom.cut import NeedMore, cut
from dicom.elements import EXPLICIT_LITTLE, IMPLICIT_LITTLE, Encoding
from dicom.inflate import InflateError, inflate, inflate_some
from dicom.part10 import NotDicom, split_part10, write_file_meta
from dicom.recode import RecodeError, recode
from dicom.syntax import encoding
from dicom.transcode import TranscodeError, to_uncompressed
from service.head import Head
from service.index.attributes import attributes_of, dataset_of, from_json, to_json
from tests.fuzz.target import Target
from tests.service.made import CT, EXPLICIT, dataset, without_pixels

_SYNTAXES = (
    "1.2.840.10008.1.2.1",
    "1.2.840.10008.1.2",
    "1.2.840.10008.1.2.2",
    "1.2.840.10008.1.2.1.99",
    "1.2.840.10008.1.2.5",
    "1.2.840.10008.1.2.4.70",
)
"""Chosen by the first byte of a case."""

_INFLATED = 1 << 16


def _split(data: bytes) -> tuple[str, bytes]:
    return (_SYNTAXES[data[0] % len(_SYNTAXES)], data[1:]) if data else (_SYNTAXES[0], b"")


def _cut(data: bytes) -> None:
    syntax, encoded = _split(data)
    found = cut(encoded, len(encoded), syntax)
    assert found.length == len(encoded)
    if found.pixels is not None:
        start, end = found.pixels
        assert 0 <= start <= end <= len(encoded)
        layout = found.layout
        assert layout is None or 0 < layout.frames * layout.frame_bytes <= end - start
    for prefix in (8, len(encoded) // 2):
        needed = _needed(encoded, prefix, syntax)
        assert needed is None or prefix < needed <= len(encoded)
    head = Head(syntax)
    head.write(encoded)


def _needed(encoded: bytes, prefix: int, syntax: str) -> int | None:
    try:
        cut(encoded[:prefix], len(encoded), syntax)
    except NeedMore as more:
        return more.needed
    return None


def _attributes(data: bytes) -> None:
    """As a reception does: what was read becomes JSON, and that a dataset again."""
    syntax, encoded = _split(data)
    read = read_attributes(encoded, syntax, limit=_INFLATED)
    text = to_json(attributes_of(read))
    assert len(text) < 64 * len(encoded) + (64 * _INFLATED if "99" in syntax else 4096)
    dataset_of(from_json(text))


def _inflate(data: bytes) -> None:
    assert len(inflate_some(data, _INFLATED)) <= _INFLATED
    try:
        assert len(inflate(data, _INFLATED)) <= _INFLATED
    except InflateError:
        return


def _inflate_seeds() -> Iterator[bytes]:
    for content in (dataset(size=8), bytes(1 << 20), b""):
        yield zlib.compress(content, wbits=-zlib.MAX_WBITS)


def _part10(data: bytes) -> None:
    try:
        header = split_part10(data)
    except NotDicom:
        return
    assert header.restore(data[header.dataset_offset :]) == data


def _part10_seeds() -> Iterator[bytes]:
    whole = write_file_meta(CT, "1.2.3.4", EXPLICIT) + dataset(size=8)
    yield whole
    yield whole[128:]
    yield from (seed[1:] for seed in _dataset_seeds())


def _recode(data: bytes) -> None:
    syntax, encoded = _split(data)
    written = encoding(syntax)
    source = Encoding(written.is_explicit, written.is_little)
    for target in (EXPLICIT_LITTLE, IMPLICIT_LITTLE):
        try:
            recoded = recode(encoded, source, target)
        except RecodeError:
            continue
        assert len(recoded) <= 2 * len(encoded) + 16


def _transcode(data: bytes) -> None:
    syntax, encoded = _split(data)
    try:
        to_uncompressed(memoryview(encoded), syntax, EXPLICIT)
    except TranscodeError:
        return


def _dataset_seeds() -> Iterator[bytes]:
    nested = b"\x08\0\x40\x11SQ\0\0\xff\xff\xff\xff\xfe\xff\0\xe0\xff\xff\xff\xff"
    ends = b"\xfe\xff\x0d\xe0\0\0\0\0\xfe\xff\xdd\xe0\0\0\0\0"
    for data in (dataset(size=8), without_pixels("1.2.3", 512), nested * 20 + ends * 20):
        yield b"\0" + data
        yield b"\3" + zlib.compress(data, wbits=-zlib.MAX_WBITS)
        for number, target in ((1, IMPLICIT_LITTLE), (0, EXPLICIT_LITTLE)):
            yield bytes([number]) + recode(data, EXPLICIT_LITTLE, target)
    yield b"\2\0\x08\0\x05CS\0\x0aISO_IR 100\0\x28\0\x10US\0\2\0\1"


def _transcode_seeds() -> Iterator[bytes]:
    yield from _dataset_seeds()
    native = dataset(size=8)
    start = native.index(b"\xe0\x7f\x10\0")
    head, pixels = native[:start], native[start + 12 :]
    rle = b"\2\0\0\0\x40\0\0\0\x81\0\0\0" + bytes(52)
    rle += b"\x3f" + pixels[1::2] + b"\0\x3f" + pixels[::2] + b"\0"
    item = b"\xfe\xff\0\xe0" + len(rle).to_bytes(4, "little") + rle
    empty = b"\xfe\xff\0\xe0\0\0\0\0"
    yield (
        b"\4" + head + b"\xe0\x7f\x10\0OB\0\0\xff\xff\xff\xff" + empty + item
        + b"\xfe\xff\xdd\xe0\0\0\0\0"
    )  # fmt: skip


TARGETS = (
    Target("cut", _cut, _dataset_seeds, ("dicom",)),
    Target("attributes", _attributes, _dataset_seeds, ("dicom", "service")),
    Target("inflate", _inflate, _inflate_seeds, ("dicom",)),
    Target("part10", _part10, _part10_seeds, ("dicom",)),
    Target("recode", _recode, _dataset_seeds, ("dicom",)),
    Target("transcode", _transcode, _transcode_seeds, ("dicom",)),
)
