"""Lossless image codec: arrays in, bytes out, and back."""

import codec.stamp
import codec.vectors  # noqa: F401 - both before any compiled function is defined
from codec.analyse import Hints
from codec.errors import (
    ChecksumError,
    CodecError,
    FrameError,
    MissingReferenceError,
    StreamError,
    UnknownMethodError,
    UnknownPredictorError,
)
from codec.frame import decode_frame, encode_frame, refers_to_the_frame_before
from codec.general import decode_general, encode_general
from codec.predictor import Predictor
from codec.referring import Referring

__all__ = [
    "ChecksumError",
    "CodecError",
    "FrameError",
    "Hints",
    "MissingReferenceError",
    "Predictor",
    "Referring",
    "StreamError",
    "UnknownMethodError",
    "UnknownPredictorError",
    "decode_frame",
    "decode_general",
    "encode_frame",
    "encode_general",
    "refers_to_the_frame_before",
]
