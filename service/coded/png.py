"""PNG files from their samples: what else has to be known, if the file can be made again.

The rows' filters (PNG, third edition, section 9) are read from the file; how zlib was called is
found by trying. A file that another deflate wrote cannot be made again.
"""

from __future__ import annotations

import itertools
import struct
import zlib
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from service.sealing.frames import Words

_START: Final = 8
_PROBE: Final = 1 << 18
_STRATEGIES: Final = (zlib.Z_DEFAULT_STRATEGY, zlib.Z_FILTERED, zlib.Z_RLE, zlib.Z_HUFFMAN_ONLY)
_CALLS: Final = tuple(itertools.product((6, 9, 1, 2, 3, 4, 5, 7, 8), (8, 9), _STRATEGIES))
_IHDR: Final = struct.Struct(">IIBBBBB")
_FILTERS: Final = 5


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a PNG file follows from its samples.

    Attributes:
        filters: of each row.
        call: level, window bits, memory level and strategy, as zlib takes them.
        pieces: bytes of image data in each IDAT chunk.
        before: the file up to the first IDAT chunk.
        after: what follows the last.
    """

    filters: bytes
    call: tuple[int, int, int, int]
    pieces: tuple[int, ...]
    before: bytes
    after: bytes

    def restore(self, words: Words) -> bytes:
        """Make the file again."""
        level, window, memory, strategy = self.call
        deflate = zlib.compressobj(level, zlib.DEFLATED, window, memory, strategy)
        stream = deflate.compress(_filtered(words, self.filters)) + deflate.flush()
        ends = list(itertools.accumulate(self.pieces))
        chunks = (stream[a:b] for a, b in zip([0, *ends], ends, strict=False))
        return self.before + b"".join(map(_chunk, chunks)) + self.after


def find_recipe(data: bytes, words: Words) -> Recipe | None:
    """Find how to make a grayscale file again, or None."""
    pieces, before, after = _apart(data)
    stream = b"".join(pieces)
    *_, interlace = _IHDR.unpack(data[16:29])
    try:
        raw = zlib.decompress(stream)
    except zlib.error:
        return None
    filters = raw[:: words.shape[1] * words.itemsize + 1]
    known = len(filters) == len(words) and max(filters) < _FILTERS and not interlace
    if not known or _filtered(words, filters) != raw:
        return None
    window = max(9, (stream[0] >> 4) + 8)
    for level, memory, strategy in _CALLS:
        call = (level, window, memory, strategy)
        if _begins(raw, stream, call):
            recipe = Recipe(filters, call, tuple(map(len, pieces)), before, after)
            if recipe.restore(words) == data:
                return recipe
    return None


def _begins(raw: bytes, stream: bytes, call: tuple[int, int, int, int]) -> bool:
    level, window, memory, strategy = call
    deflate = zlib.compressobj(level, zlib.DEFLATED, window, memory, strategy)
    return stream.startswith(deflate.compress(raw[:_PROBE]))


def _apart(data: bytes) -> tuple[list[bytes], bytes, bytes]:
    """The contents of the IDAT chunks, and the file before and after them."""
    offset, first, last = _START, len(data), len(data)
    pieces: list[bytes] = []
    while offset + 12 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, offset)
        end = offset + 12 + length
        if kind == b"IDAT":
            pieces.append(data[offset + 8 : end - 4])
            first, last = min(first, offset), end
        offset = end
    return pieces, data[:first], data[last:]


def _chunk(content: bytes) -> bytes:
    checksum = zlib.crc32(content, zlib.crc32(b"IDAT"))
    return struct.pack(">I", len(content)) + b"IDAT" + content + struct.pack(">I", checksum)


def _filtered(words: Words, filters: bytes) -> bytes:
    """The rows as they go into zlib: each its filter's number and its differences."""
    rows = words.astype(words.dtype.newbyteorder(">")).view(np.uint8).reshape(len(words), -1)
    here = rows.astype(np.int16)
    left, above, corner = (np.zeros_like(here) for _ in range(3))
    left[:, words.itemsize :] = here[:, : -words.itemsize]
    above[1:] = here[:-1]
    corner[1:, words.itemsize :] = here[:-1, : -words.itemsize]
    numbers = np.frombuffer(filters, np.uint8)
    known = (np.zeros_like(here), left, above, (left + above) >> 1, _paeth(left, above, corner))
    predicted = np.choose(numbers[:, None], known)
    out = np.empty((len(rows), rows.shape[1] + 1), np.uint8)
    out[:, 0], out[:, 1:] = numbers, (here - predicted) & 0xFF
    return out.tobytes()


def _paeth(
    left: NDArray[np.int16], above: NDArray[np.int16], corner: NDArray[np.int16]
) -> NDArray[np.int16]:
    to_left, to_above = abs(above - corner), abs(left - corner)
    to_corner = abs(left + above - 2 * corner)
    nearer = np.where(to_above <= to_corner, above, corner)
    is_left = (to_left <= to_above) & (to_left <= to_corner)
    chosen: NDArray[np.int16] = np.where(is_left, left, nearer)
    return chosen
