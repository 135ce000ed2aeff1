"""One frame: words to a stream and back, by whichever method makes it smallest.

A stream's first byte names its method: 0 stored words, 1 the general path, 2 learned, 3 learned
with the frame before as context. Words are little-endian. docs/format-codec.md gives every byte.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from codec.analyse import Hints, analyse, by_differences
from codec.decoding import decode_samples
from codec.differences import Differences, offered
from codec.encoding import encode_samples
from codec.errors import (
    ChecksumError,
    FrameError,
    MissingReferenceError,
    StreamError,
    UnknownMethodError,
    UnknownPredictorError,
)
from codec.fields import FieldReader
from codec.general import decode_general, encode_general, estimate_general
from codec.lattice import MIN_SIDE, Split
from codec.plan import Plan, Words, put_plan, restore, samples_shape, take_plan
from codec.predictor import Predictor
from codec.references import reference_samples
from codec.referring import Referring
from codec.splits import along_both, choose_splits
from codec.tiles import TILED_LEVELS

STORED, GENERAL, LEARNED, REFERENCED = 0, 1, 2, 3
NAME_BYTES = 4
"""Bytes of a predictor's digest that a stream carries."""

CHECKSUM_BYTES = 4
_PROBE_BYTES = 1 << 15
_PROBE_MARGIN = 1.2
"""The general path is tried in full where it comes within this factor of the learned stream on this
many bytes from the frame's middle."""


def encode_frame(
    words: Words,
    predictor: Predictor,
    hints: Hints | None = None,
    references: Sequence[Words] = (),
    referring: Referring | None = None,
) -> bytes:
    """Code one grayscale frame; the stream is at most ``words.nbytes + 1`` long.

    Args:
        words: allocated words as stored in the dataset, uint8 or uint16 of shape (rows, columns).
        predictor: codes the frame; its digest goes into the stream.
        hints: what the dataset says of the frame.
        references: earlier frames of the same object that the decoder will know, the one before
            last. That one is used where it has the frame's shape and type and helps.
        referring: what the object's frames told so far of whether it helps; without it the frame
            is coded both ways.

    Raises:
        FrameError: words are not two-dimensional or not of a word type that this codec knows.
    """
    _check(words.shape, words.dtype)
    candidates = []
    if words.size:
        reference = _before(references, words.shape, words.dtype)
        candidates = _encode_learned(
            words, predictor, hints or Hints(), reference, referring or Referring()
        )
        candidates += _encode_general(words, min(len(c) for c in candidates))
    best = min(candidates, key=len, default=None)
    if best is None or len(best) > 1 + words.nbytes:
        return bytes([STORED]) + _little_endian(words).tobytes()
    return best


def decode_frame(
    stream: bytes,
    shape: tuple[int, int],
    dtype: np.dtype[np.generic] | type[np.generic],
    predictors: Mapping[bytes, Predictor],
    references: Sequence[Words] = (),
) -> Words:
    """The words that :func:`encode_frame` coded, of the shape and type given.

    Raises:
        FrameError: the shape or type is impossible.
        UnknownPredictorError: the stream's predictor is not among ``predictors``.
        MissingReferenceError: the stream refers to the frame before, which is not the last of
            ``references``, or of another shape.
        ChecksumError: the stream was altered.
        StreamError: it is truncated, altered or of another frame.
    """
    word = np.dtype(dtype)
    _check(shape, word)
    if not stream:
        raise StreamError("an empty stream holds not even a method")
    method, body = stream[0], bytes(stream[1:])
    if method == STORED:
        return _from_bytes(body, shape, word)
    if method == GENERAL:
        return _decode_general(body, shape, word)
    if method == LEARNED:
        return _decode_learned(body, shape, word, predictors, None)
    if method == REFERENCED:
        reference = _before(references, shape, word)
        if reference is None:
            raise MissingReferenceError("the stream refers to the frame before it")
        return _decode_learned(body, shape, word, predictors, reference)
    raise UnknownMethodError(f"frame method {method}")


def _check(shape: Sequence[int], dtype: np.dtype[np.generic]) -> None:
    if len(shape) != 2 or min(shape) < 0:
        raise FrameError(f"a frame has rows and columns, not the shape {tuple(shape)}")
    if dtype not in (np.uint8, np.uint16):
        raise FrameError(f"a frame's words are uint8 or uint16, not {dtype}")


def _little_endian(words: Words) -> NDArray[np.generic]:
    """The words as they are in a dataset, in one piece: a copy only where they are not so yet."""
    return np.ascontiguousarray(words, words.dtype.newbyteorder("<"))


def _from_bytes(data: bytes, shape: tuple[int, int], dtype: np.dtype[np.generic]) -> Words:
    if len(data) != shape[0] * shape[1] * dtype.itemsize:
        raise StreamError(f"{len(data)} bytes for a frame of {shape[0]} x {shape[1]} {dtype} words")
    words: NDArray[np.generic] = np.frombuffer(data, dtype.newbyteorder("<")).reshape(shape)
    return words.astype(dtype)


def refers_to_the_frame_before(stream: bytes) -> bool:
    """Whether a stream decodes only with the frame before it."""
    return stream[:1] == bytes([REFERENCED])


def _before(
    references: Sequence[Words], shape: tuple[int, ...], dtype: np.dtype[np.generic]
) -> Words | None:
    """The frame before, if it is known and alike."""
    if references and references[-1].shape == shape and references[-1].dtype == dtype:
        return references[-1]
    return None


def _encode_learned(
    words: Words,
    predictor: Predictor,
    hints: Hints,
    reference: Words | None,
    referring: Referring,
) -> list[bytes]:
    """The learned streams worth comparing: alone, with the frame before, and as axes are unlike."""
    plan, samples = analyse(words, hints)
    name = predictor.digest[:NAME_BYTES] + _checksum(words)
    head = name + put_plan(plan)
    if plan.span.limit == 0:
        return [bytes([LEARNED]) + head]
    before: NDArray[np.int32] | None = None
    ways: tuple[bool, ...] = (False,)
    if reference is not None and min(samples.shape) >= MIN_SIDE:
        before = reference_samples(plan, reference)
        ways = referring.ways(samples, before)
    splits, streams = choose_splits(samples), []
    for refers in ways:
        coded = encode_samples(samples, plan.span, predictor, before if refers else None, splits)
        streams.append(bytes([REFERENCED if refers else LEARNED]) + head + coded)
    if len(ways) == 2:
        referring.learn(8 * (len(streams[0]) - len(streams[1])) / samples.size)
    if any(split != Split.BOTH for split in splits[:TILED_LEVELS]):
        to_beat = min(len(stream) for stream in streams)
        streams += _of_unlike_axes(plan, samples, name, predictor, splits, to_beat)
    return streams


def _of_unlike_axes(
    plan: Plan,
    samples: NDArray[np.int32],
    name: bytes,
    predictor: Predictor,
    splits: list[Split],
    to_beat: int,
) -> list[bytes]:
    """Streams of an image that is halved along one axis first: by differences, if those help.

    Else along both axes after all: only then may there be classes, which the splits do not know.
    """
    axis = offered(splits)
    if axis != Differences.NONE:
        changing, changes = by_differences(plan, samples, axis)
        coded = encode_samples(changes, changing.span, predictor)
        stream = bytes([LEARNED]) + name + put_plan(changing) + coded
        if len(stream) < to_beat:
            return [stream]
    both = along_both((samples.shape[0], samples.shape[1]))
    coded = encode_samples(samples, plan.span, predictor, None, both)
    return [bytes([LEARNED]) + name + put_plan(plan) + coded]


def _encode_general(words: Words, to_beat: int) -> list[bytes]:
    """The general stream, if it has a chance to be the smallest."""
    data = _little_endian(words).reshape(-1).view(np.uint8).data
    start = max(0, (len(data) - _PROBE_BYTES) // 2) & ~1
    probe = data[start : start + _PROBE_BYTES]
    expected = estimate_general(probe, words.itemsize) * len(data) / len(probe)
    if expected > _PROBE_MARGIN * to_beat:
        return []
    return [bytes([GENERAL]) + _checksum(words) + encode_general(data, words.itemsize)]


def _decode_general(body: bytes, shape: tuple[int, int], dtype: np.dtype[np.generic]) -> Words:
    fields = FieldReader(body)
    checksum = fields.take(CHECKSUM_BYTES)
    data = decode_general(fields.rest(), shape[0] * shape[1] * dtype.itemsize)
    return _verified(_from_bytes(data, shape, dtype), checksum)


def _checksum(words: Words) -> bytes:
    return zlib.crc32(_little_endian(words).data).to_bytes(CHECKSUM_BYTES, "little")


def _verified(words: Words, checksum: bytes) -> Words:
    if _checksum(words) != checksum:
        raise ChecksumError("the decoded words are not those that were coded")
    return words


def _decode_learned(
    body: bytes,
    shape: tuple[int, int],
    dtype: np.dtype[np.generic],
    predictors: Mapping[bytes, Predictor],
    reference: Words | None,
) -> Words:
    fields = FieldReader(body)
    predictor = _find(fields.take(NAME_BYTES), predictors)
    checksum = fields.take(CHECKSUM_BYTES)
    if not shape[0] * shape[1]:
        raise StreamError("a learned stream for an empty frame")
    plan = take_plan(fields, shape, 8 * dtype.itemsize)
    kept = samples_shape(plan, shape)
    if plan.span.limit == 0:
        samples = np.zeros(kept, np.int32)
    else:
        before = None if reference is None else reference_samples(plan, reference)
        samples = decode_samples(fields.rest(), kept, plan.span, predictor, before)
    return _verified(restore(plan, samples, dtype), checksum)


def _find(name: bytes, predictors: Mapping[bytes, Predictor]) -> Predictor:
    for digest, predictor in predictors.items():
        if digest[:NAME_BYTES] == name:
            return predictor
    raise UnknownPredictorError(f"no predictor named {name.hex()} is installed")
