"""Between the bytes of a Pixel Data value and the words of a frame."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from codec import Hints
from dicom.cut import FrameLayout
from service.sealing.header import FrameShape
from service.sealing.parts import Buffer

Words = NDArray[np.uint8] | NDArray[np.uint16]


def frame_words(frame: Buffer, shape: FrameShape) -> Words:
    """Take the bytes of one frame as allocated words: unsigned, native order, rows x columns.

    8-bit words are a view of ``frame``; 16-bit words too, where the byte order is this machine's.
    """
    words = np.frombuffer(frame, _stored_type(shape)).reshape(shape.rows, shape.columns)
    return words.astype(words.dtype.newbyteorder("="), copy=False)


def frame_bytes(words: Words, shape: FrameShape) -> bytes:
    """Give the bytes that stand for a frame's words in the Pixel Data value."""
    return words.astype(_stored_type(shape), copy=False).tobytes()


def word_type(shape: FrameShape) -> np.dtype[np.generic]:
    """Name the type of the words that :func:`frame_words` gives."""
    return np.dtype(np.uint8 if shape.word == 1 else np.uint16)


def hints(layout: FrameLayout) -> Hints:
    """Tell the codec what the dataset says of its frames."""
    return Hints(
        signed=layout.signed,
        bits_stored=layout.bits_stored,
        high_bit=layout.high_bit,
        padding_value=layout.padding_value,
    )


def _stored_type(shape: FrameShape) -> np.dtype[np.generic]:
    return word_type(shape).newbyteorder(">" if shape.big_endian else "<")
