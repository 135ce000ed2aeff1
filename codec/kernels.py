"""Which linear kernel predicts each phase of each level: the predictor's, or the frame's own.

Phases of at least 256 samples may carry kernels of their own. Per phase one bit says so; the
coefficients after the first follow as differences to the default, Rice-coded: zigzag, quotient in
unary, remainder in ``k`` bits, ``k`` in 4 bits before them.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from codec.arrays import Bytes, Ints, Longs, Reals, State
from codec.bitstream import take_bits, write_bits
from codec.errors import StreamError
from codec.lattice import NEIGHBOURHOODS, PREDICTED, REFERENCE_PAIRS, Planes
from codec.least_squares import draw, fit, quantised, residual_bits
from codec.linear import COEFFICIENT_BITS, COEFFICIENT_LIMIT, complete_kernel, is_bounded
from codec.moments import Moments
from codec.tiles import Tiling

DEFAULT_LEVELS = 3
"""The predictor has a set of default kernels for each of the finest levels; the last is for all
coarser ones too."""

COEFFICIENTS = max(NEIGHBOURHOODS[phase].shape[1] for phase in PREDICTED) // 2
_MIN_SAMPLES = 256
_K_BITS = 4


def default_kernel(defaults: NDArray[np.int32], level: int, phase: int) -> NDArray[np.int32]:
    """The predictor's kernel for a phase of a level."""
    pairs = NEIGHBOURHOODS[phase].shape[1] // 2
    return defaults[min(level, DEFAULT_LEVELS - 1), phase - 1, :pairs]


def referenced(kernel: NDArray[np.int32]) -> NDArray[np.int32]:
    """The kernel with coefficients for the frame before, which add nothing."""
    extended = np.zeros(len(kernel) + len(REFERENCE_PAIRS), np.int32)
    extended[: len(kernel)] = kernel
    return extended


def may_be_own(shape: tuple[int, int]) -> bool:
    """Whether a phase of this shape says which kernel it uses."""
    return shape[0] * shape[1] >= _MIN_SAMPLES


def fit_kernel(
    planes: Planes, level: int, phase: int, target: NDArray[np.int32], defaults: NDArray[np.int32]
) -> NDArray[np.int32]:
    """The kernel worth using: the frame's own where it saves more bits than it takes."""
    default = default_kernel(defaults, level, phase)
    if not may_be_own((target.shape[0], target.shape[1])):
        return default
    if planes.is_referenced:
        default = referenced(default)
    drawn = draw(planes, phase, target)
    own = fit(drawn)
    if own is None:
        return default
    by_default, by_own = residual_bits(drawn, default, own)
    return own if by_default - by_own > _sent_bits(own, default) else default


def class_kernels(
    moments: Moments, tiling: Tiling, default: NDArray[np.int32]
) -> NDArray[np.int32]:
    """The kernels worth using for each class, (classes, pairs)."""
    members = tiling.labels.reshape(-1) == np.arange(tiling.classes)[:, None]
    own = _quantised_all(moments.solve(members), default)
    tiles = moments.bits(np.concatenate([default[None], own]) / (1 << COEFFICIENT_BITS))
    return _worth_telling(own, default, members.astype(np.float64) @ tiles)


@njit(cache=True)
def _quantised_all(solutions: Reals, default: Ints) -> Ints:
    kernels = np.empty(solutions.shape, np.int32)
    for number in range(len(kernels)):
        kernel = quantised(solutions[number], len(default))
        kernels[number] = kernel if len(kernel) else default
    return kernels


@njit(cache=True)
def _worth_telling(own: Ints, default: Ints, bits: Reals) -> Ints:
    """Each class's own kernel, or the expected one where that takes no more, kernel included.

    ``bits`` are what a class takes under the default and under each class's own, (classes, 1 +
    classes).
    """
    kernels, expected = own.copy(), 0
    for number in range(len(own)):
        known = default if expected == 0 else own[0]
        if bits[number, expected] - bits[number, 1 + number] <= _sent_bits(own[number], known):
            kernels[number] = known
        elif number == 0:
            expected = 1
    return kernels


@njit(cache=True)
def write_kernels(kernels: Ints, default: Ints, buffer: Bytes, state: State) -> None:
    """Tell the kernels of all classes: the first by the default, the others by the first."""
    for number in range(len(kernels)):
        write_kernel(kernels[number], kernels[0] if number else default, buffer, state)


def read_kernels(
    classes: int,
    default: NDArray[np.int32],
    own: int,
    buffer: NDArray[np.uint8],
    state: NDArray[np.uint64],
) -> NDArray[np.int32]:
    """The kernels of all classes, whose first ``own`` coefficients are of the frame itself.

    Raises:
        StreamError: coefficients are out of bounds.
    """
    kernels = np.empty((classes, len(default)), np.int32)
    if not _read_kernels(kernels, default, own, buffer, state):
        raise StreamError("a linear kernel is out of bounds")
    return kernels


@njit(cache=True)
def _read_kernels(kernels: Ints, default: Ints, own: int, buffer: Bytes, state: State) -> bool:
    """Fill in all kernels; False if one is out of bounds."""
    bounded = True
    for number in range(len(kernels)):
        kernels[number] = kernels[0] if number else default
        bounded &= _read_kernel(kernels[number], own, buffer, state)
    return bounded


@njit(cache=True)
def _read_kernel(kernel: Ints, own: int, buffer: Bytes, state: State) -> bool:
    """Change a kernel from what is expected to what is told; False if it is out of bounds."""
    if not take_bits(buffer, state, 1):
        return True
    k = int(take_bits(buffer, state, _K_BITS))
    free = np.empty(len(kernel) - 1, np.int64)
    _read_rice(free, k, buffer, state)
    for i in range(len(free)):
        value = free[i]
        free[i] = kernel[i + 1] + (-((value + 1) >> 1) if value & 1 else value >> 1)
        if abs(free[i]) >= COEFFICIENT_LIMIT:
            return False
    kernel[:] = complete_kernel(free, own)
    return is_bounded(kernel, own)


@njit(cache=True)
def _zigzag(kernel: Ints, default: Ints) -> Longs:
    values = np.empty(len(kernel) - 1, np.int64)
    for i in range(len(values)):
        difference = np.int64(kernel[i + 1]) - default[i + 1]
        values[i] = -2 * difference - 1 if difference < 0 else 2 * difference
    return values


@njit(cache=True)
def _rice(values: Longs) -> tuple[int, int]:
    """The best parameter and the bits that it takes."""
    best, least = 0, 1 << 62
    for k in range(1 << _K_BITS):
        bits = len(values) * (1 + k)
        for value in values:
            bits += value >> k
        if bits < least:
            best, least = k, bits
    return best, least


@njit(cache=True)
def _sent_bits(kernel: Ints, default: Ints) -> int:
    return _K_BITS + _rice(_zigzag(kernel, default))[1]


@njit(cache=True)
def write_kernel(kernel: Ints, default: Ints, buffer: Bytes, state: State) -> None:
    """Tell one kernel."""
    if np.array_equal(kernel, default):
        write_bits(buffer, state, 0, 1)
        return
    write_bits(buffer, state, 1, 1)
    values = _zigzag(kernel, default)
    k, _ = _rice(values)
    write_bits(buffer, state, k, _K_BITS)
    _write_rice(values, k, buffer, state)


@njit(cache=True)
def _write_rice(values: Longs, k: int, buffer: Bytes, state: State) -> None:
    for value in values:
        for _ in range(value >> k):
            write_bits(buffer, state, 1, 1)
        write_bits(buffer, state, 0, 1)
        write_bits(buffer, state, value & ((1 << k) - 1), k)


@njit(cache=True)
def _read_rice(values: Longs, k: int, buffer: Bytes, state: State) -> None:
    for i in range(len(values)):
        quotient = 0
        while quotient < 4 * COEFFICIENT_LIMIT and take_bits(buffer, state, 1):
            quotient += 1
        values[i] = quotient << k | take_bits(buffer, state, k)
