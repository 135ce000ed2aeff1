"""The symbols of a frame in the order they are written: phase by phase, in each context by context.

A segment is the symbols of one context in one phase (or of the clip values told before it).
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from codec.arrays import Bytes, Flags, Ints, Longs, Shorts
from codec.contexts import CONTEXTS, fold, scale_contexts, sort_by_context
from codec.levels import Prediction
from codec.scales import Correction


class Segments:
    """All symbols of a frame, collected as its phases are coded."""

    def __init__(self, room: int, phases: int) -> None:
        """``room`` is how many symbols there may be, of how many phases or clip values of these."""
        self._symbols = np.empty(room, np.int32)
        self._starts = np.empty((phases, CONTEXTS + 1), np.int64)
        self._phases = 0

    def add(self, symbols: NDArray[np.int32], contexts: NDArray[np.uint8]) -> None:
        """Add a phase's symbols, of which those LEFT_OUT are not coded."""
        sort_by_context(symbols, contexts, self._symbols, *self._next())

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
        _add(samples, means, scaled, left, limit, self._symbols, *self._next())

    def _next(self) -> tuple[int, NDArray[np.int64]]:
        """Where the next phase's symbols start, and the row that says where its segments do."""
        self._phases += 1
        return self._used(self._phases - 1), self._starts[self._phases - 1]

    def _used(self, phases: int) -> int:
        return int(self._starts[phases - 1, -1]) if phases else 0

    def joined(self) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
        """All symbols, and where each segment starts.

        That is (phases, CONTEXTS + 1), the last column where a phase ends.
        """
        return self._symbols[: self._used(self._phases)], self._starts[: self._phases]


@njit(cache=True)
def _add(
    samples: Ints,
    means: Ints,
    scaled: tuple[Shorts, int],
    left: Flags,
    limit: int,
    symbols: Ints,
    first: int,
    starts: Longs,
) -> None:
    contexts: Bytes = scale_contexts(means, scaled[0], scaled[1], left)
    sort_by_context(fold(samples, means, limit), contexts, symbols, first, starts)
