"""The encoder's choice whether a frame refers to the one before, without coding each both ways.

What linear kernels save with the frame before tells little of what the whole coder saves: it is off
by up to 0.3 bits a sample, but by nearly as much in all frames of an object. So one frame is coded
both ways, and the next are judged by the difference of their estimates to its own.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from codec.kernels import may_be_own
from codec.lattice import QUARTERS, REFERENCE_PAIRS, Planes
from codec.least_squares import draw, fit, residual_bits

_CLEAR_BITS = 0.003
"""Frames are coded both ways again where they seem to gain or lose less than this a sample. Of 11
multi-frame objects to train on, 7% of the samples are then coded twice: of 0.01 bits 14%, which
saves 0.009%, of 0.02 bits 40%, which saves 0.014%."""

_FRESH_FRAMES = 48
"""After so many frames judged by estimates one is coded both ways in any case, lest what was learnt
of an object's beginning decide all of it. With 16 (once for each key frame, by default) 7 series to
train on take as many bytes."""


class Referring:
    """What is known of whether the frames of one object gain by the frame before."""

    def __init__(self) -> None:
        self._offset: float | None = None
        self._estimate = 0.0
        self._judged = 0

    def ways(self, samples: NDArray[np.int32], before: NDArray[np.int32]) -> tuple[bool, ...]:
        """Which ways to code a frame: False alone, True with the frame before, or both."""
        self._estimate = _saved(samples, before)
        if self._offset is None or self._judged == _FRESH_FRAMES:
            return (False, True)
        self._judged += 1
        saved = self._estimate + self._offset
        return (False, True) if abs(saved) < _CLEAR_BITS else (saved > 0,)

    def learn(self, saved: float) -> None:
        """Note the bits a sample that the frame asked about last, coded both ways, saved."""
        self._offset = saved - self._estimate
        self._judged = 0


def _saved(samples: NDArray[np.int32], before: NDArray[np.int32]) -> float:
    """About how many bits a sample the frame before saves in the finest level's first phase."""
    phase = QUARTERS.predicted[0]
    target = np.ascontiguousarray(QUARTERS.take(samples, phase))
    if not may_be_own((target.shape[0], target.shape[1])):
        return 0.0
    planes = Planes((samples.shape[0], samples.shape[1]), QUARTERS, before)
    planes.put(0, QUARTERS.take(samples, 0))
    drawn = draw(planes, phase, target)
    alone = fit(replace(drawn, differences=drawn.differences[: drawn.own]))
    together = fit(drawn)
    if alone is None or together is None:
        return 0.0
    unhelped = np.concatenate((alone, np.zeros(len(REFERENCE_PAIRS), np.int32)))
    bits = residual_bits(drawn, unhelped, together)
    return float(bits[0] - bits[1]) / target.size
