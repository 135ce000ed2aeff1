"""Value representations: their framing, their words and their place in the data dictionary.

PS3.5 6.2 and 7.1.2, PS3.6 chapter 6.
"""

from __future__ import annotations

from typing import Final

from pydicom.datadict import dictionary_VR as pydicom_dictionary_vr

SHORT_VRS: Final = frozenset(
    b"AE AS AT CS DA DS DT FL FD IS LO LT PN SH SL SS ST TM UI UL US".split()
)
"""VRs with a 16-bit length in explicit VR encodings (PS3.5 Table 7.1-2)."""

LONG_VRS: Final = frozenset(b"OB OD OF OL OV OW SQ SV UC UN UR UT UV".split())
"""VRs with two reserved bytes and a 32-bit length (PS3.5 Table 7.1-1)."""

KNOWN_VRS: Final = SHORT_VRS | LONG_VRS

WORD_SIZES: Final = {
    **dict.fromkeys(b"AT OW SS US".split(), 2),
    **dict.fromkeys(b"FL OF OL SL UL".split(), 4),
    **dict.fromkeys(b"FD OD OV SV UV".split(), 8),
}
"""Bytes in one word of the VRs that byte order applies to (PS3.5 7.3)."""

TEXT_VRS: Final = frozenset(b"AE AS CS DA DS DT IS LO LT PN SH ST TM UC UI UR UT".split())
"""VRs whose values are characters (PS3.5 6.2)."""


def dictionary_vr(tag: int, *, signed: bool = False) -> bytes:
    """Look the VR of a tag up, as implicit VR little endian needs it (PS3.5 A.1).

    Where the dictionary leaves a choice, words are OW, and numbers US, or SS if ``signed``
    (Pixel Representation is 1). Private and unknown tags are UN.
    """
    if tag & 0xFFFF == 0:
        return b"UL"  # group length (PS3.5 7.2)
    if tag >> 16 & 1:
        return b"LO" if 0x10 <= tag & 0xFFFF <= 0xFF else b"UN"  # private creator (PS3.5 7.8.1)
    try:
        vr = pydicom_dictionary_vr(tag).encode("ascii")
    except KeyError:
        return b"UN"
    if b"OW" in vr:
        return b"OW"
    if vr == b"US or SS":
        return b"SS" if signed else b"US"
    return vr
