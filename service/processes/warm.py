"""Calling every compiled loop of the codec once, before work waits for it.

Numba compiles a loop at its first call with arguments of new types, which takes up to seconds. The
self-test's golden frames are small; these bring what only larger ones do: tables of their own,
frames that refer to others, and arrays as they come from a dataset, which nobody may write to.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from codec import Hints
from service.encode import Codec
from service.multi_frame import decode_frames, encode_frames
from service.sealing.frames import Words

SIDE: Final = 96
"""Rows and columns: at 96 even noise of 12 bits is worth a table of its own."""


def warm(codec: Codec) -> None:
    """Code and decode made frames."""
    y, x = np.ogrid[:SIDE, :SIDE]
    random = np.random.default_rng(0)
    body = 900 + 600 * (np.hypot(y - SIDE / 2, x - SIDE / 3) < SIDE / 4)
    first, second = (body + random.normal(0, 9, (SIDE, SIDE)) for _ in range(2))
    noise = random.integers(0, 4096, (SIDE, SIDE))
    for frames in ([_stored(first), _stored(second)], [_stored(noise)]):
        streams = list(encode_frames(frames, codec.predictor, Hints(), len(frames)))
        decoded = decode_frames(streams, (SIDE, SIDE), np.dtype(np.uint16), codec.predictors)
        for _ in decoded:
            continue


def _stored(values: NDArray[np.generic]) -> Words:
    """Give a frame as it comes from a dataset: read-only."""
    return np.frombuffer(values.astype("<u2").tobytes(), np.uint16).reshape(values.shape)
