"""Least squares of a dozen unknowns, compiled: a call of LAPACK takes longer than they do."""

from __future__ import annotations

import numpy as np
from numba import njit

from codec.arrays import Floats, Reals

_RIDGE = 1e-4
"""Added to the diagonal, as a share of its mean: pairs that are alike share their weight."""

NEAR_PAIRS = 6

_LEAST_RIDGE = 1e-9
"""So that the equations have a solution where all is zero."""


@njit(cache=True)
def equations_of(products: Reals) -> Reals:
    """Normal equations as :func:`solve` takes them.

    Of the products of all two unknowns' factors and, last, the right side's: the lower triangle.
    """
    count = len(products) - 1
    equations = np.zeros((count, count + 1))
    for i in range(count):
        for j in range(i + 1):
            equations[i, j] = products[i, j]
        equations[i, count] = products[count, i]
    return equations


@njit(cache=True)
def solve(equations: Reals) -> Reals:
    """The solution of normal equations, slightly ridged.

    Args:
        equations: (unknowns, unknowns + 1): the lower triangle of a matrix that is positive
            semidefinite, and in the last column the right side. They are overwritten.
    """
    count = len(equations)
    trace = 0.0
    for i in range(count):
        trace += equations[i, i]
    for i in range(count):
        equations[i, i] += _RIDGE * trace / count + _LEAST_RIDGE
    _decompose(equations)
    solution = equations[:, count].copy()
    for i in range(count):
        for j in range(i):
            solution[i] -= equations[i, j] * solution[j]
        solution[i] /= equations[i, i]
    for i in range(count - 1, -1, -1):
        for j in range(i + 1, count):
            solution[i] -= equations[j, i] * solution[j]
        solution[i] /= equations[i, i]
    return solution


@njit(cache=True)
def _decompose(matrix: Reals) -> None:
    """Cholesky's lower triangular factor, in place; a pivot lost to rounding becomes the least."""
    count = len(matrix)
    for j in range(count):
        for i in range(j, count):
            total = matrix[i, j]
            for k in range(j):
                total -= matrix[i, k] * matrix[j, k]
            matrix[i, j] = np.sqrt(max(total, _LEAST_RIDGE)) if i == j else total / matrix[j, j]


@njit(cache=True, fastmath=True)
def add_activity(pairs: Floats, activity: Floats) -> None:
    """Add up the nearest pairs' distances from their mean, (pairs, samples), by sample."""
    for k in range(NEAR_PAIRS):
        for n in range(len(activity)):
            activity[n] += abs(pairs[k, n])


@njit(cache=True)
def least_activity(mean: float) -> np.float32:
    """What is added to every sample's activity, given the mean."""
    return np.float32(0.3 * mean + 1.0)


@njit(cache=True, fastmath=True)
def weigh(activity: Floats, least: np.float32) -> None:
    """Put weights in place of activities: edges are not to decide the kernel of the noise."""
    for n in range(len(activity)):
        spread = activity[n] + least
        activity[n] = np.float32(1.0) / (spread * np.sqrt(spread))


@njit(cache=True, fastmath=True)
def dot(first: Floats, second: Floats) -> np.float32:
    """The sum of products, of which normal equations are made."""
    total = np.float32(0.0)
    for n in range(len(first)):
        total += first[n] * second[n]
    return total
