"""Corrections of what the network says of a phase: told where it errs.

The network judges a sample's scale by its surroundings. Where a phase follows from the ones before
it, as in interpolated images, or is noisier than they are, all its scales are wrong by about the
same factor, and its corrections of the prediction may do harm. A stream tells it: 0, or 1, a bit
that is 1 if the linear predictions stand, and the half octaves to add to all scales, plus 16, in 5
bits.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from codec.arrays import Bytes, Ints, Octets, Reals, State
from codec.bitstream import take_bits, write_bits
from codec.contexts import FLAT_STEP, SCALES
from codec.levels import Prediction

LARGEST = 16
_BITS = 5
_GAIN_BITS = 64
_GAIN_SHARE = 0.05
"""A correction is sent where it is estimated to save this many bits and this share of them."""

_MEANS = 1.386 * np.exp2(np.arange(SCALES) / 2 + 1.25) / 16
"""Mean magnitude of a residual in each step of the scale, of a logistic distribution."""


@dataclass(frozen=True, slots=True)
class Correction:
    """What a stream tells of the network's outputs for a phase.

    Attributes:
        linear: the linear prediction is used as it is.
        steps: half octaves to add to all scales.
    """

    linear: bool = False
    steps: int = 0


def choose_correction(samples: NDArray[np.int32], prediction: Prediction) -> Correction:
    """The correction worth telling for a phase."""
    costs = np.zeros((2, 2 * LARGEST))
    for linear in (False, True):
        means = prediction.means(linear)
        _costs(samples, means, prediction.steps, _MEANS, costs[int(linear)])
    best = int(costs.argmin())
    gain = costs[0, LARGEST] - costs.flat[best]
    if gain <= max(_GAIN_BITS, _GAIN_SHARE * costs[0, LARGEST]):
        return Correction()
    return Correction(best >= 2 * LARGEST, best % (2 * LARGEST) - LARGEST)


@njit(cache=True)
def _costs(samples: Ints, means: Ints, steps: Octets, scale_means: Reals, costs: Reals) -> None:
    """About the bits that the samples take under each correction: a geometric code's."""
    first, span = -64, 192
    counts, totals = np.zeros(span), np.zeros(span)
    for i in range(len(samples)):
        if steps[i] != FLAT_STEP:
            counts[steps[i] - first] += 1
            totals[steps[i] - first] += abs(samples[i] - ((means[i] + 8) >> 4))
    for k in range(len(costs)):
        for q in range(span):
            if counts[q]:
                step = min(max(q + first + k - LARGEST, 0), len(scale_means) - 1)
                mean = scale_means[step]
                costs[k] += counts[q] * np.log2(1 + mean) + totals[q] * np.log2(1 + 1 / mean)


def write_correction(correction: Correction, buffer: Bytes, state: State) -> None:
    """Tell one."""
    departs = correction != Correction()
    write_bits(buffer, state, int(departs), 1)
    if departs:
        write_bits(buffer, state, int(correction.linear), 1)
        write_bits(buffer, state, correction.steps + LARGEST, _BITS)


def read_correction(buffer: Bytes, state: State) -> Correction:
    """The one told."""
    if not take_bits(buffer, state, 1):
        return Correction()
    linear = bool(take_bits(buffer, state, 1))
    return Correction(linear, int(take_bits(buffer, state, _BITS)) - LARGEST)
