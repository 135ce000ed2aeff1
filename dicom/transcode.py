"""Give a dataset in an uncompressed transfer syntax to a peer that didn't accept the stored one.

Never to a lossy or compressed syntax, and never under a new SOP Instance UID: the pixels are those
that the stored encoding stands for.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from dicom.elements import (
    EXPLICIT_LITTLE,
    PIXEL_DATA,
    UNDEFINED,
    Buffer,
    Encoding,
    Truncated,
    settle,
    top_level,
)
from dicom.frames import DecodedPixels, NoDecoder, PixelFault, decode_pixels
from dicom.inflate import InflateError, inflate
from dicom.recode import RecodeError, recode
from dicom.syntax import EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN, encoding
from dicom.vr import LONG_VRS

LARGEST_DATASET: Final = 2**32
"""Bytes; a Pixel Data value ends at 2^32 - 2 (PS3.5 7.1.1), a deflate bomb doesn't."""

_TARGETS: Final = frozenset({EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN})

_ENCAPSULATED_ONLY: Final = frozenset({0x7FE0_0001, 0x7FE0_0002, 0x7FE0_0003})
"""Extended offset table, its lengths, total length: they describe fragments (PS3.3 C.7.6.3)."""


class TranscodeError(Exception):
    """A dataset can't be given in another transfer syntax."""


class NoDecoderError(TranscodeError):
    """Nothing installed decodes this transfer syntax, or this kind of image in it."""


def to_uncompressed(
    dataset: Buffer, source_syntax: str, target_syntax: str, limit: int = LARGEST_DATASET
) -> bytes:
    """Write an encoded dataset in an uncompressed transfer syntax.

    Bytes that the change of syntax doesn't concern are kept: elements are rewritten one by one,
    values only where byte order or compression ask for it.

    Args:
        dataset: the encoded dataset.
        source_syntax: UID it is encoded in.
        target_syntax: Implicit or Explicit VR Little Endian.
        limit: bytes of a deflated dataset, at most.

    Raises:
        NoDecoderError: no decoder for the compressed frames.
        TranscodeError: malformed, or too large, or a target of another kind.
    """
    if target_syntax not in _TARGETS:
        raise TranscodeError(f"no transcoding to {target_syntax}: it is no uncompressed target")
    source, target = encoding(source_syntax), encoding(target_syntax)
    written = Encoding(source.is_explicit, source.is_little)
    try:
        if source.is_deflated:
            dataset = inflate(dataset, limit)
        elif source.is_encapsulated:
            dataset = _decompress(memoryview(dataset), source_syntax)
        return recode(dataset, written, Encoding(target.is_explicit, target.is_little))
    except NoDecoder as error:
        raise NoDecoderError(str(error)) from error
    except (RecodeError, InflateError, PixelFault) as error:
        raise TranscodeError(str(error)) from error


def _decompress(dataset: memoryview, source_syntax: str) -> Buffer:
    """Replace encapsulated Pixel Data, and what describes them, in an explicit VR dataset."""
    dataset = memoryview(recode(dataset, settle(dataset, 0, EXPLICIT_LITTLE), EXPLICIT_LITTLE))
    elements: list[tuple[int, memoryview]] = []
    decoded: DecodedPixels | None = None
    offset = 0
    try:
        for header, end in top_level(dataset, EXPLICIT_LITTLE):
            elements.append((header.tag, dataset[offset:end]))
            if header.tag == PIXEL_DATA and header.length == UNDEFINED:
                fragments = dataset[header.value : end]
                decoded = decode_pixels(dataset[:offset], fragments, source_syntax)
            offset = end
    except Truncated as error:
        raise TranscodeError(f"dataset can't be decompressed: {error}") from error
    if decoded is None:
        return dataset
    changes = _changed_elements(decoded)
    return b"".join(_splice(elements, changes)) + bytes(dataset[offset:])


def _splice(elements: list[tuple[int, memoryview]], changes: Mapping[int, bytes]) -> list[Buffer]:
    """Put changed elements in place of the old ones, and new ones where their tags belong."""
    waiting = sorted(changes.items(), reverse=True)
    spliced: list[Buffer] = []
    for tag, element in elements:
        while waiting and waiting[-1][0] <= tag:
            spliced.append(waiting.pop()[1])
        if tag not in changes and tag not in _ENCAPSULATED_ONLY:
            spliced.append(element)
    return spliced


def _changed_elements(decoded: DecodedPixels) -> dict[int, bytes]:
    changes = {
        0x0028_0004: _element(0x0028_0004, b"CS", decoded.photometric_interpretation.encode()),
        0x0028_0100: _element(0x0028_0100, b"US", decoded.bits_allocated.to_bytes(2, "little")),
        PIXEL_DATA: _element(
            PIXEL_DATA, b"OB" if decoded.bits_allocated <= 8 else b"OW", decoded.value
        ),
    }
    if decoded.planar_configuration is not None:
        planar = decoded.planar_configuration.to_bytes(2, "little")
        changes[0x0028_0006] = _element(0x0028_0006, b"US", planar)
    return changes


def _element(tag: int, vr: bytes, value: bytes) -> bytes:
    """Encode one element, explicit VR little endian, padded to even length (PS3.5 6.2)."""
    if len(value) % 2:
        value += b"\0" if vr in LONG_VRS else b" "
    head = (tag >> 16).to_bytes(2, "little") + (tag & 0xFFFF).to_bytes(2, "little") + vr
    if vr in LONG_VRS:
        return head + b"\0\0" + len(value).to_bytes(4, "little") + value
    return head + len(value).to_bytes(2, "little") + value
