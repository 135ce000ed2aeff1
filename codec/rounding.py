"""The encoder's rounding of a fitted kernel: as coarsely as telling it exactly would not pay.

A coefficient that is off by a little costs a frame of few samples less than the bits that tell it.
Coefficients are rounded one after another, each to where the ones not yet rounded make up best for
those that are (Babai, Combinatorica 6(1), 1986: the nearest plane), or nearer to what is expected
if that saves more bits than it costs.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from codec.arrays import Ints, Longs, Reals
from codec.kernel_codes import MAX_SHIFT, rice
from codec.linear import COEFFICIENT_BITS, COEFFICIENT_LIMIT, complete_kernel, is_bounded
from codec.solving import solve

ROUNDING = 0.08
"""Mean square of what rounding to whole samples adds to a residual: a twelfth."""

_BITS_PER_RATIO = 0.3 / np.log(2.0)
"""What a sample takes more, in bits, for a share of energy more: half of a logarithm, less what the
network makes up for. With :data:`codec.kernels._WORTH`, 199 small frames to train on take 0.02%
less than by 0.5 and 1; lower shares and higher thresholds save nothing more."""

Judged = tuple[Reals, Reals, float]
"""See :func:`judge`."""

_UNIT = 1.0 / (1 << COEFFICIENT_BITS)


@njit(cache=True)
def told_kernel(
    products: Reals, own: int, price: tuple[float, float], defaults: Ints
) -> tuple[int, Ints]:
    """The nearest default's number, and the :func:`rounded` kernel by its differences to it.

    See :func:`judge`.
    """
    judged = judge(products, own, price)
    number = nearest(judged, defaults)
    return number, rounded(judged, own, defaults[number])


@njit(cache=True)
def rounded(judged: Judged, own: int, expected: Ints) -> Ints:
    """The kernel that leaves least, telling it included; empty where it is out of bounds.

    Args:
        judged: what kernels cost, see :func:`judge`.
        own: how many pairs are the frame's own.
        expected: the kernel by whose differences it is told.
    """
    factor, solution, bits = judged
    best, least = np.empty(0, np.int32), 1e300
    for shift in range(MAX_SHIFT + 1):
        steps, cost = _steps(factor, solution, expected, shift, bits)
        told = rice(steps)[1] + cost
        free = expected[1:] + (steps << shift)
        if told < least and np.abs(free).max() < COEFFICIENT_LIMIT:
            kernel = complete_kernel(free, own)
            if is_bounded(kernel, own):
                best, least = kernel, told
    return best


@njit(cache=True)
def nearest(judged: Judged, kernels: Ints) -> int:
    """Which of some kernels (kernels, pairs) leaves least."""
    factor, solution, _ = judged
    best, least = 0, 1e300
    for number in range(len(kernels)):
        cost = excess(factor, kernels[number, 1:] * _UNIT - solution)
        if cost < least:
            best, least = number, cost
    return best


@njit(cache=True)
def judge(products: Reals, own: int, price: tuple[float, float]) -> Judged:
    """What any kernel costs: by how much its coefficients after the first miss the best ones.

    Args:
        products: weighted, of all two of the pairs' differences and, last, the sample's,
            (pairs + 1, pairs + 1), the lower triangle.
        own: how many pairs are the frame's own.
        price: how many samples the kernel is for, and what rounding adds to a residual's energy.

    Returns:
        The factor that makes :func:`excess` of misses, the best coefficients, in units of one, and
        the bits that an excess of one costs.
    """
    samples, added = price
    factor = _free(products, own)
    right = factor[:, -1].copy()
    solution = solve(factor)
    last = len(products) - 1
    alone = products[last, last] - products[last, 0] + 0.25 * products[0, 0]
    energy = alone - (solution * right).sum() + added
    return factor, solution, samples * _BITS_PER_RATIO / max(energy, 1e-12)


@njit(cache=True)
def excess(factor: Reals, missed: Reals) -> float:
    """The energy that coefficients leave beyond what the best leave, from which they are off."""
    total = 0.0
    for i in range(len(missed)):
        part = 0.0
        for j in range(i, len(missed)):
            part += factor[j, i] * missed[j]
        total += part * part
    return total


@njit(cache=True)
def _free(products: Reals, own: int) -> Reals:
    """The equations of all coefficients but the first, which follows from them."""
    count = len(products) - 2
    equations = np.empty((count, count + 1))
    for i in range(count):
        for j in range(i + 1):
            total = products[i + 1, j + 1]
            if j < own - 1:
                total -= products[i + 1, 0]
            if i < own - 1:
                total += products[0, 0] - products[j + 1, 0]
            equations[i, j] = total
        right = products[count + 1, i + 1] - 0.5 * products[i + 1, 0]
        if i < own - 1:
            right -= products[count + 1, 0] - 0.5 * products[0, 0]
        equations[i, count] = right
    return equations


@njit(cache=True)
def _steps(
    factor: Reals, solution: Reals, expected: Ints, shift: int, bits: float
) -> tuple[Longs, float]:
    """Differences to what is expected, in units of ``1 << shift``, and what they cost in bits.

    A step more is worth about a bit: with that price on its size, the best size is less by half
    a bit's worth.
    """
    count, unit = len(solution), (1 << shift) * _UNIT
    steps, missed, cost = np.empty(count, np.int64), np.empty(count), 0.0
    for i in range(count - 1, -1, -1):
        wanted = solution[i]
        made_up = 0.0
        for j in range(i + 1, count):
            made_up += factor[j, i] * missed[j]
        wanted -= made_up / factor[i, i]
        place = (wanted - expected[i + 1] * _UNIT) / unit
        weight = bits * (factor[i, i] * unit) ** 2
        step = np.floor(max(abs(place) + 0.5 - 0.5 / max(weight, 1e-12), 0.0))
        steps[i] = np.int64(step if place > 0 else -step)
        cost += weight * (place - steps[i]) ** 2
        missed[i] = expected[i + 1] * _UNIT + steps[i] * unit - solution[i]
    return steps, cost
