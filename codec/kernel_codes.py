"""How kernels are told: by their differences to what is expected, Rice-coded.

Three bits name the default that is expected of the first. Per kernel one bit says whether it is
another than expected. If so, 3 bits tell the unit of its differences, a power of two, and 3 the
Rice parameter ``k``; then each coefficient's difference after the first: zigzag, quotient in unary,
remainder in ``k`` bits.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from codec.arrays import Bytes, Ints, Longs, State, Whole
from codec.bitstream import take_bits, write_bits
from codec.linear import COEFFICIENT_LIMIT, complete_kernel, is_bounded

SET_BITS = 3
_SHIFT_BITS = 3
_K_BITS = 3

MAX_SHIFT = (1 << _SHIFT_BITS) - 1


@njit(cache=True)
def write_all(kernels: Ints, default: int, defaults: Ints, buffer: Bytes, state: State) -> None:
    """Tell which default there is, then the kernels of all classes.

    The first by the default, the others by the first.
    """
    write_bits(buffer, state, default, SET_BITS)
    for number in range(len(kernels)):
        known = kernels[0] if number else defaults[default]
        _write_kernel(kernels[number], known, buffer, state)


@njit(cache=True)
def read_all(
    kernels: Ints, defaults: Ints, own: int, buffer: Bytes, state: State
) -> tuple[int, bool]:
    """Fill in all kernels; the default's number, and False if one is out of bounds."""
    default, bounded = int(take_bits(buffer, state, SET_BITS)), True
    for number in range(len(kernels)):
        kernels[number] = kernels[0] if number else defaults[default]
        bounded &= _read_kernel(kernels[number], own, buffer, state)
    return default, bounded


@njit(cache=True)
def _read_kernel(kernel: Ints, own: int, buffer: Bytes, state: State) -> bool:
    """Change a kernel from what is expected to what is told; False if it is out of bounds."""
    if not take_bits(buffer, state, 1):
        return True
    shift = int(take_bits(buffer, state, _SHIFT_BITS))
    k = int(take_bits(buffer, state, _K_BITS))
    free = np.empty(len(kernel) - 1, np.int64)
    _read_rice(free, k, buffer, state)
    for i in range(len(free)):
        steps = -((free[i] + 1) >> 1) if free[i] & 1 else free[i] >> 1
        free[i] = kernel[i + 1] + (steps << shift)
        if abs(free[i]) >= COEFFICIENT_LIMIT:
            return False
    kernel[:] = complete_kernel(free, own)
    return is_bounded(kernel, own)


@njit(cache=True)
def _steps(kernel: Ints, expected: Ints) -> tuple[Longs, int]:
    """The differences to what is expected in the largest unit that divides all, and its shift."""
    steps, common = np.empty(len(kernel) - 1, np.int64), 1 << MAX_SHIFT
    for i in range(len(steps)):
        steps[i] = np.int64(kernel[i + 1]) - expected[i + 1]
        common |= steps[i]
    shift = 0
    while not common >> shift & 1:
        shift += 1
    return steps >> shift, shift


@njit(cache=True)
def rice(steps: Longs) -> tuple[int, int]:
    """The best Rice parameter for differences, and the bits that these take."""
    best, least = 0, 1 << 62
    for k in range(1 << _K_BITS):
        bits = len(steps) * (1 + k)
        for step in steps:
            bits += _zigzag(step) >> k
        if bits >= least:
            break
        best, least = k, bits
    return best, least


@njit(cache=True, inline="always")
def _zigzag(step: Whole) -> Whole:
    return -2 * step - 1 if step < 0 else 2 * step


@njit(cache=True)
def told_bits(kernel: Ints, expected: Ints) -> int:
    """What telling a kernel that is another than expected takes, beyond the bit that says so."""
    return _SHIFT_BITS + _K_BITS + rice(_steps(kernel, expected)[0])[1]


@njit(cache=True)
def _write_kernel(kernel: Ints, expected: Ints, buffer: Bytes, state: State) -> None:
    """Tell one kernel."""
    if np.array_equal(kernel, expected):
        write_bits(buffer, state, 0, 1)
        return
    write_bits(buffer, state, 1, 1)
    steps, shift = _steps(kernel, expected)
    k, _ = rice(steps)
    write_bits(buffer, state, shift, _SHIFT_BITS)
    write_bits(buffer, state, k, _K_BITS)
    _write_rice(steps, k, buffer, state)


@njit(cache=True)
def _write_rice(steps: Longs, k: int, buffer: Bytes, state: State) -> None:
    for step in steps:
        value = _zigzag(step)
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
