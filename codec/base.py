"""The coarsest level, coded sample by sample in raster order.

Each sample is predicted by the median edge detector of JPEG-LS (ISO/IEC 14495-1, A.4.2) and its
folded residual written as an adaptive Golomb-Rice code, whose parameter follows the mean of the
residuals so far. It holds a few dozen samples of most frames, all of a frame under 8 samples wide.
Of a frame that refers to the one before, the prediction is the sample at the same place there.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from codec.arrays import Bytes, Ints, State, Whole
from codec.bitstream import take_bits, write_bits
from codec.tokens import SYMBOL_BITS

_ESCAPE = 24
"""Quotients from here on are replaced by the symbol in SYMBOL_BITS bits."""

_HALVE_AT = 64


def base_before(reference: NDArray[np.int32] | None) -> NDArray[np.int32]:
    """The frame before's base level as :func:`write_base` takes it."""
    return np.empty((0, 0), np.int32) if reference is None else reference


@njit(cache=True)
def _predicted(image: Ints, before: Ints, place: tuple[int, int], limit: int) -> Whole:
    y, x = place
    if before.size:
        return np.int64(before[y, x])
    if y == 0 and x == 0:
        return np.int64((limit + 1) >> 1)
    if y == 0:
        return np.int64(image[y, x - 1])
    if x == 0:
        return np.int64(image[y - 1, x])
    left, above, corner = np.int64(image[y, x - 1]), image[y - 1, x], image[y - 1, x - 1]
    if corner >= max(left, above):
        return np.int64(min(left, above))
    if corner <= min(left, above):
        return np.int64(max(left, above))
    return np.int64(left + above - corner)


@njit(cache=True)
def _parameter(total: Whole, count: Whole) -> int:
    k = 0
    while (count << k) < total and k < SYMBOL_BITS:
        k += 1
    return k


@njit(cache=True)
def _start(limit: int) -> tuple[Whole, Whole]:
    """First sum and count of residuals: as if one of a sixteenth of the range had been seen."""
    return (limit >> 4) + 1, 1


@njit(cache=True)
def write_base(image: Ints, before: Ints, limit: int, buffer: Bytes, state: State) -> None:
    """Write an image, int32 in [0, limit]; ``before`` is the frame before's, or empty."""
    total, count = _start(limit)
    for y in range(image.shape[0]):
        for x in range(image.shape[1]):
            residual = image[y, x] - _predicted(image, before, (y, x), limit)
            symbol = 2 * residual - 1 if residual > 0 else -2 * residual
            k = _parameter(total, count)
            quotient = symbol >> k
            if quotient < _ESCAPE:
                write_bits(buffer, state, (1 << (quotient + 1)) - 2, quotient + 1)
                write_bits(buffer, state, symbol & ((1 << k) - 1), k)
            else:
                write_bits(buffer, state, (1 << _ESCAPE) - 1, _ESCAPE)
                write_bits(buffer, state, symbol, SYMBOL_BITS)
            total, count = _follow(total, count, symbol)


@njit(cache=True)
def _follow(total: Whole, count: Whole, symbol: Whole) -> tuple[Whole, Whole]:
    if count == _HALVE_AT:
        return (total + symbol) >> 1, (count + 1) >> 1
    return total + symbol, count + 1


@njit(cache=True)
def read_base(image: Ints, before: Ints, limit: int, buffer: Bytes, state: State) -> bool:
    """Fill what :func:`write_base` wrote; False if a sample leaves [0, limit]."""
    total, count = _start(limit)
    for y in range(image.shape[0]):
        for x in range(image.shape[1]):
            k = _parameter(total, count)
            quotient = 0
            while quotient < _ESCAPE and take_bits(buffer, state, 1):
                quotient += 1
            if quotient < _ESCAPE:
                symbol = quotient << k | take_bits(buffer, state, k)
            else:
                symbol = take_bits(buffer, state, SYMBOL_BITS)
            turned = (symbol + 1) >> 1 if symbol & 1 else -(symbol >> 1)
            sample = _predicted(image, before, (y, x), limit) + turned
            if sample < 0 or sample > limit:
                return False
            image[y, x] = sample
            total, count = _follow(total, count, symbol)
    return True


def base_room(image: NDArray[np.int32]) -> int:
    """Bytes that :func:`write_base` takes at most."""
    return (image.size * (_ESCAPE + SYMBOL_BITS) + 7) // 8
