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

from codec.arrays import Bytes, Flags, Ints, Octets, Reals, State
from codec.bitstream import take_bits, write_bits
from codec.contexts import FLAT_STEP, SCALES
from codec.levels import Prediction

LARGEST = 16
_BITS = 5
_GAIN_BITS = 64
_GAIN_SHARE = 0.05
"""A correction is sent where it is estimated to save this many bits and this share of them."""

_COST_SAMPLES = 4096
"""Of larger phases evenly strided samples are judged, so many or up to twice as many."""

_MEANS = 1.386 * np.exp2(np.arange(SCALES) / 2 + 1.25) / 16
"""Mean magnitude of a residual in each step of the scale, of a logistic distribution."""

_BITS_EACH = np.stack((np.log2(1 + _MEANS), np.log2(1 + 1 / _MEANS)))
"""What a geometric code of that mean takes for a sample, and for each unit of its residual."""


@dataclass(frozen=True, slots=True)
class Correction:
    """What a stream tells of the network's outputs for a phase.

    Attributes:
        linear: the linear prediction is used as it is.
        steps: half octaves to add to all scales.
    """

    linear: bool = False
    steps: int = 0


def choose_correction(
    samples: NDArray[np.int32], left: NDArray[np.bool_], prediction: Prediction
) -> Correction:
    """The correction worth telling for a phase, of which the samples ``left`` are coded."""
    means = (prediction.refined, prediction.linear.reshape(-1))
    best, gain, kept = _best(samples, left, means, prediction.steps, _BITS_EACH)
    if gain <= max(_GAIN_BITS, _GAIN_SHARE * kept):
        return Correction()
    return Correction(best >= 2 * LARGEST, best % (2 * LARGEST) - LARGEST)


@njit(cache=True)
def _best(
    samples: Ints, left: Flags, means: tuple[Ints, Ints], steps: Octets, bits_each: Reals
) -> tuple[int, float, float]:
    """The best correction, by refined means and then linear ones; what it saves, of how much."""
    costs = np.zeros((2, 2 * LARGEST))
    stride = len(samples) // _COST_SAMPLES | 1
    for way in range(2):
        _add_costs(samples, left, means[way], steps, stride, bits_each, costs[way])
    best = int(costs.argmin())
    kept = costs[0, LARGEST] * stride
    return best, kept - costs.flat[best] * stride, kept


@njit(cache=True)
def _add_costs(
    samples: Ints,
    left: Flags,
    means: Ints,
    steps: Octets,
    stride: int,
    bits_each: Reals,
    costs: Reals,
) -> None:
    """About the bits that the samples take under each correction: a geometric code's."""
    first, span = -64, 192
    counts, totals = np.zeros(span), np.zeros(span)
    for i in range(0, len(samples), stride):
        if left[i] and steps[i] != FLAT_STEP:
            counts[steps[i] - first] += 1
            totals[steps[i] - first] += abs(samples[i] - ((means[i] + 8) >> 4))
    for q in range(span):
        if counts[q]:
            for k in range(len(costs)):
                step = min(max(q + first + k - LARGEST, 0), bits_each.shape[1] - 1)
                costs[k] += counts[q] * bits_each[0, step] + totals[q] * bits_each[1, step]


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
