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

_BITS_PER_RATIO = 0.5 / np.log(2.0)
"""What a sample takes more, in bits, for a share of energy more."""


@njit(cache=True)
def rounded(products: Reals, added: float, samples: float, own: int, expected: Ints) -> Ints:
    """The kernel that leaves least, telling it included; empty where it is out of bounds.

    Args:
        products: weighted, of all two of the pairs' differences and, last, the sample's,
            (pairs + 1, pairs + 1), the lower triangle.
        added: what rounding adds to any residual's energy.
        samples: how many the kernel is for.
        own: how many pairs are the frame's own.
        expected: the kernel by whose differences it is told.
    """
    equations = _free(products, own)
    right = equations[:, -1].copy()
    solution = solve(equations)
    energy = _energy(products) - (solution * right).sum() + added
    price = samples * _BITS_PER_RATIO / max(energy, 1e-12)
    best, least = np.empty(0, np.int32), 1e300
    for shift in range(MAX_SHIFT + 1):
        steps, cost = _steps(equations, solution, expected, shift, price)
        told = rice(steps)[1] + cost
        if told < least:
            free = expected[1:] + (steps << shift)
            if np.abs(free).max() < COEFFICIENT_LIMIT:
                kernel = complete_kernel(free, own)
                if is_bounded(kernel, own):
                    best, least = kernel, told
    return best


@njit(cache=True)
def _energy(products: Reals) -> float:
    """Of what is left of the samples by the first pair alone."""
    last = len(products) - 1
    return float(products[last, last] - products[last, 0] + 0.25 * products[0, 0])


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
    factor: Reals, solution: Reals, expected: Ints, shift: int, price: float
) -> tuple[Longs, float]:
    """Differences to what is expected, in units of ``1 << shift``, and what they cost in bits."""
    count, unit = len(solution), float(1 << shift) / (1 << COEFFICIENT_BITS)
    steps, errors, cost = np.empty(count, np.int64), np.empty(count), 0.0
    for i in range(count - 1, -1, -1):
        wanted = solution[i]
        for j in range(i + 1, count):
            wanted -= factor[j, i] * errors[j] / factor[i, i]
        known = expected[i + 1] / (1 << COEFFICIENT_BITS)
        place = (wanted - known) / unit
        weight = price * (factor[i, i] * unit) ** 2
        step = np.floor(max(abs(place) + 0.5 - 0.5 / max(weight, 1e-12), 0.0))
        steps[i] = np.int64(step if place > 0 else -step)
        cost += weight * (place - steps[i]) ** 2
        errors[i] = known + steps[i] * unit - solution[i]
    return steps, cost
