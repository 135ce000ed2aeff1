"""Corrections of what the network says of a phase: told where it errs.

The network judges a sample's scale by its surroundings. Where a phase follows from the ones before
it, as in interpolated images, or is noisier than they are, all its scales are wrong by about the
same factor, and its corrections of the prediction may be too bold or too timid, or do harm. A
stream tells it: 0, or 1, how many quarters of the corrections to take, in 3 bits, and the eighths
of an octave to add to all scales, plus 64, in 7 bits.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from codec.arrays import Bytes, Flags, Ints, Longs, Reals, Shorts, State
from codec.bitstream import take_bits, write_bits
from codec.contexts import EIGHTHS, FLAT_SCALE, SCALES
from codec.levels import FULL_STRENGTH, Prediction, go_towards

LARGEST = 64
_BITS = 7
_STRENGTH_BITS = 3
_STRENGTHS = ((FULL_STRENGTH, 5, 6), (3, 2, 0))
"""Those that are tried, each way for as long as it saves."""

_GAIN_BITS = 12
_GAIN_SHARE = 0.005
"""A correction is sent where it is estimated to save this many bits and this share of them. Of 199
small frames to train on corrections in half octaves, from 64 bits and 5% on, take 0.12% more; from
10 bits and any share on, 0.01% more."""

_COST_SAMPLES = 4096
"""Of larger phases evenly strided samples are judged, so many or up to twice as many."""

_WIDEST = 8
"""Corrections of scales are tried in steps of so many eighths of an octave, then of fewer."""

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
        strength: quarters of its corrections of the prediction to take, 0 to 7.
        scale: eighths of an octave to add to all scales.
    """

    strength: int = FULL_STRENGTH
    scale: int = 0


def choose_correction(
    samples: NDArray[np.int32], left: NDArray[np.bool_], prediction: Prediction
) -> Correction:
    """The correction worth telling for a phase, of which the samples ``left`` are coded."""
    known = (prediction.linear.reshape(-1), prediction.refined)
    strength, scale, cost, kept = _choose(
        samples, left, known, prediction.scales, prediction.ceiling, _BITS_EACH
    )
    if kept - cost <= max(_GAIN_BITS, _GAIN_SHARE * kept):
        return Correction()
    return Correction(strength, scale)


@njit(cache=True)
def _choose(
    samples: Ints,
    left: Flags,
    known: tuple[Ints, Ints],
    scales: Shorts,
    ceiling: int,
    bits_each: Reals,
) -> tuple[int, int, float, float]:
    """The best strength and scale, about the bits that samples take so, and uncorrected."""
    stride = len(samples) // _COST_SAMPLES | 1
    drawn, coded, told = samples[::stride].copy(), left[::stride].copy(), scales[::stride].copy()
    linear, refined = known[0][::stride].copy(), known[1][::stride].copy()
    means = np.empty_like(refined)
    best, kept = (FULL_STRENGTH, 0), 0.0
    least = np.inf
    for strengths in _STRENGTHS:
        for strength in strengths:
            go_towards(linear, refined, strength, ceiling, means)
            scale, cost, uncorrected = _best(drawn, coded, means, told, bits_each)
            if strength == FULL_STRENGTH:
                kept = uncorrected
            if cost >= least:
                break
            best, least = (strength, scale), cost
    return best[0], best[1], stride * least, stride * kept


@njit(cache=True)
def _best(
    samples: Ints, left: Flags, means: Ints, scales: Shorts, bits_each: Reals
) -> tuple[int, float, float]:
    """The best correction of scales, about the bits that samples take under it, and under none.

    Costs have one minimum: it is walked to in ever smaller steps.
    """
    counts, totals, lowest = _sums(samples, left, means, scales)
    kept = _cost(counts, totals, lowest, bits_each)
    best, least, step = 0, kept, _WIDEST
    while step:
        for scale in (best - step, best + step):
            while -LARGEST <= scale < LARGEST:
                cost = _cost(counts, totals, lowest + scale, bits_each)
                if cost >= least:
                    break
                best, least, scale = scale, cost, 2 * scale - best
        step >>= 1
    return best, least, kept


@njit(cache=True)
def _sums(samples: Ints, left: Flags, means: Ints, scales: Shorts) -> tuple[Longs, Longs, int]:
    """How many samples there are of each scale, their summed magnitudes, and the lowest scale."""
    counts, totals = np.zeros(_SPAN, np.int64), np.zeros(_SPAN, np.int64)
    first, last = _SPAN - 1, 0
    for i in range(len(samples)):
        if left[i] and scales[i] != FLAT_SCALE:
            place = int(scales[i]) - _LOWEST
            counts[place] += 1
            totals[place] += abs(samples[i] - ((means[i] + 8) >> 4))
            first, last = min(first, place), max(last, place)
    return counts[first : last + 1], totals[first : last + 1], first + _LOWEST


@njit(cache=True)
def _cost(counts: Longs, totals: Longs, lowest: int, bits_each: Reals) -> float:
    """About the bits that samples of scales from the lowest on take: a geometric code's."""
    for_samples, for_units = 0.0, 0.0
    for i in range(len(counts)):
        scale = min(max(lowest + i, 0), bits_each.shape[1] - 1)
        for_samples += counts[i] * bits_each[0, scale]
        for_units += totals[i] * bits_each[1, scale]
    return for_samples + for_units


def write_correction(correction: Correction, buffer: Bytes, state: State) -> None:
    """Tell one."""
    _write(correction.strength, correction.scale, buffer, state)


@njit(cache=True)
def _write(strength: int, scale: int, buffer: Bytes, state: State) -> None:
    departs = strength != FULL_STRENGTH or scale != 0
    write_bits(buffer, state, int(departs), 1)
    if departs:
        write_bits(buffer, state, strength, _STRENGTH_BITS)
        write_bits(buffer, state, scale + LARGEST, _BITS)


def read_correction(buffer: Bytes, state: State) -> Correction:
    """The one told."""
    return Correction(*_read(buffer, state))


@njit(cache=True)
def _read(buffer: Bytes, state: State) -> tuple[int, int]:
    if not take_bits(buffer, state, 1):
        return FULL_STRENGTH, 0
    strength = int(take_bits(buffer, state, _STRENGTH_BITS))
    return strength, int(take_bits(buffer, state, _BITS)) - LARGEST
