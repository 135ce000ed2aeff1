"""The linear base: each sample as a weighted sum of its nearest known ones, in exact integers.

The two samples of a mirrored pair share one coefficient: the autocorrelation of a stationary image
is symmetric under a half turn, so the best kernel is too, and only half of it needs to be sent.
Coefficients are integers in units of ``1 / 2**COEFFICIENT_BITS`` and a kernel sums to one, so that
offsets pass through unchanged. Predictions are fixed point, in sixteenths.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from codec.arrays import Bytes, Ints, Longs
from codec.lattice import NEIGHBOURHOODS, Planes
from codec.tiles import Places

COEFFICIENT_BITS = 9
FRACTION_BITS = 4
MAX_WEIGHT = 1 << 15
"""Bound of a kernel's sum of magnitudes: with 16-bit samples, sums stay within 31 bits."""

COEFFICIENT_LIMIT = 1 << 12
_CHUNK = 1024
"""Positions whose sums stay in the first-level cache."""


@njit(cache=True)
def complete_kernel(free: Longs, pairs: int) -> Ints:
    """The kernel whose coefficients after the first are ``free``.

    The first makes those of the ``pairs`` in the frame itself sum to one; the others, of the pairs
    in the frame before, have no part in that.
    """
    kernel = np.empty(len(free) + 1, np.int32)
    kernel[0] = (1 << (COEFFICIENT_BITS - 1)) - free[: pairs - 1].sum()
    kernel[1:] = free
    return kernel


@njit(cache=True)
def is_bounded(kernel: Ints, pairs: int) -> bool:
    """Whether no 16-bit image can carry the sums out of 31 bits."""
    total = np.int64(0)
    for weight in _centred(kernel, pairs):
        total += abs(np.int64(weight))
    return bool(2 * total < MAX_WEIGHT)


@njit(cache=True)
def _centred(kernel: Ints, pairs: int) -> Ints:
    """The kernel with the coefficient of the frame before's sample at the same place.

    It makes those of the frame before sum to nothing: only its differences count.
    """
    if len(kernel) == pairs:
        return kernel
    centred = np.empty(len(kernel) + 1, np.int32)
    centred[:-1] = kernel
    centred[-1] = -kernel[pairs:].sum()
    return centred


def predict(
    planes: Planes, phase: int, kernels: NDArray[np.int32], places: Places, limit: int
) -> NDArray[np.int32]:
    """The linear prediction of one phase, in sixteenths, clamped to [0, 16 * limit].

    Args:
        planes: its level.
        phase: which.
        kernels: of each class, (classes, pairs).
        places: where the classes lie.
        limit: the largest sample.
    """
    shape = planes.layout.shape(planes.shape, phase)
    band = predict_band(planes, phase, kernels, places, limit, slice(0, shape[0]))
    return band[planes.positions(phase)].reshape(shape)


def predict_band(
    planes: Planes,
    phase: int,
    kernels: NDArray[np.int32],
    places: Places,
    limit: int,
    rows: slice,
) -> NDArray[np.int32]:
    """The same of some rows, flat, with the border between them, ``planes.stride`` to a row."""
    columns = planes.layout.shape(planes.shape, phase)[1]
    predicted = np.zeros((rows.stop - rows.start - 1) * planes.stride + columns, np.int32)
    offsets = planes.offsets_with_reference(phase, rows.start)
    own = NEIGHBOURHOODS[phase].shape[1] // 2
    row, classes = (rows.start, planes.stride, columns), (places.labels, places.shift)
    _predict_band(planes.flat, offsets, kernels, own, classes, row, limit, predicted)
    return predicted


@njit(cache=True)
def _predict_band(
    values: Ints,
    offsets: Longs,
    kernels: Ints,
    own: int,
    classes: tuple[Bytes, int],
    row: tuple[int, int, int],
    limit: int,
    predicted: Ints,
) -> None:
    if len(kernels) == 1:
        _predict(values, offsets, _centred(kernels[0], own), 0, predicted)
    else:
        _predict_rows(values, offsets, kernels, classes, row, predicted)
    _finish(predicted, limit << FRACTION_BITS)


@njit(cache=True)
def _predict(values: Ints, offsets: Longs, kernel: Ints, first: int, predicted: Ints) -> None:
    """Add up the pairs for some positions, of which ``first`` is the first.

    Unsigned places need no test for negative ones, which count from the end: with those, and with
    slices, runs of 16 positions took twice as long.
    """
    for start in range(0, len(predicted), _CHUNK):
        here, count = np.uint64(start), np.uint64(min(_CHUNK, len(predicted) - start))
        for k in range(len(kernel)):
            a = np.uint64(offsets[2 * k] + first + start)
            b = np.uint64(offsets[2 * k + 1] + first + start)
            weight = kernel[k]
            for i in range(count):
                predicted[here + i] += weight * np.int32(values[a + i] + values[b + i])


@njit(cache=True)
def _predict_rows(
    values: Ints,
    offsets: Longs,
    kernels: Ints,
    classes: tuple[Bytes, int],
    row: tuple[int, int, int],
    predicted: Ints,
) -> None:
    """The same in runs of samples of one class: ``row`` is the first, its stride and its length."""
    labels, shift = classes
    first, stride, columns = row
    for y in range((len(predicted) + stride - 1) // stride):
        line = labels[(first + y) >> shift]
        start = 0
        while start < columns:
            tile = start >> shift
            label = line[tile]
            while tile << shift < columns and line[tile] == label:
                tile += 1
            stop = min(tile << shift, columns)
            here = y * stride + start
            run = predicted[here : y * stride + stop]
            _predict(values, offsets, kernels[label], here, run)
            start = stop


@njit(cache=True)
def _finish(predicted: Ints, ceiling: int) -> None:
    half = np.int32(1 << (COEFFICIENT_BITS - FRACTION_BITS - 1))
    shift, top = np.int32(COEFFICIENT_BITS - FRACTION_BITS), np.int32(ceiling)
    for i in range(len(predicted)):
        predicted[i] = min(max((predicted[i] + half) >> shift, np.int32(0)), top)
