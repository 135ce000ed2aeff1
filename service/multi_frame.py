"""The frames of one object, coded in order: key frames, and frames that need the one before."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import numpy as np

from codec import Hints, Predictor, Referring, decode_frame, encode_frame
from service.sealing.frames import Words
from service.sealing.writer import FrameStream


def encode_frames(
    frames: Iterable[Words], predictor: Predictor, hints: Hints, distance: int
) -> Iterator[FrameStream]:
    """Code frames, each but every ``distance``-th with the one before it to refer to.

    Only those two are in memory. The first after the first key frame is coded both ways, alone and
    referring, and tells what the others do. Raises as :func:`codec.encode_frame` does.
    """
    before: tuple[Words, ...] = ()
    referring = Referring()
    for number, words in enumerate(frames):
        if number % distance == 0:
            before = ()
        stream = encode_frame(words, predictor, hints, before, referring)
        yield FrameStream(stream, bool(before))
        before = (words,)


def decode_frames(
    streams: Iterable[FrameStream],
    shape: tuple[int, int],
    dtype: np.dtype[np.generic],
    predictors: Mapping[bytes, Predictor],
) -> Iterator[Words]:
    """Decode what :func:`encode_frames` gave, in order.

    Raises as :func:`codec.decode_frame` does.
    """
    before: tuple[Words, ...] = ()
    for stream in streams:
        references = before if stream.is_dependent else ()
        words = decode_frame(stream.content, shape, dtype, predictors, references)
        yield words
        before = (words,)
