"""Transfer syntaxes: what each one means for the bytes of a dataset.

PS3.5 Annex A, PS3.6 Annex A.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

RADIOLITH_SYNTAX: Final = "2.25.211984820031708903350228048561969067944"
"""The private transfer syntax of stored objects (docs/format.md): a random UUID (PS3.5 B.2)."""

IMPLEMENTATION_UID: Final = "2.25.2780452342049824956421453097370346366"
"""Implementation Class UID (PS3.7 D.3.3.2)."""

IMPLEMENTATION_VERSION: Final = "RADIOLITH_1"
"""Implementation Version Name, at most 16 characters (PS3.7 D.3.3.2)."""

IMPLICIT_VR_LITTLE_ENDIAN: Final = "1.2.840.10008.1.2"
EXPLICIT_VR_LITTLE_ENDIAN: Final = "1.2.840.10008.1.2.1"
DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN: Final = "1.2.840.10008.1.2.1.99"
EXPLICIT_VR_BIG_ENDIAN: Final = "1.2.840.10008.1.2.2"
ENCAPSULATED_UNCOMPRESSED: Final = "1.2.840.10008.1.2.1.98"
RLE_LOSSLESS: Final = "1.2.840.10008.1.2.5"
DEFLATED_IMAGE_FRAME: Final = "1.2.840.10008.1.2.8.1"


@dataclass(frozen=True, slots=True)
class TransferSyntax:
    """What a transfer syntax says about a dataset's bytes."""

    uid: str
    is_explicit: bool = True
    is_little: bool = True
    is_deflated: bool = False
    """The dataset as a whole is one deflate stream."""
    is_encapsulated: bool = True
    """Pixel Data is a sequence of fragments."""
    is_lossless: bool = False
    """Nothing encoded in it can have been approximated by the encoding."""
    is_stored: bool = True
    """This archive accepts it: a dataset in it is complete, and a DIMSE message can carry it."""

    @property
    def is_native(self) -> bool:
        """Whether Pixel Data are plain words at a place that the element headers tell."""
        return not (self.is_encapsulated or self.is_deflated)


def _native(uid: str, *, explicit: bool = True, little: bool = True) -> TransferSyntax:
    return TransferSyntax(uid, explicit, little, is_encapsulated=False, is_lossless=True)


_JPEG = "1.2.840.10008.1.2.4."

_LOSSLESS = (
    *(f"{_JPEG}{n}" for n in (57, 58, 65, 66, 70)),  # JPEG processes 14, 15, 28, 29
    f"{_JPEG}80",  # JPEG-LS
    *(f"{_JPEG}{n}" for n in (90, 92)),  # JPEG 2000, parts 1 and 2
    *(f"{_JPEG}{n}" for n in (201, 202)),  # High-Throughput JPEG 2000
    f"{_JPEG}110",  # JPEG XL
    RLE_LOSSLESS,
    ENCAPSULATED_UNCOMPRESSED,
    DEFLATED_IMAGE_FRAME,
)

_LOSSY = (
    *(f"{_JPEG}{n}" for n in range(50, 57)),  # JPEG processes 1 to 13
    *(f"{_JPEG}{n}" for n in range(59, 65)),  # hierarchical JPEG, processes 16 to 27
    f"{_JPEG}81",  # JPEG-LS near-lossless
    *(f"{_JPEG}{n}" for n in (91, 93)),  # JPEG 2000, parts 1 and 2
    f"{_JPEG}203",  # High-Throughput JPEG 2000
    *(f"{_JPEG}{n}" for n in (111, 112)),  # JPEG XL: JPEG recompression, and general
    *(f"{_JPEG}{n}" for n in range(100, 109)),  # MPEG-2, MPEG-4, HEVC
    *(f"{_JPEG}{n}.1" for n in range(100, 107)),  # their fragmentable forms
)

_NOT_STORED = (
    *(f"{_JPEG}{n}" for n in (94, 95, 204, 205)),  # JPIP: pixels are elsewhere
    *(f"1.2.840.10008.1.2.7.{n}" for n in (1, 2, 3)),  # SMPTE ST 2110: a live stream
    *(f"1.2.840.10008.1.2.6.{n}" for n in (1, 2)),  # MIME and XML, retired: no DICOM encoding
)

TRANSFER_SYNTAXES: Final = {
    syntax.uid: syntax
    for syntax in (
        _native(EXPLICIT_VR_LITTLE_ENDIAN),
        _native(IMPLICIT_VR_LITTLE_ENDIAN, explicit=False),
        _native(EXPLICIT_VR_BIG_ENDIAN, little=False),
        _native("1.2.840.10008.1.20", explicit=False),  # Papyrus 3, retired
        TransferSyntax(
            DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
            is_deflated=True,
            is_encapsulated=False,
            is_lossless=True,
        ),
        *(TransferSyntax(uid, is_lossless=True) for uid in _LOSSLESS),
        *(TransferSyntax(uid) for uid in _LOSSY),
        *(TransferSyntax(uid, is_stored=False) for uid in _NOT_STORED),
    )
}
"""Every transfer syntax of PS3.6 Table A-1, by UID."""

STORED_SYNTAXES: Final = tuple(uid for uid, syntax in TRANSFER_SYNTAXES.items() if syntax.is_stored)
"""The UIDs that this archive accepts, as an acceptor of C-STORE."""


def encoding(uid: str) -> TransferSyntax:
    """Look a transfer syntax up; an unknown one is taken as encapsulated explicit VR little endian.

    That is what PS3.5 A.4 asks of every compressed syntax; nothing is cut out of such a dataset.
    """
    return TRANSFER_SYNTAXES.get(uid) or TransferSyntax(uid)
