"""Decode encapsulated Pixel Data to the native form (PS3.5 A.4, 8.2) with pydicom's decoders."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from copy import copy
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import generate_frames
from pydicom.pixels.decoders.base import Decoder, get_decoder
from pydicom.uid import UID

from dicom.attributes import read_attributes
from dicom.codestream import CodestreamHeader, read_codestream_header
from dicom.elements import PIXEL_DATA
from dicom.inflate import InflateError, inflate
from dicom.jpeg12 import PRECISION as JPEG12_PRECISION
from dicom.jpeg12 import Jpeg12Error, decode_jpeg12
from dicom.syntax import (
    DEFLATED_IMAGE_FRAME,
    ENCAPSULATED_UNCOMPRESSED,
    EXPLICIT_VR_LITTLE_ENDIAN,
    RLE_LOSSLESS,
)

LARGEST_VALUE: Final = 2**32 - 2
"""Bytes that a native Pixel Data value can have (PS3.5 7.1.1)."""

_AS_STORED: Final[dict[str, Any]] = {"as_rgb": False}
"""No change of colour space."""

_FULLY_SAMPLED: Final = {"YBR_FULL_422": "YBR_FULL", "YBR_PARTIAL_420": "YBR_FULL"}
"""Decoders interpolate subsampled chrominance: every pixel has all its samples then."""

_SEQUENCE_DELIMITER: Final = b"\xfe\xff\xdd\xe0"
_UNWRAPPED: Final = frozenset({DEFLATED_IMAGE_FRAME, ENCAPSULATED_UNCOMPRESSED})
_JPEG_BASELINE: Final = "1.2.840.10008.1.2.4.50"
_JPEG_EXTENDED: Final = "1.2.840.10008.1.2.4.51"
_SPECTRAL_SELECTION: Final = "1.2.840.10008.1.2.4.53"
_FULL_PROGRESSION: Final = "1.2.840.10008.1.2.4.55"

_JPEG_DCT: Final = frozenset({_JPEG_EXTENDED, _SPECTRAL_SELECTION, _FULL_PROGRESSION})
"""JPEG processes of 8 or 12 bits; 8-bit streams of all of them are read by a Baseline decoder."""


class PixelFault(Exception):
    """Encapsulated Pixel Data can't be decoded."""


class NoDecoder(Exception):
    """No decoder is installed for a transfer syntax."""


@dataclass(frozen=True, slots=True)
class DecodedPixels:
    """Native Pixel Data and the attributes that describe them (PS3.3 C.7.6.3)."""

    value: bytes
    bits_allocated: int
    photometric_interpretation: str
    planar_configuration: int | None
    """None for one sample per pixel."""


@dataclass(frozen=True, slots=True)
class _Image:
    """The attributes that decoding needs, checked."""

    attributes: Dataset
    rows: int
    columns: int
    samples: int
    bits_allocated: int
    frames: int

    @property
    def frame_bits(self) -> int:
        return self.rows * self.columns * self.samples * self.bits_allocated

    @property
    def frame_bytes(self) -> int:
        return (self.frame_bits + 7) // 8


def decode_pixels(head: memoryview, fragments: memoryview, transfer_syntax: str) -> DecodedPixels:
    """Decode all frames, without any change of colour space.

    Args:
        head: the dataset before its Pixel Data, explicit VR little endian.
        fragments: the encapsulated value: items, and a sequence delimiter.
        transfer_syntax: UID of the compression.

    Raises:
        NoDecoder: nothing installed decodes it.
        PixelFault: attributes are missing or too large, or the frames can't be decoded.
    """
    image = _read_image(read_attributes(head, EXPLICIT_VR_LITTLE_ENDIAN))
    value = bytes(fragments)
    if value[-8:-4] == _SEQUENCE_DELIMITER:
        value = value[:-8]
    if transfer_syntax in _UNWRAPPED:
        return _unwrap(image, value, transfer_syntax)
    decoder = _decoder(transfer_syntax)
    if image.bits_allocated == 1 and transfer_syntax == RLE_LOSSLESS:
        return _decode_bits(image, value, decoder)
    header = _check_codestreams(image, value)
    if header and header.precision == JPEG12_PRECISION and transfer_syntax in _JPEG_DCT:
        return _decode_jpeg12(image, value, transfer_syntax)
    return _decode(image, value, decoder)


def _read_image(attributes: Dataset) -> _Image:
    image = _Image(
        attributes,
        rows=_number(attributes, "Rows"),
        columns=_number(attributes, "Columns"),
        samples=_number(attributes, "SamplesPerPixel"),
        bits_allocated=_number(attributes, "BitsAllocated"),
        frames=_number(attributes, "NumberOfFrames", default=1),
    )
    if image.frame_bytes * image.frames > LARGEST_VALUE:
        raise PixelFault("Pixel Data would be longer than 2^32 - 2 bytes when uncompressed")
    return image


def _number(attributes: Dataset, keyword: str, default: int = 0) -> int:
    value = attributes.get(keyword)
    number = value if isinstance(value, int) else default
    if number < 1:
        raise PixelFault(f"{keyword} is missing or not a positive number")
    return int(number)


def _frames(image: _Image, value: bytes) -> Iterator[bytes]:
    try:
        yield from generate_frames(value, number_of_frames=image.frames)
    except (ValueError, IndexError) as error:
        raise PixelFault(f"fragments of Pixel Data are malformed: {error}") from error


def _check_codestreams(image: _Image, value: bytes) -> CodestreamHeader | None:
    """Refuse frames of another size than the dataset says, before a decoder allocates for them."""
    header = None
    for frame in _frames(image, value):
        header = read_codestream_header(frame)
        if header and (header.rows, header.columns) != (image.rows, image.columns):
            raise PixelFault(
                f"a frame of {header.rows} by {header.columns} in an image of "
                f"{image.rows} by {image.columns}"
            )
    return header


def _decoder(transfer_syntax: str) -> Decoder:
    decoded_as = _JPEG_BASELINE if transfer_syntax in _JPEG_DCT else transfer_syntax
    try:
        decoder = get_decoder(UID(decoded_as))
    except NotImplementedError:
        raise NoDecoder(f"no decoder for transfer syntax {transfer_syntax}") from None
    if not decoder.is_available:
        raise NoDecoder(f"no decoder installed for transfer syntax {transfer_syntax}")
    return decoder


def _decode(image: _Image, value: bytes, decoder: Decoder) -> DecodedPixels:
    source = image.attributes
    source["PixelData"] = DataElement(PIXEL_DATA, "OB", value, is_undefined_length=True)
    source.file_meta = FileMetaDataset()
    source.file_meta.TransferSyntaxUID = decoder.UID
    try:
        # Not iter_array: it fails to correct signs, on read-only arrays (pydicom 3.0).
        pixels, described = decoder.as_array(source, **_AS_STORED)
    except (ValueError, RuntimeError, AttributeError, NotImplementedError, TypeError) as error:
        raise PixelFault("frames can't be decoded") from error
    photometric = str(described["photometric_interpretation"])
    return DecodedPixels(
        value=pixels.tobytes(),
        bits_allocated=8 * pixels.itemsize,
        photometric_interpretation=_FULLY_SAMPLED.get(photometric, photometric),
        planar_configuration=int(described["planar_configuration"]) if image.samples > 1 else None,
    )


def _decode_bits(image: _Image, value: bytes, decoder: Decoder) -> DecodedPixels:
    """Decode packed 1-bit frames as rows of bytes, which is what RLE compressed (PS3.5 G.2)."""
    packed = copy(image.attributes)
    packed.Rows, packed.Columns = 1, image.frame_bytes
    packed.BitsAllocated = packed.BitsStored = 8
    packed.HighBit = 7
    as_bytes = replace(
        image, attributes=packed, rows=1, columns=image.frame_bytes, bits_allocated=8
    )
    decoded = _decode(as_bytes, value, decoder)
    starts = range(0, len(decoded.value), image.frame_bytes)
    frames = [decoded.value[start : start + image.frame_bytes] for start in starts]
    return replace(decoded, value=_joined(image, frames), bits_allocated=1)


def _decode_jpeg12(image: _Image, value: bytes, transfer_syntax: str) -> DecodedPixels:
    if image.samples != 1 or image.bits_allocated != 16:
        raise NoDecoder("no decoder for 12-bit JPEG in colour")

    def decode(frame: bytes) -> bytes:
        header = read_codestream_header(frame)
        if header is None or header.precision != JPEG12_PRECISION:
            raise Jpeg12Error("a frame is no 12-bit JPEG")
        return decode_jpeg12(frame, header, transfer_syntax)

    return _decode_alike(image, value, decode)


def _unwrap(image: _Image, value: bytes, transfer_syntax: str) -> DecodedPixels:
    """Take native frames out of their fragments, deflated or as they are."""

    def unwrap(fragment: bytes) -> bytes:
        if transfer_syntax == DEFLATED_IMAGE_FRAME:
            fragment = inflate(fragment, image.frame_bytes + 1)  # PS3.5 8.2: padded to even length
        if len(fragment) < image.frame_bytes:
            raise InflateError("a frame holds fewer bytes than its image has")
        return fragment[: image.frame_bytes]

    return _decode_alike(image, value, unwrap)


def _decode_alike(image: _Image, value: bytes, decode: Callable[[bytes], bytes]) -> DecodedPixels:
    """Decode frames to what the attributes already describe."""
    try:
        frames = [decode(frame) for frame in _frames(image, value)]
    except (InflateError, Jpeg12Error) as error:
        raise PixelFault(str(error)) from error
    planar = image.attributes.get("PlanarConfiguration", 0)
    return DecodedPixels(
        value=_joined(image, frames),
        bits_allocated=image.bits_allocated,
        photometric_interpretation=str(image.attributes.get("PhotometricInterpretation", "")),
        planar_configuration=int(planar) if image.samples > 1 else None,
    )


def _joined(image: _Image, frames: list[bytes]) -> bytes:
    if len(frames) != image.frames:
        raise PixelFault(f"{len(frames)} frames in an image of {image.frames}")
    if image.frame_bits % 8 == 0:
        return b"".join(frames)
    return _joined_bits(frames, image.frame_bits)


def _joined_bits(frames: Iterable[bytes], frame_bits: int) -> bytes:
    """Pack 1-bit frames without gaps: native frames needn't start on a byte (PS3.5 8.1.1)."""
    bits = [
        np.unpackbits(np.frombuffer(frame, np.uint8), count=frame_bits, bitorder="little")
        for frame in frames
    ]
    return np.packbits(np.concatenate(bits), bitorder="little").tobytes()
