"""What the network sees of a sample: its neighbours relative to the linear prediction.

Every difference is scaled by a power of two of the local activity, so that noise of 3 and edges of
3000 look alike and 8-bit integers carry both. With N neighbours, rows of the feature matrix are::

    0 .. N-1        neighbour - prediction, normalised
    N .. N+11       |linear residual| of the 12 nearest neighbours, normalised
    N+12 .. N+15    linear residual of the 4 nearest neighbours, with sign, normalised
    N+16            mean |linear residual| of the further neighbours, normalised
    N+17            mean |linear residual| of all known samples of the level, normalised
    N+18, N+19      how small the activity is: below 16 and below 1 sample steps
    N+20            the activity's position within its octave
    N+21            the prediction's distance from 0, normalised: near it residuals are one-sided

The normalised unit is ``2**exponent`` sixteenths / 256, where ``2**exponent`` just exceeds the
activity: half the summed magnitudes of the differences and residuals of the 12 nearest.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from codec.arrays import Ints, Longs, Octets, Whole
from codec.lattice import NEIGHBOURHOODS, Planes

NEAREST = 12
SIGNED = 4
EXTRA = NEAREST + SIGNED + 6
TOP = 127

CORRECTION_BITS = 11
"""A correction is in units of ``2**(exponent - CORRECTION_BITS)`` sixteenths."""

MAX_CORRECTION = 1023
MAX_LOG_SCALE = 127


def feature_count(phase: int) -> int:
    """Rows of the feature matrix of a phase."""
    return int(NEIGHBOURHOODS[phase].shape[1]) + EXTRA


def extract(
    values: Planes,
    errors: Planes,
    phase: int,
    predicted: NDArray[np.int32],
    first_row: int,
    level_error: int,
) -> tuple[NDArray[np.int8], NDArray[np.int32]]:
    """Features of some rows of a phase.

    Args:
        values: the level's known samples.
        errors: their linear residuals.
        phase: 1, 2 or 3.
        predicted: linear predictions of the wanted rows, in sixteenths.
        first_row: the phase's row that ``predicted`` starts at.
        level_error: mean magnitude of the known residuals, in sixteenths.

    Returns:
        Features (features, samples) as int8 and exponents (samples,); exponent 0 means that the
        12 nearest samples are all alike and were predicted exactly.
    """
    features = np.empty((feature_count(phase), predicted.size), np.int8)
    exponents = np.empty(predicted.size, np.int32)
    places = NEIGHBOURHOODS[phase] + np.array([[0], [first_row], [0]])
    _extract(values.values, errors.values, places, predicted, level_error, features, exponents)
    return features, exponents


@njit(cache=True)
def _extract(
    values: Ints,
    errors: Ints,
    places: Longs,
    predicted: Ints,
    level_error: int,
    features: Octets,
    exponents: Ints,
) -> None:
    height, width = predicted.shape
    activity = np.empty(width, np.int32)
    wide = np.empty(width, np.int32)
    for y in range(height):
        here = slice(y * width, (y + 1) * width)
        centre = predicted[y]
        exponent = exponents[here]
        _activity(values, errors, places, y, centre, activity, wide)
        _exponent(activity, exponent)
        n = places.shape[1]
        for k in range(n):
            row = values[places[0, k], y + places[1, k], places[2, k] : places[2, k] + width]
            _normalised(row, centre, exponent, features[k, here])
        for k in range(NEAREST):
            row = errors[places[0, k], y + places[1, k], places[2, k] : places[2, k] + width]
            _magnitudes(row, exponent, features[n + k, here])
        for k in range(SIGNED):
            row = errors[places[0, k], y + places[1, k], places[2, k] : places[2, k] + width]
            _signed(row, exponent, features[n + NEAREST + k, here])
        summary = features[n + NEAREST + SIGNED :, here]
        _summary(wide, n - NEAREST, level_error, activity, exponent, summary)
        for x in range(width):
            summary[5, x] = np.int8(_scaled(centre[x], exponent[x]))


@njit(cache=True)
def _activity(
    values: Ints, errors: Ints, places: Longs, y: int, centre: Ints, activity: Ints, wide: Ints
) -> None:
    width = len(centre)
    activity[:] = 0
    wide[:] = 0
    for k in range(NEAREST):
        row = values[places[0, k], y + places[1, k], places[2, k] : places[2, k] + width]
        error = errors[places[0, k], y + places[1, k], places[2, k] : places[2, k] + width]
        for x in range(width):
            activity[x] += abs((row[x] << 4) - centre[x]) + (abs(error[x]) << 4)
    for x in range(width):
        activity[x] = (activity[x] + 1) >> 1
    for k in range(NEAREST, places.shape[1]):
        error = errors[places[0, k], y + places[1, k], places[2, k] : places[2, k] + width]
        for x in range(width):
            wide[x] += abs(error[x])


@njit(cache=True)
def _exponent(activity: Ints, exponent: Ints) -> None:
    """The bit length of each activity."""
    for x in range(len(activity)):
        length = np.int32(0)
        for bit in range(25):
            length += np.int32(activity[x] >= (np.int32(1) << np.int32(bit)))
        exponent[x] = length


@njit(cache=True, inline="always")
def _scaled(sixteenths: Whole, exponent: Whole) -> Whole:
    """A difference in normalised units, clipped to eight bits; |sixteenths| < 2**22."""
    half = (np.int32(1) << exponent) >> np.int32(1)
    scaled = ((sixteenths << np.int32(8)) + half) >> exponent
    return min(max(scaled, np.int32(-TOP)), np.int32(TOP))


@njit(cache=True)
def _normalised(row: Ints, centre: Ints, exponent: Ints, out: Octets) -> None:
    for x in range(len(row)):
        out[x] = np.int8(_scaled((row[x] << np.int32(4)) - centre[x], exponent[x]))


@njit(cache=True)
def _magnitudes(row: Ints, exponent: Ints, out: Octets) -> None:
    for x in range(len(row)):
        out[x] = np.int8(_scaled(abs(row[x]) << np.int32(4), exponent[x]))


@njit(cache=True)
def _signed(row: Ints, exponent: Ints, out: Octets) -> None:
    for x in range(len(row)):
        out[x] = np.int8(_scaled(row[x] << np.int32(4), exponent[x]))


@njit(cache=True)
def _summary(
    wide: Ints, count: int, level_error: int, activity: Ints, exponent: Ints, out: Octets
) -> None:
    level = np.int32(level_error)
    for x in range(len(wide)):
        shift = exponent[x]
        mean = (wide[x] << np.int32(4)) // np.int32(count)
        out[0, x] = np.int8(_scaled(mean, shift))
        out[1, x] = np.int8(_scaled(level, shift))
        out[2, x] = np.int8(min(max((12 - shift) * 16, 0), TOP))
        out[3, x] = np.int8(min(max((8 - shift) * 32, 0), TOP))
        out[4, x] = np.int8(((activity[x] << np.int32(6)) >> shift) * 4 - 192)


def refined_means(
    predicted: NDArray[np.int32],
    correction: NDArray[np.int32],
    exponents: NDArray[np.int32],
    ceiling: int,
) -> NDArray[np.int32]:
    """Predictions in sixteenths after the network's correction, within [0, ceiling]."""
    means = np.empty_like(predicted)
    _refine(predicted, correction, exponents, ceiling, means)
    return means


@njit(cache=True)
def _refine(predicted: Ints, correction: Ints, exponents: Ints, ceiling: int, means: Ints) -> None:
    half = np.int64(1 << (CORRECTION_BITS - 1))
    for i in range(len(predicted)):
        step = ((np.int64(correction[i]) << np.int64(exponents[i])) + half) >> CORRECTION_BITS
        means[i] = min(max(predicted[i] + step, 0), ceiling)
