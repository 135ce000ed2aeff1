"""Fuzzed: the codec's streams, with the shipped models.

A frame's checksum makes a damaged stream fail at its end; so that the way there is walked, nothing
more is asked than the codec's own fault, in bounded time and memory.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import numpy as np
import torch

from codec import CodecError, Predictor, decode_frame, decode_general, encode_frame, encode_general
from codec.frame import LEARNED, NAME_BYTES
from codec.plan import Words
from models import registry
from tests.fuzz.target import Target
from tests.vault.objects import smooth

_LARGEST = 1 << 16
_SHAPES = ((16, 16), (9, 7), (40, 24), (64, 64))
"""Chosen by the first byte of a case, with the type of the words."""


def _general(data: bytes) -> None:
    try:
        decoded = decode_general(data, _LARGEST)
    except CodecError:
        return
    assert len(decoded) <= _LARGEST


def _general_seeds() -> Iterator[bytes]:
    content = smooth(1, 16, 16).tobytes()
    yield from (encode_general(content, unit) for unit in (1, 2, 4))
    yield encode_general(b"\0" * (1 << 20))
    yield b"\0stored"


@cache
def _model() -> Predictor:
    torch.set_num_threads(1)  # Ten times as fast on frames as small as these.
    return registry.default()


def _frame(data: bytes) -> None:
    """With bit 3 of the first byte the model's name is put in, which a mutation hardly hits."""
    if not data:
        return
    stream = data[1:]
    if data[0] & 8:
        stream = bytes([LEARNED]) + _model().digest[:NAME_BYTES] + stream
    dtype = np.uint8 if data[0] & 4 else np.uint16
    try:
        words = decode_frame(stream, _SHAPES[data[0] & 3], dtype, registry.all_models())
    except CodecError:
        return
    assert words.shape == _SHAPES[data[0] & 3]


def _frame_seeds() -> Iterator[bytes]:
    draw = np.random.default_rng(1)
    for choice in range(8):
        rows, columns = _SHAPES[choice & 3]
        noisy = draw.normal(120, 9, (rows, columns)).clip(0, 255)
        for values in (smooth(1, rows, columns)[0], np.full((rows, columns), 7), noisy):
            words: Words = values.astype(np.uint8) if choice & 4 else values.astype(np.uint16)
            stream = encode_frame(words, _model())
            yield bytes([choice]) + stream
            if stream[0] == LEARNED:
                yield bytes([choice | 8]) + stream[1 + NAME_BYTES :]


TARGETS = (
    Target("general", _general, _general_seeds, ()),
    Target("frame", _frame, _frame_seeds, ()),
)
