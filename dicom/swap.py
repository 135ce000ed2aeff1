"""Swap the bytes of values between big and little endian, word by word as their VR says."""

from __future__ import annotations

import numpy as np

from dicom.elements import Buffer
from dicom.vr import WORD_SIZES


def swap_words(vr: bytes, value: Buffer) -> bytes:
    """Reverse the bytes of every word of a value (PS3.5 7.3).

    OW and AT are 16-bit words, whatever the pixels are made of; texts, OB and UN have no words and
    stay. Bytes of an incomplete last word stay too.
    """
    size = WORD_SIZES.get(vr)
    if size is None:
        return bytes(value)
    whole = len(value) - len(value) % size
    words = np.frombuffer(value[:whole], dtype=f"u{size}")
    return words.byteswap().tobytes() + bytes(value[whole:])
