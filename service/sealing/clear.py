"""The clear beginning of an object: what any DICOM toolkit reads without a key.

docs/format.md, "Clear elements", has the table. Every byte from the preamble to the last clear
element is bound to every sealed part by its SHA-256.
"""

from __future__ import annotations

import hashlib
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from struct import Struct
from typing import BinaryIO, Final

from pydicom.dataset import Dataset

from dicom.cut import FrameLayout
from dicom.elements import EXPLICIT_LITTLE, read_header
from dicom.elements import Truncated as Cut
from dicom.syntax import IMPLEMENTATION_UID, RADIOLITH_SYNTAX
from service.errors import Altered, Truncated, Undecodable
from service.keys.derivation import CHECK_BYTES, SALT_BYTES, SealingKey
from service.records import ID_BYTES

FORMAT_VERSION: Final = 1
CREATOR: Final = "RADIOLITH 1"

HEADER_CHUNKS: Final = range(0x1071_1010, 0x1071_1020)
BODY_CHUNKS: Final = range(0x1071_1020, 0x1071_1100)

_START: Final = bytes(128) + b"DICM"
_UID: Final = re.compile("[0-9.]{0,64}")
_LARGEST_CLEAR: Final = 1 << 14

_LONG: Final = Struct("<HH2s2xI")
_SHORT: Final = Struct("<HH2sH")
_KEY_FIELDS: Final = Struct(f"{ID_BYTES}s{SALT_BYTES}s{CHECK_BYTES}s")
_LONG_VRS: Final = frozenset({"OB", "OV"})

_GROUP_LENGTH: Final = 0x0002_0000
_META_VERSION: Final = 0x0002_0001
_MEDIA_CLASS: Final = 0x0002_0002
_MEDIA_INSTANCE: Final = 0x0002_0003
_SYNTAX: Final = 0x0002_0010
_IMPLEMENTATION: Final = 0x0002_0012
_SOP_CLASS: Final = 0x0008_0016
_SOP_INSTANCE: Final = 0x0008_0018
_CREATOR: Final = 0x1071_0010
_FORMAT: Final = 0x1071_1001
_OBJECT_ID: Final = 0x1071_1002
_KEY: Final = 0x1071_1003
_MODEL: Final = 0x1071_1004
_DICTIONARY: Final = 0x1071_1005

_PIXEL_TAGS: Final = {
    0x0028_0002: ("US", "SamplesPerPixel"),
    0x0028_0004: ("CS", "PhotometricInterpretation"),
    0x0028_0006: ("US", "PlanarConfiguration"),
    0x0028_0008: ("IS", "NumberOfFrames"),
    0x0028_0010: ("US", "Rows"),
    0x0028_0011: ("US", "Columns"),
    0x0028_0100: ("US", "BitsAllocated"),
    0x0028_0101: ("US", "BitsStored"),
    0x0028_0102: ("US", "HighBit"),
    0x0028_0103: ("US", "PixelRepresentation"),
}


@dataclass(frozen=True, slots=True)
class Clear:
    """What an object tells without its key. UIDs are as :func:`clear_uid` gives them."""

    sop_class_uid: str
    sop_instance_uid: str
    object_id: bytes
    key_id: bytes
    salt: bytes
    check: bytes
    dictionary: int
    """Which dictionary the sealed header is compressed with."""
    model: bytes | None
    """Digest of the model that the frames need."""
    digest: bytes
    """SHA-256 of the clear bytes."""
    size: int
    """Bytes of the clear beginning."""


def clear_uid(uid: str) -> str:
    """Give the UID as it stands in the clear: itself, or a surrogate where that cannot stand there.

    At most 64 digits and dots can (PS3.5 9.1): what a faulty writer puts there may be a name.
    The length bounds the size of an object. The surrogate is a UUID-derived UID (PS3.5 B.2) made of
    the UID's SHA-256; the UID itself is sealed.
    """
    if _UID.fullmatch(uid):
        return uid
    digest = hashlib.sha256(uid.encode("utf-8", "surrogatepass")).digest()
    return f"2.25.{uuid.UUID(bytes=digest[:16], version=5).int}"


def describe_pixels(attributes: Dataset, layout: FrameLayout | None) -> dict[int, str | int]:
    """Collect the pixel description that stands in the clear: what is there and well-formed.

    The layout of coded frames wins over the attributes that it was read from.
    """
    values: dict[str, str | int] = {}
    for vr, keyword in _PIXEL_TAGS.values():
        value = attributes.get(keyword)
        if vr == "CS" and isinstance(value, str) and re.fullmatch("[A-Z0-9_ ]{1,16}", value):
            values[keyword] = value
        elif vr != "CS" and isinstance(value, int) and 0 <= value < 1 << 16:
            values[keyword] = int(value)
    if layout is not None:
        values |= _describe_layout(layout)
    if values.get("NumberOfFrames") == 1:
        del values["NumberOfFrames"]
    return {tag: values[word] for tag, (_, word) in _PIXEL_TAGS.items() if word in values}


def _describe_layout(layout: FrameLayout) -> dict[str, int]:
    return {
        "SamplesPerPixel": 1,
        "NumberOfFrames": layout.frames,
        "Rows": layout.rows,
        "Columns": layout.columns,
        "BitsAllocated": 8 * layout.word,
        "BitsStored": layout.bits_stored,
        "HighBit": layout.high_bit,
        "PixelRepresentation": int(layout.signed),
    }


def element(tag: int, vr: str, value: bytes) -> bytes:
    """Encode one element in explicit VR little endian, padded to even length with a zero byte."""
    value += bytes(len(value) % 2)
    form = _LONG if vr in _LONG_VRS else _SHORT
    return form.pack(tag >> 16, tag & 0xFFFF, vr.encode("ascii"), len(value)) + value


def write_clear(
    uids: tuple[str, str],
    pixels: Mapping[int, str | int],
    object_id: bytes,
    key: SealingKey,
    dictionary: int,
    model: bytes | None,
) -> bytes:
    """Encode the clear beginning of an object, from the preamble to the last clear element.

    Args:
        uids: SOP Class UID and SOP Instance UID.
        pixels: as :func:`describe_pixels` gives it; empty where there is no Pixel Data.
        object_id: names the object.
        key: the object's key.
        dictionary: number of the dictionary that the sealed header is compressed with.
        model: digest of the model that the frames need, if there are coded frames.
    """
    sop_class, sop_instance = (clear_uid(uid).encode("latin-1") for uid in uids)
    meta = b"".join(
        (
            element(_META_VERSION, "OB", b"\0\1"),
            element(_MEDIA_CLASS, "UI", sop_class),
            element(_MEDIA_INSTANCE, "UI", sop_instance),
            element(_SYNTAX, "UI", RADIOLITH_SYNTAX.encode("ascii")),
            element(_IMPLEMENTATION, "UI", IMPLEMENTATION_UID.encode("ascii")),
        )
    )
    dataset = (
        element(_SOP_CLASS, "UI", sop_class),
        element(_SOP_INSTANCE, "UI", sop_instance),
        *(_pixel_element(tag, value) for tag, value in pixels.items()),
        element(_CREATOR, "LO", CREATOR.encode("ascii") + b" "),
        element(_FORMAT, "US", FORMAT_VERSION.to_bytes(2, "little")),
        element(_OBJECT_ID, "OB", object_id),
        element(_KEY, "OB", key.key_id + key.salt + key.check),
        b"" if model is None else element(_MODEL, "OB", model),
        element(_DICTIONARY, "US", dictionary.to_bytes(2, "little")),
    )
    group_length = element(_GROUP_LENGTH, "UL", len(meta).to_bytes(4, "little"))
    return b"".join((_START, group_length, meta, *dataset))


def _pixel_element(tag: int, value: str | int) -> bytes:
    if isinstance(value, int) and _PIXEL_TAGS[tag][0] == "US":
        return element(tag, "US", value.to_bytes(2, "little"))
    text = str(value)
    return element(tag, _PIXEL_TAGS[tag][0], (text + " " * (len(text) % 2)).encode("ascii"))


def read_clear(file: BinaryIO) -> Clear:
    """Read the clear beginning of the object at the file's start.

    Raises:
        Truncated: the file ends inside it.
        Undecodable: it is no object of this format version.
        Altered: its clear elements are damaged.
    """
    data = file.read(_LARGEST_CLEAR)
    if len(data) < len(_START):
        raise Truncated("the object ends inside its preamble")
    if data[: len(_START)] != _START:
        raise Altered("preamble or DICM prefix of the object")
    try:
        values, end = _read_elements(data)
    except Cut as cut:
        if len(data) < _LARGEST_CLEAR:
            raise Truncated("the object ends inside its clear elements") from cut
        raise Altered("the clear elements of the object do not end") from cut
    return _to_clear(values, data[:end])


def _read_elements(data: bytes) -> tuple[dict[int, bytes], int]:
    values: dict[int, bytes] = {}
    offset = len(_START)
    while True:
        header = read_header(data, offset, EXPLICIT_LITTLE)
        if header.tag == HEADER_CHUNKS.start:
            return values, offset
        if values and header.tag <= max(values):
            raise Altered(f"the clear elements of the object, at byte {offset}")
        offset = header.value + header.length
        if offset > len(data):
            raise Cut(offset)
        values[header.tag] = data[header.value : offset]


def _to_clear(values: Mapping[int, bytes], clear: bytes) -> Clear:
    syntax = values.get(_SYNTAX, b"").rstrip(b"\0")
    version = int.from_bytes(values.get(_FORMAT, b""), "little")
    if syntax != RADIOLITH_SYNTAX.encode("ascii") or version != FORMAT_VERSION:
        raise Undecodable(f"not an object of format version {FORMAT_VERSION}")
    key_id, salt, check = _KEY_FIELDS.unpack(_field(values, _KEY, _KEY_FIELDS.size))
    return Clear(
        sop_class_uid=_text(values, _SOP_CLASS),
        sop_instance_uid=_text(values, _SOP_INSTANCE),
        object_id=_field(values, _OBJECT_ID, ID_BYTES),
        key_id=key_id,
        salt=salt,
        check=check,
        dictionary=int.from_bytes(_field(values, _DICTIONARY, 2), "little"),
        model=values.get(_MODEL),
        digest=hashlib.sha256(clear).digest(),
        size=len(clear),
    )


def _field(values: Mapping[int, bytes], tag: int, length: int) -> bytes:
    value = values.get(tag, b"")
    if len(value) != length:
        raise Altered(f"clear element ({tag >> 16:04X},{tag & 0xFFFF:04X}) of the object")
    return value


def _text(values: Mapping[int, bytes], tag: int) -> str:
    return values.get(tag, b"").decode("latin-1").rstrip("\0")
