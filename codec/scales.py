"""Corrections of what the network says of a phase: told where it errs.

The network judges a sample's scale by its surroundings. Where a phase follows from the ones before
it, as in interpolated images, or is noisier than they are, all its scales are wrong by about the
same factor, and its corrections of the prediction may do harm. A stream tells it: 0, or 1, a bit
that is 1 if the linear predictions stand, and the eighths of an octave to add to all scales, plus
64, in 7 bits.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from codec.arrays import Bytes, Flags, Ints, Longs, Reals, Shorts, State
from codec.bitstream import take_bits, write_bits
from codec.contexts import EIGHTHS, FLAT_SCALE, SCALES
from codec.levels import Prediction

LARGEST = 64
_BITS = 7
_GAIN_BITS = 12
_GAIN_SHARE = 0.005
"""A correction is sent where it is estimated to save this many bits and this share of them. Of 199
small frames to train on corrections in half octaves, from 64 bits and 5% on, take 0.12% more; from
10 bits and any share on, 0.01% more."""

_COST_SAMPLES = 4096
"""Of larger phases evenly strided samples are judged, so many or up to twice as many."""

_COARSE = 4
"""Corrections are tried in steps of so many eighths of an octave, then those between the best."""

_LOWEST, _SPAN = -128, 448
"""What scales a network's outputs and exponents can make are all within."""

_MEANS = 1.386 * np.exp2((np.arange(SCALES * EIGHTHS) + 0.5) / 8 + 1) / 16
"""Mean magnitude of a residual of each scale, of a logistic distribution."""

_BITS_EACH = np.stack((np.log2(1 + _MEANS), np.log2(1 + 1 / _MEANS)))
"""What a geometric code of that mean takes for a sample, and for each unit of its residual."""


@dataclass(frozen=True, slots=True)
class Correction:
    """What a stream tells of the network's outputs for a phase.

    Attributes:
        linear: the linear prediction is used as it is.
        scale: eighths of an octave to add to all scales.
    """

    linear: bool = False
    scale: int = 0


def choose_correction(
    samples: NDArray[np.int32], left: NDArray[np.bool_], prediction: Prediction
) -> Correction:
    """The correction worth telling for a phase, of which the samples ``left`` are coded."""
    means = (prediction.refined, prediction.linear.reshape(-1))
    linear, scale, cost, kept = _best(samples, left, means, prediction.scales, _BITS_EACH)
    if kept - cost <= max(_GAIN_BITS, _GAIN_SHARE * kept):
        return Correction()
    return Correction(linear, scale)


@njit(cache=True)
def _best(
    samples: Ints, left: Flags, means: tuple[Ints, Ints], scales: Shorts, bits_each: Reals
) -> tuple[bool, int, float, float]:
    """The best correction, about the bits that the samples take under it, and under none."""
    stride = len(samples) // _COST_SAMPLES | 1
    best, least, kept = (False, 0), np.inf, 0.0
    for way in range(2):
        counts, totals = _sums(samples, left, means[way], scales, stride)
        if way == 0:
            kept = stride * _cost(counts, totals, 0, bits_each)
        found = (0, stride * _cost(counts, totals, 0, bits_each))
        for scale in range(-LARGEST, LARGEST, _COARSE):
            cost = stride * _cost(counts, totals, scale, bits_each)
            if cost < found[1]:
                found = (scale, cost)
        middle = found[0]
        for scale in range(max(middle - _COARSE, -LARGEST), min(middle + _COARSE, LARGEST)):
            cost = stride * _cost(counts, totals, scale, bits_each)
            if cost < found[1]:
                found = (scale, cost)
        if found[1] < least:
            best, least = (way == 1, found[0]), found[1]
    return best[0], best[1], least, kept


@njit(cache=True)
def _sums(
    samples: Ints, left: Flags, means: Ints, scales: Shorts, stride: int
) -> tuple[Longs, Longs]:
    """How many samples there are of each scale, from _LOWEST on, and their summed magnitudes."""
    counts, totals = np.zeros(_SPAN, np.int64), np.zeros(_SPAN, np.int64)
    for i in range(0, len(samples), stride):
        if left[i] and scales[i] != FLAT_SCALE:
            counts[scales[i] - _LOWEST] += 1
            totals[scales[i] - _LOWEST] += abs(samples[i] - ((means[i] + 8) >> 4))
    return counts, totals


@njit(cache=True)
def _cost(counts: Longs, totals: Longs, correction: int, bits_each: Reals) -> float:
    """About the bits that samples take under a correction: a geometric code's."""
    bits = 0.0
    for i in range(len(counts)):
        if counts[i]:
            scale = min(max(i + _LOWEST + correction, 0), bits_each.shape[1] - 1)
            bits += counts[i] * bits_each[0, scale] + totals[i] * bits_each[1, scale]
    return bits


def write_correction(correction: Correction, buffer: Bytes, state: State) -> None:
    """Tell one."""
    departs = correction != Correction()
    write_bits(buffer, state, int(departs), 1)
    if departs:
        write_bits(buffer, state, int(correction.linear), 1)
        write_bits(buffer, state, correction.scale + LARGEST, _BITS)


def read_correction(buffer: Bytes, state: State) -> Correction:
    """The one told."""
    if not take_bits(buffer, state, 1):
        return Correction()
    linear = bool(take_bits(buffer, state, 1))
    return Correction(linear, int(take_bits(buffer, state, _BITS)) - LARGEST)
