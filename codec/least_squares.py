"""The encoder's choice of a linear kernel: least squares on some of a phase's samples.

Only the encoder fits: floats are allowed, since the rounded coefficients are sent.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from codec.arrays import Floats, Ints, Longs, Reals
from codec.lattice import NEIGHBOURHOODS, Planes
from codec.linear import COEFFICIENT_BITS, COEFFICIENT_LIMIT, complete_kernel, is_bounded
from codec.rounding import ROUNDING, Judged, judge, told_kernel
from codec.solving import add_activity, dot, equations_of, least_activity, solve, weigh

_FIT_SAMPLES = 5_000
"""Of the same images, 8,000 save 0.01% and take 2% of the encoder's time."""

_RUN = 32
"""Samples side by side that are drawn together: of 8 series and 31 images to train on, runs of 8 to
64 give sizes within 0.09% of each other, and runs of 8 take more than twice as long to read."""

_GOLDEN = 0.6180339887


@dataclass(frozen=True, slots=True)
class Drawn:
    """Some samples of a phase, for choosing its kernel.

    All are relative to the mean of the two nearest pairs, so that float32 holds them exactly.

    Attributes:
        differences: float32 (pairs, samples), sums of the pairs; those of the frame before are
            relative to its sample at the same place.
        wanted: float32 (samples,), the samples themselves.
        own: how many pairs are the frame's own.
        share: how many of the phase's samples each stands for.
    """

    differences: NDArray[np.float32]
    wanted: NDArray[np.float32]
    own: int
    share: float


def draw(
    planes: Planes, phase: int, target: NDArray[np.int32], wanted: int = _FIT_SAMPLES
) -> Drawn:
    """About so many samples of a phase in short runs spread evenly over it, or all."""
    rows, columns = target.shape
    run = columns if target.size <= wanted else min(columns, _RUN)
    taken = min(rows * columns, wanted) // run
    offsets = planes.offsets_with_reference(phase, 0)
    own = NEIGHBOURHOODS[phase].shape[1] // 2
    pairs = np.empty((len(offsets) // 2, taken * run), np.float32)
    samples = np.empty(taken * run, np.float32)
    _gather(planes.flat, offsets, planes.stride, target, (run, own), (pairs, samples))
    if planes.is_referenced:
        pairs[own:-1] -= pairs[-1]
        pairs = pairs[:-1]
    return Drawn(pairs, samples, own, target.size / (taken * run))


@njit(cache=True)
def _gather(
    values: Ints,
    offsets: Longs,
    stride: int,
    target: Ints,
    counts: tuple[int, int],
    drawn: tuple[Floats, Floats],
) -> None:
    """``counts`` are the samples of a run, and the pairs of the frame itself."""
    pairs, wanted = drawn
    run, own = counts
    rows, columns = target.shape
    taken = len(wanted) // run
    for n in range(taken):
        y, x = n * rows // taken, np.int64(n * _GOLDEN % 1.0 * (columns - run + 1))
        here = slice(n * run, (n + 1) * run)
        place = y * stride + x
        for k in range(len(pairs)):
            a, b = offsets[2 * k] + place, offsets[2 * k + 1] + place
            first, second, pair = values[a : a + run], values[b : b + run], pairs[k, here]
            for i in range(run):
                pair[i] = np.int32(first[i] + second[i])
        nearest, next_nearest, sample = pairs[0, here], pairs[1, here], wanted[here]
        centre = (nearest + next_nearest) * np.float32(0.25)
        for i in range(run):
            sample[i] = target[y, x + i] - centre[i]
        for k in range(own):
            pair = pairs[k, here]
            for i in range(run):
                pair[i] -= np.float32(2.0) * centre[i]


def fit(drawn: Drawn) -> NDArray[np.int32] | None:
    """The weighted-least-squares kernel of one phase, or None where there is nothing to fit.

    Weights fall with the local activity, so that edges do not decide the kernel of the noise. Only
    the encoder calls this: floats are allowed, since the rounded coefficients are sent.
    """
    products, weight = _products(drawn.differences, drawn.wanted)
    if weight == 0.0:
        return None
    kernel = _solved(products, drawn.own)
    return kernel if len(kernel) else None


def fit_to_tell(drawn: Drawn, defaults: NDArray[np.int32]) -> tuple[int, NDArray[np.int32]] | None:
    """The same, rounded to what is worth telling by differences to the nearest of some defaults.

    Returns:
        The number of that default, and the kernel.
    """
    products, weight = _products(drawn.differences, drawn.wanted)
    if weight == 0.0:
        return None
    price = (drawn.share * len(drawn.wanted), ROUNDING * weight)
    number, kernel = told_kernel(products, drawn.own, price, defaults)
    return (number, kernel) if len(kernel) else None


def judge_drawn(drawn: Drawn, most: float) -> Judged | None:
    """What other kernels than the best cost, see :func:`codec.rounding.judge`.

    As for at most so many samples; None where there is nothing to fit.
    """
    products, weight = _products(drawn.differences, drawn.wanted)
    if weight == 0.0:
        return None
    samples = min(drawn.share * len(drawn.wanted), most)
    judged: Judged = judge(products, drawn.own, (samples, ROUNDING * weight))
    return judged


@njit(cache=True)
def _solved(products: Reals, own: int) -> Ints:
    return quantised(solve(equations_of(products)), own)


@njit(cache=True, fastmath=True)
def _products(differences: Floats, wanted: Floats) -> tuple[Reals, float]:
    """Weighted products of all two pairs and, last, the samples: the lower triangle.

    With the sum of the weights, or 0 where all samples equal their neighbours. A compiled loop,
    since a BLAS may start threads for it, which cost more than it takes.
    """
    count = len(differences)
    products = np.zeros((count + 1, count + 1))
    activity = np.zeros(len(wanted), np.float32)
    add_activity(differences, activity)
    mean = activity.mean()
    if mean == 0:
        return products, 0.0
    weigh(activity, least_activity(mean))
    weighted = np.empty(len(wanted), np.float32)
    for i in range(count):
        for n in range(len(wanted)):
            weighted[n] = activity[n] * differences[i, n]
        for j in range(i, count):
            products[j, i] = dot(weighted, differences[j])
        products[count, i] = dot(weighted, wanted)
    for n in range(len(wanted)):
        weighted[n] = activity[n] * wanted[n]
    products[count, count] = dot(weighted, wanted)
    return products, activity.sum()


def residual_bits(drawn: Drawn, *kernels: NDArray[np.int32]) -> NDArray[np.float64]:
    """About how many bits a phase takes under each kernel: log2 of the residuals' magnitudes."""
    coefficients = np.array(kernels, np.float32) * np.float32(2.0**-COEFFICIENT_BITS)
    bits = np.zeros(len(kernels))
    _residual_bits(drawn.differences, drawn.wanted, coefficients, bits)
    return bits * drawn.share


@njit(cache=True, fastmath=True)
def _residual_bits(differences: Floats, wanted: Floats, coefficients: Floats, bits: Reals) -> None:
    """Of a logarithm the float's exponent and, linearly, its mantissa: within 0.09 bits."""
    residual = np.empty(len(wanted), np.float32)
    for k in range(len(bits)):
        residual[:] = wanted
        for i in range(len(differences)):
            for n in range(len(wanted)):
                residual[n] -= coefficients[k, i] * differences[i, n]
        for n in range(len(wanted)):
            residual[n] = abs(residual[n]) + np.float32(0.25)
        total = np.int64(0)
        for pattern in residual.view(np.int32):
            total += pattern
        bits[k] = total / (1 << 23) - 127.0 * len(wanted)


@njit(cache=True)
def quantised(solution: Reals, own: int) -> Ints:
    """The kernel of solved difference weights, empty where it is out of bounds.

    The differences are to the mean of the two nearest pairs. The first ``own`` are of the frame
    itself.
    """
    kernel = solution.copy()
    kernel[:2] += 0.25 * (1.0 - 2.0 * solution[:own].sum())
    scaled = np.rint(kernel[1:] * (1 << COEFFICIENT_BITS))
    if np.abs(scaled).max() >= COEFFICIENT_LIMIT:
        return np.empty(0, np.int32)
    completed = complete_kernel(scaled.astype(np.int64), own)
    return completed if is_bounded(completed, own) else np.empty(0, np.int32)
