"""DICOM files: what stands before the dataset, taken apart and written (PS3.10 chapter 7)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from dicom.elements import (
    EXPLICIT_BIG,
    EXPLICIT_LITTLE,
    IMPLICIT_LITTLE,
    Buffer,
    Encoding,
    Truncated,
    end_of_value,
    read_header,
    settle,
)
from dicom.syntax import (
    EXPLICIT_VR_BIG_ENDIAN,
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLEMENTATION_UID,
    IMPLEMENTATION_VERSION,
    IMPLICIT_VR_LITTLE_ENDIAN,
)
from dicom.vr import KNOWN_VRS, LONG_VRS

PREAMBLE: Final = 128
MAGIC: Final = b"DICM"
FILE_META_GROUP: Final = 0x0002

_GROUP_LENGTH = 0x0002_0000
_SOP_CLASS = 0x0002_0002
_SOP_INSTANCE = 0x0002_0003
_TRANSFER_SYNTAX = 0x0002_0010

_FIRST_GROUPS = range(0x0004, 0x0030)
"""Groups that a bare dataset starts with: 0008 nearly always, 0004 in a DICOMDIR."""


class NotDicom(ValueError):
    """A file that starts neither with file meta information nor with a dataset."""


@dataclass(frozen=True, slots=True)
class FileHeader:
    """What stands before the dataset of a file: ``raw`` + dataset is the file, byte for byte."""

    raw: bytes
    """Preamble, magic and file meta information as they stand in the file; often all of it."""
    sop_class_uid: str
    """Media Storage SOP Class UID, or an empty text."""
    sop_instance_uid: str
    """Media Storage SOP Instance UID, or an empty text."""
    transfer_syntax: str
    """As the file meta information says, else as the dataset's first element looks."""
    is_complete: bool
    """Whether preamble, SOP class, instance and transfer syntax are all there."""

    @property
    def dataset_offset(self) -> int:
        """Where the dataset starts in the file."""
        return len(self.raw)

    def restore(self, dataset: Buffer) -> bytes:
        """Put the file together again from its dataset."""
        return self.raw + bytes(dataset)


def split_part10(prefix: Buffer) -> FileHeader:
    """Take apart what stands before the dataset, from the file's first bytes.

    Files without preamble, without some or all of the file meta information, or with a wrong group
    length are read too. File meta information takes a few hundred bytes; 64 KiB are plenty.

    Raises:
        NotDicom: neither file meta information nor a dataset starts here.
    """
    start = _meta_offset(prefix)
    end, values = _read_meta(prefix, start)
    transfer_syntax = values.get(_TRANSFER_SYNTAX, "") or _guess_syntax(prefix, end, bool(values))
    sop_class, sop_instance = values.get(_SOP_CLASS, ""), values.get(_SOP_INSTANCE, "")
    has_preamble = start == PREAMBLE + len(MAGIC)
    return FileHeader(
        raw=bytes(prefix[:end]),
        sop_class_uid=sop_class,
        sop_instance_uid=sop_instance,
        transfer_syntax=transfer_syntax,
        is_complete=has_preamble
        and bool(sop_class and sop_instance and values.get(_TRANSFER_SYNTAX)),
    )


def _meta_offset(prefix: Buffer) -> int:
    for offset in (PREAMBLE, 0):
        if bytes(prefix[offset : offset + len(MAGIC)]) == MAGIC:
            return offset + len(MAGIC)
    return 0


def _read_meta(prefix: Buffer, offset: int) -> tuple[int, dict[int, str]]:
    """Read group 0002 as it stands; its declared group length is often wrong."""
    values: dict[int, str] = {}
    encoding = _meta_encoding(prefix, offset)
    try:
        while True:
            header = read_header(prefix, offset, encoding)
            end = end_of_value(prefix, header, encoding)
            if header.tag >> 16 != FILE_META_GROUP:
                return offset, values
            if end > len(prefix):
                raise NotDicom("file meta information reaches beyond the file's first bytes")
            values[header.tag] = _uid_text(prefix[header.value : end])
            offset = end
    except Truncated:
        return offset, values


def _meta_encoding(prefix: Buffer, offset: int) -> Encoding:
    """Explicit VR little endian (PS3.10 7.1), but some writers used implicit VR here too."""
    return settle(prefix, offset, IMPLICIT_LITTLE)


def _uid_text(value: Buffer) -> str:
    return bytes(value).decode("latin-1").strip(" \0")


def _guess_syntax(prefix: Buffer, offset: int, has_meta: bool) -> str:
    """Tell an uncompressed transfer syntax from the first elements of a dataset."""
    for encoding, uid in (
        (EXPLICIT_LITTLE, EXPLICIT_VR_LITTLE_ENDIAN),
        (EXPLICIT_BIG, EXPLICIT_VR_BIG_ENDIAN),
        (IMPLICIT_LITTLE, IMPLICIT_VR_LITTLE_ENDIAN),
    ):
        if _starts_dataset(prefix, offset, encoding):
            return uid
    if has_meta:  # proof enough that this is DICOM, whose default is (PS3.5 10.1)
        return IMPLICIT_VR_LITTLE_ENDIAN
    raise NotDicom("no DICOM dataset: neither file meta information nor a first element")


def _starts_dataset(prefix: Buffer, offset: int, encoding: Encoding) -> bool:
    """Whether two elements in a row look right; in implicit VR the first group counts as well."""
    tag = 0
    for _ in range(2):
        try:
            header = read_header(prefix, offset, encoding)
        except Truncated:
            return tag > 0
        offset = header.value + header.length
        if header.tag <= tag or offset > len(prefix):
            return False
        if encoding.explicit and header.vr not in KNOWN_VRS:
            return False
        tag = tag or header.tag
    return encoding.explicit or tag >> 16 in _FIRST_GROUPS


def write_file_meta(
    sop_class_uid: str, sop_instance_uid: str, transfer_syntax: str, private: bytes = b""
) -> bytes:
    """Write preamble, magic and file meta information for a dataset to follow (PS3.10 7.1).

    Args:
        sop_class_uid: Media Storage SOP Class UID.
        sop_instance_uid: Media Storage SOP Instance UID; any text, UIDs aren't judged here.
        transfer_syntax: UID of the dataset's encoding.
        private: encoded elements of group 0002 to follow, explicit VR little endian.
    """
    elements = b"".join(
        (
            _element(0x0001, b"OB", b"\0\1"),
            _element(0x0002, b"UI", _uid_bytes(sop_class_uid)),
            _element(0x0003, b"UI", _uid_bytes(sop_instance_uid)),
            _element(0x0010, b"UI", _uid_bytes(transfer_syntax)),
            _element(0x0012, b"UI", _uid_bytes(IMPLEMENTATION_UID)),
            _element(0x0013, b"SH", _even(IMPLEMENTATION_VERSION.encode("ascii"), b" ")),
            private,
        )
    )
    group_length = _element(0x0000, b"UL", len(elements).to_bytes(4, "little"))
    return bytes(PREAMBLE) + MAGIC + group_length + elements


def _element(element: int, vr: bytes, value: bytes) -> bytes:
    tag = FILE_META_GROUP.to_bytes(2, "little") + element.to_bytes(2, "little")
    if vr in LONG_VRS:
        return tag + vr + b"\0\0" + len(value).to_bytes(4, "little") + value
    return tag + vr + len(value).to_bytes(2, "little") + value


def _uid_bytes(uid: str) -> bytes:
    return _even(uid.encode("latin-1", "replace"), b"\0")


def _even(value: bytes, padding: bytes) -> bytes:
    return value + padding * (len(value) % 2)
