"""What a compressed frame says of itself in its own header.

Declared sizes decide what a decoder allocates: a frame is only given to one if its codestream has
the rows and columns that the dataset says.
"""

from __future__ import annotations

from dataclasses import dataclass
from struct import unpack_from
from typing import Final

_JPEG_START: Final = b"\xff\xd8"
_JPEG_2000_START: Final = b"\xff\x4f\xff\x51"
_STANDALONE_MARKERS: Final = frozenset({0x01, *range(0xD0, 0xD9)})
_FRAME_HEADERS: Final = frozenset(
    {*range(0xC0, 0xD0), 0xF7}.difference({0xC4, 0xC8, 0xCC})  # SOF0 to SOF15, JPEG-LS SOF55
)
_START_OF_SCAN: Final = 0xDA


@dataclass(frozen=True, slots=True)
class CodestreamHeader:
    """Precision and size of one compressed frame."""

    precision: int
    rows: int
    columns: int
    samples: int


def read_codestream_header(frame: bytes) -> CodestreamHeader | None:
    """Read the header of a JPEG, JPEG-LS or JPEG 2000 codestream (T.81 B.2, T.87 C.2, T.800 A.5).

    None for other streams, and for damaged ones.
    """
    try:
        if frame.startswith(_JPEG_START):
            return _read_jpeg(frame)
        start = frame.find(_JPEG_2000_START)
        return _read_jpeg_2000(frame, start) if start >= 0 else None
    except (IndexError, OSError, ValueError):
        return None


def _read_jpeg(frame: bytes) -> CodestreamHeader | None:
    offset = len(_JPEG_START)
    while offset + 10 <= len(frame):
        if frame[offset] != 0xFF or frame[offset + 1] == 0xFF:
            offset += 1  # fill bytes (T.81 B.1.1.2)
            continue
        marker = frame[offset + 1]
        if marker in _FRAME_HEADERS:
            precision, rows, columns, samples = unpack_from(">BHHB", frame, offset + 4)
            return CodestreamHeader(precision, rows, columns, samples)
        if marker == _START_OF_SCAN:
            return None
        offset += 2
        if marker not in _STANDALONE_MARKERS:
            offset += int.from_bytes(frame[offset : offset + 2], "big")
    return None


def _read_jpeg_2000(frame: bytes, start: int) -> CodestreamHeader | None:
    if len(frame) < start + 43:
        return None
    right, bottom, left, top = unpack_from(">IIII", frame, start + 8)
    (samples,) = unpack_from(">H", frame, start + 40)
    precision = (frame[start + 42] & 0x7F) + 1
    return CodestreamHeader(precision, bottom - top, right - left, samples)
