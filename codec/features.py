"""What the network sees of a sample: its neighbours relative to the linear prediction.

Every difference is scaled by a power of two of the local activity, so that noise of 3 and edges of
3000 look alike and 8-bit integers carry both. With N neighbours, rows of the feature matrix are::

    0 .. N-1        neighbour - prediction, normalised
    N .. 2N-1       |linear residual| of the neighbours, normalised
    2N .. 2N+3      linear residual of the 4 nearest neighbours, with sign, normalised
    2N+4            mean |linear residual| of all known samples of the level, normalised
    2N+5, 2N+6      how small the activity is: below 16 and below 1 sample steps
    2N+7            the activity's position within its octave
    2N+8            the prediction's distance from 0, normalised: near it residuals are one-sided

The normalised unit is ``2**exponent`` sixteenths / 256, where ``2**exponent`` just exceeds the
activity: half the summed magnitudes of the differences and residuals of the 12 nearest.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from codec.arrays import Ints, Longs, Octets, Reals, Whole
from codec.lattice import NEIGHBOURHOODS, Planes

NEAREST = 12
SIGNED = 4
EXTRA = SIGNED + 5
TOP = 127

CORRECTION_BITS = 11
"""A correction is in units of ``2**(exponent - CORRECTION_BITS)`` sixteenths."""

MAX_CORRECTION = 1023
MAX_LOG_SCALE = 127

Place = tuple[Whole, Whole]
"""A row of the feature matrix, and a position."""

_CHUNK = 1024
"""Positions that go through all steps while what they take is in the first-level cache."""


def feature_count(phase: int) -> int:
    """Rows of the feature matrix of a phase."""
    return 2 * int(NEIGHBOURHOODS[phase].shape[1]) + EXTRA


def extract(
    values: Planes,
    errors: Planes,
    phase: int,
    predicted: NDArray[np.int32],
    first_row: int,
    level_error: int,
) -> tuple[NDArray[np.int8], NDArray[np.int32]]:
    """Features of a band: some rows of a phase, and the border between them, as they lie in memory.

    Args:
        values: the level's known samples.
        errors: their linear residuals.
        phase: one of :data:`codec.lattice.PREDICTED`.
        predicted: linear predictions of the band's positions, in sixteenths.
        first_row: the phase's row that ``predicted`` starts at.
        level_error: mean magnitude of the known residuals, in sixteenths.

    Returns:
        Features (features, positions and some to spare) as int8 and exponents (positions,);
        exponent 0 means that the 12 nearest samples are all alike and were predicted exactly.
    """
    features = np.empty((feature_count(phase), _spared(predicted.size)), np.int8)
    exponents = np.empty(predicted.size, np.int32)
    offsets = values.offsets(phase, first_row)
    _extract(
        values.flat,
        errors.flat,
        offsets,
        predicted,
        level_error,
        features,
        exponents,
    )
    return features, exponents


def _spared(positions: int) -> int:
    """Positions rounded up to an odd number of cache lines.

    Else the rows of one position may all fall into one set of the first-level cache.
    """
    return (-(-positions // 64) | 1) * 64


@njit(cache=True)
def _extract(
    values: Ints,
    errors: Ints,
    offsets: Longs,
    predicted: Ints,
    level_error: int,
    features: Octets,
    exponents: Ints,
) -> None:
    activity = np.empty(_CHUNK, np.int32)
    real = np.empty(_CHUNK, np.float64)
    halves, starts = np.empty(_CHUNK, np.int32), np.empty(_CHUNK, np.int32)
    n = len(offsets)
    for start in range(0, len(predicted), _CHUNK):
        stop = min(start + _CHUNK, len(predicted))
        centre, exponent = predicted[start:stop], exponents[start:stop]
        _activity(values, errors, offsets + start, centre, activity)
        _exponent(activity, real, exponent)
        _rounding(centre, exponent, halves, starts)
        column = np.uint64(start)
        for k in range(n):
            first = np.uint64(offsets[k] + start)
            _normalised(values, first, starts, exponent, features, (np.uint64(k), column))
            row = np.uint64(n + k)
            _magnitudes(errors, first, halves, exponent, features, (row, column))
        for k in range(SIGNED):
            first, row = np.uint64(offsets[k] + start), np.uint64(2 * n + k)
            _normalised(errors, first, halves, exponent, features, (row, column))
        summary = features[2 * n + SIGNED :, start:stop]
        _summary(level_error, activity, exponent, summary)
        _signed_sixteenths(centre, exponent, summary[4])


@njit(cache=True)
def _activity(values: Ints, errors: Ints, offsets: Longs, centre: Ints, activity: Ints) -> None:
    activity[:] = 1
    for k in range(NEAREST):
        first = np.uint64(offsets[k])
        for i in range(np.uint64(len(centre))):
            difference = np.int32((values[first + i] << 4) - centre[i])
            activity[i] += np.int32(abs(difference)) + (np.int32(abs(errors[first + i])) << 4)
    for i in range(len(centre)):
        activity[i] >>= 1


@njit(cache=True)
def _exponent(activity: Ints, real: Reals, exponent: Ints) -> None:
    """The bit length of each activity: as float64 it is in the exponent."""
    for i in range(len(exponent)):
        real[i] = activity[i]
    bits = real.view(np.int64)
    for i in range(len(exponent)):
        exponent[i] = max(np.int32(bits[i] >> 52) - np.int32(1022), np.int32(0))


@njit(cache=True, inline="always")
def _shifted(value: Whole, exponent: Whole) -> Whole:
    """4096ths in normalised units, clipped to eight bits.

    The casts and the mask tell LLVM that 32 bits are enough: it vectorises these loops. Clipping to
    what eight bits hold first is part of the instruction that makes them eight.
    """
    shift = np.int32(exponent & np.int32(31))
    scaled = np.int32(value >> shift)
    octet = np.int8(min(max(scaled, np.int32(-128)), np.int32(127)))
    return max(octet, np.int8(-TOP))


@njit(cache=True, inline="always")
def _scaled(sixteenths: Whole, exponent: Whole) -> Whole:
    """A difference in normalised units, clipped to eight bits; |sixteenths| < 2**22."""
    half = np.int32(np.int32(np.int32(1) << np.int32(exponent & np.int32(31))) >> np.int32(1))
    return _shifted(np.int32(np.int32(sixteenths << np.int32(8)) + half), exponent)


@njit(cache=True, inline="always")
def _clamped(value: Whole) -> Whole:
    return np.int8(min(max(np.int32(value), np.int32(0)), np.int32(TOP)))


@njit(cache=True)
def _rounding(centre: Ints, exponent: Ints, halves: Ints, starts: Ints) -> None:
    """Of each position what makes its shift round, and that less the prediction, in 4096ths."""
    for i in range(len(exponent)):
        shift = np.int32(exponent[i] & np.int32(31))
        half = np.int32(np.int32(np.int32(1) << shift) >> np.int32(1))
        halves[i] = half
        starts[i] = np.int32(half - np.int32(centre[i] << np.int32(8)))


@njit(cache=True)
def _normalised(
    near: Ints, first: Whole, starts: Ints, exponent: Ints, out: Octets, place: Place
) -> None:
    """Fill in a feature from ``out[place]`` on, of values from ``near[first]`` on.

    Places are unsigned, and arrays whole: each slice would cost as much as a dozen positions.
    """
    row, column = place
    for i in range(np.uint64(len(exponent))):
        scaled = np.int32(np.int32(near[first + i] << np.int32(12)) + starts[i])
        out[row, column + i] = _shifted(scaled, exponent[i])


@njit(cache=True)
def _magnitudes(
    errors: Ints, first: Whole, halves: Ints, exponent: Ints, out: Octets, place: Place
) -> None:
    row, column = place
    for i in range(np.uint64(len(exponent))):
        magnitude = np.int32(np.int32(abs(errors[first + i])) << np.int32(12))
        out[row, column + i] = _shifted(np.int32(magnitude + halves[i]), exponent[i])


@njit(cache=True)
def _signed_sixteenths(values: Ints, exponent: Ints, out: Octets) -> None:
    for i in range(len(exponent)):
        out[i] = _scaled(values[i], exponent[i])


@njit(cache=True)
def _summary(level_error: int, activity: Ints, exponent: Ints, out: Octets) -> None:
    level = np.int32(level_error)
    for i in range(len(exponent)):
        shift = np.int32(exponent[i] & np.int32(31))
        out[0, i] = _scaled(level, shift)
        out[1, i] = _clamped((12 - shift) * 16)
        out[2, i] = _clamped((8 - shift) * 32)
        octave = np.int32(np.int32(activity[i] << np.int32(6)) >> shift)
        out[3, i] = np.int8(octave * 4 - 192)


@njit(cache=True)
def refine(predicted: Ints, corrections: Ints, exponents: Ints, ceiling: int, means: Ints) -> None:
    """Fill in predictions in sixteenths after the network's corrections, within [0, ceiling]."""
    half = np.int64(1 << (CORRECTION_BITS - 1))
    for i in range(len(means)):
        shift = np.int64(exponents[i] & np.int32(31))
        step = ((np.int64(corrections[i]) << shift) + half) >> CORRECTION_BITS
        means[i] = min(max(predicted[i] + step, 0), ceiling)
