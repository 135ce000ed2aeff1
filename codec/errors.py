"""What can go wrong with a coded stream. Every decoding fault is a :class:`CodecError`."""

from __future__ import annotations


class CodecError(Exception):
    """A stream that cannot be decoded; the base of every error this package raises on data."""


class StreamError(CodecError):
    """The stream is truncated, altered or was never written by this codec."""


class ChecksumError(StreamError):
    """The stream decodes, but not to the words whose checksum it carries."""


class UnknownMethodError(CodecError):
    """The stream names a coding method that this version does not know."""


class UnknownPredictorError(CodecError):
    """The stream was coded with a predictor that was not handed in."""


class MissingReferenceError(CodecError):
    """The stream refers to the frame before, which was not handed in or is of another shape."""


class FrameError(CodecError):
    """The frame asked for does not fit what the stream holds (shape, word size)."""
