"""Inflate what strangers deflated, never beyond a stated size."""

from __future__ import annotations

import zlib
from typing import Final

from dicom.elements import Buffer

_RAW_DEFLATE: Final = -zlib.MAX_WBITS
"""No zlib header: PS3.5 A.5 asks for an RFC 1951 stream."""


class InflateError(ValueError):
    """A deflate stream is damaged, ends early, or holds more than the limit."""


def inflate_some(stream: Buffer, limit: int) -> bytes:
    """Give at most ``limit`` first bytes of what a whole or cut-off deflate stream holds.

    A damaged stream gives nothing.
    """
    try:
        return zlib.decompressobj(_RAW_DEFLATE).decompress(stream, limit)
    except zlib.error:
        return b""


def inflate(stream: Buffer, limit: int) -> bytes:
    """Inflate a whole deflate stream; a padding byte behind it is left alone (PS3.5 A.5).

    Raises:
        InflateError: damaged, cut off, or more than ``limit`` bytes.
    """
    decompressor = zlib.decompressobj(_RAW_DEFLATE)
    try:
        data = decompressor.decompress(stream, limit + 1)
    except zlib.error as error:
        raise InflateError(f"damaged deflate stream: {error}") from error
    if len(data) > limit:
        raise InflateError(f"deflate stream holds more than {limit} bytes")
    if not decompressor.eof:
        raise InflateError("deflate stream is cut off")
    return data
