"""The symbols of a frame in the order they are written: phase by phase, in each context by context.

A segment is the symbols of one context in one phase (or of the clip values told before it).
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from codec.arrays import Bytes, Flags, Ints, Longs, Shorts
from codec.contexts import CONTEXTS, fold, scale_contexts, sorted_by_context
from codec.levels import Prediction
from codec.scales import Correction


class Segments:
    """All symbols of a frame, collected as its phases are coded."""

    def __init__(self, room: int) -> None:
        """``room`` is how many symbols there may be."""
        self._symbols = np.empty(room, np.int32)
        self._starts: list[NDArray[np.int64]] = []
        self._used = 0

    def add(self, symbols: NDArray[np.int32], contexts: NDArray[np.uint8]) -> None:
        """Add a phase's symbols, of which those LEFT_OUT are not coded."""
        self._note(sorted_by_context(symbols, contexts, self._symbols, self._used))

    def add_samples(
        self,
        samples: NDArray[np.int32],
        prediction: Prediction,
        correction: Correction,
        left: NDArray[np.bool_],
        limit: int,
    ) -> None:
        """Add a phase's samples, of those ``left`` to code."""
        means = prediction.means(correction.strength)
        scaled = (prediction.scales, correction.scale)
        self._note(_add(samples, means, scaled, left, limit, self._symbols, self._used))

    def _note(self, starts: NDArray[np.int64]) -> None:
        self._starts.append(starts)
        self._used = int(starts[-1])

    def joined(self) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
        """All symbols, and where each segment starts.

        That is (phases, CONTEXTS + 1), the last column where a phase ends.
        """
        starts = np.concatenate([np.empty(0, np.int64), *self._starts])
        return self._symbols[: self._used], starts.reshape(-1, CONTEXTS + 1)


@njit(cache=True)
def _add(
    samples: Ints,
    means: Ints,
    scaled: tuple[Shorts, int],
    left: Flags,
    limit: int,
    symbols: Ints,
    first: int,
) -> Longs:
    contexts: Bytes = scale_contexts(means, scaled[0], scaled[1], left)
    starts: Longs = sorted_by_context(fold(samples, means, limit), contexts, symbols, first)
    return starts
