"""The linear base: each sample as a weighted sum of its nearest known ones, in exact integers.

The two samples of a mirrored pair share one coefficient: the autocorrelation of a stationary image
is symmetric under a half turn, so the best kernel is too, and only half of it needs to be sent.
Coefficients are integers in units of ``1 / 2**COEFFICIENT_BITS`` and a kernel sums to one, so that
offsets pass through unchanged. Predictions are fixed point, in sixteenths.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from codec.arrays import Floats, Ints, Longs, Reals
from codec.lattice import NEIGHBOURHOODS, Planes

COEFFICIENT_BITS = 9
FRACTION_BITS = 4
MAX_WEIGHT = 1 << 15
"""Bound of a kernel's sum of magnitudes: with 16-bit samples, sums stay within 31 bits."""

COEFFICIENT_LIMIT = 1 << 12
_FIT_SAMPLES = 8_000
_NEAR_PAIRS = 6
_CHUNK = 1024
"""Positions whose sums stay in the first-level cache."""


def complete_kernel(free: NDArray[np.int64]) -> NDArray[np.int32]:
    """The kernel whose coefficients after the first are ``free``; the first makes it sum to one."""
    first = (1 << (COEFFICIENT_BITS - 1)) - int(free.sum())
    return np.array([first, *free], np.int32)


def is_bounded(kernel: NDArray[np.int32]) -> bool:
    """Whether no 16-bit image can carry the sums out of 31 bits."""
    return 2 * int(np.abs(kernel.astype(np.int64)).sum()) < MAX_WEIGHT


def predict(planes: Planes, phase: int, kernel: NDArray[np.int32], limit: int) -> NDArray[np.int32]:
    """The linear prediction of one phase, in sixteenths, clamped to [0, 16 * limit]."""
    shape = planes.layout.shape(planes.shape, phase)
    band = predict_band(planes, phase, kernel, limit, slice(0, shape[0]))
    return band[planes.positions(phase)].reshape(shape)


def predict_band(
    planes: Planes, phase: int, kernel: NDArray[np.int32], limit: int, rows: slice
) -> NDArray[np.int32]:
    """The same of some rows, flat, with the border between them, ``planes.stride`` to a row."""
    columns = planes.layout.shape(planes.shape, phase)[1]
    predicted = np.empty((rows.stop - rows.start - 1) * planes.stride + columns, np.int32)
    offsets = planes.offsets(phase, rows.start)
    _predict(planes.values.reshape(-1), offsets, kernel, limit << FRACTION_BITS, predicted)
    return predicted


@njit(cache=True)
def _predict(values: Ints, offsets: Longs, kernel: Ints, ceiling: int, predicted: Ints) -> None:
    half = np.int32(1 << (COEFFICIENT_BITS - FRACTION_BITS - 1))
    shift = np.int32(COEFFICIENT_BITS - FRACTION_BITS)
    top = np.int32(ceiling)
    for start in range(0, len(predicted), _CHUNK):
        total = predicted[start : start + _CHUNK]
        count = len(total)
        total[:] = half
        for k in range(len(kernel)):
            a, b = offsets[2 * k] + start, offsets[2 * k + 1] + start
            first, second = values[a : a + count], values[b : b + count]
            weight = kernel[k]
            for i in range(count):
                total[i] += weight * np.int32(first[i] + second[i])
        for i in range(count):
            total[i] = min(max(total[i] >> shift, np.int32(0)), top)


@dataclass(frozen=True, slots=True)
class Drawn:
    """Some samples of a phase, for choosing its kernel.

    All are relative to the mean of the two nearest pairs, so that float32 holds them exactly.

    Attributes:
        differences: float32 (samples, pairs), sums of the pairs.
        wanted: float32 (samples,), the samples themselves.
        share: how many of the phase's samples each stands for.
    """

    differences: NDArray[np.float32]
    wanted: NDArray[np.float32]
    share: float


def draw(planes: Planes, phase: int, target: NDArray[np.int32]) -> Drawn:
    """Evenly strided samples of a phase, at most _FIT_SAMPLES."""
    near = NEIGHBOURHOODS[phase]
    stride = max(1, -(-target.size // _FIT_SAMPLES))
    count = -(-target.size // stride)
    pairs = np.empty((count, near.shape[1] // 2), np.float32)
    wanted = np.empty(count, np.float32)
    _gather(planes.values, near, target, stride, pairs, wanted)
    centre = (pairs[:, 0] + pairs[:, 1]) * np.float32(0.25)
    pairs -= 2 * centre[:, None]
    wanted -= centre
    return Drawn(pairs, wanted, target.size / max(count, 1))


@njit(cache=True)
def _gather(
    values: Ints, places: Longs, target: Ints, stride: int, pairs: Floats, wanted: Floats
) -> None:
    width = target.shape[1]
    for n in range(len(wanted)):
        y, x = divmod(n * stride, width)
        for k in range(pairs.shape[1]):
            a, b = 2 * k, 2 * k + 1
            first = values[places[0, a], y + places[1, a], x + places[2, a]]
            second = values[places[0, b], y + places[1, b], x + places[2, b]]
            pairs[n, k] = first + second
        wanted[n] = target[y, x]


def fit(drawn: Drawn) -> NDArray[np.int32] | None:
    """The weighted-least-squares kernel of one phase, or None where there is nothing to fit.

    Weights fall with the local activity, so that edges do not decide the kernel of the noise. Only
    the encoder calls this: floats are allowed, since the rounded coefficients are sent.
    """
    count = drawn.differences.shape[1]
    normal, moments = np.zeros((count, count)), np.zeros(count)
    if not _accumulate(drawn.differences, drawn.wanted, normal, moments):
        return None
    ridge = 1e-4 * np.trace(normal) / count + 1e-9
    return _quantised(np.linalg.solve(normal + ridge * np.eye(count), moments))


@njit(cache=True)
def _accumulate(differences: Floats, wanted: Floats, normal: Reals, moments: Reals) -> bool:
    """Sum up the weighted normal equations; False where all samples equal their neighbours.

    A compiled loop, since a BLAS may start threads for it, which cost more than it takes.
    """
    activity = np.abs(differences[:, :_NEAR_PAIRS]).sum(axis=1)
    mean = activity.mean()
    if mean == 0:
        return False
    for n in range(len(wanted)):
        spread = activity[n] + 0.3 * mean + 1.0
        weight = 1.0 / (spread * np.sqrt(spread))
        for i in range(len(moments)):
            weighted = weight * differences[n, i]
            moments[i] += weighted * wanted[n]
            for j in range(len(moments)):
                normal[i, j] += weighted * differences[n, j]
    return True


def residual_bits(drawn: Drawn, *kernels: NDArray[np.int32]) -> NDArray[np.float64]:
    """About how many bits a phase takes under each kernel: log2 of the residuals' magnitudes."""
    coefficients = np.stack(kernels).astype(np.float32) * np.float32(2.0**-COEFFICIENT_BITS)
    bits = np.zeros(len(kernels))
    _residual_bits(drawn.differences, drawn.wanted, coefficients, bits)
    return bits * drawn.share


@njit(cache=True)
def _residual_bits(differences: Floats, wanted: Floats, coefficients: Floats, bits: Reals) -> None:
    for n in range(len(wanted)):
        for k in range(len(bits)):
            residual = wanted[n]
            for i in range(differences.shape[1]):
                residual -= coefficients[k, i] * differences[n, i]
            bits[k] += np.log2(abs(residual) + 0.25)


def _quantised(solution: NDArray[np.float64]) -> NDArray[np.int32] | None:
    """Kernel of the solved difference weights; the centre is the mean of the two nearest pairs."""
    kernel = solution.copy()
    kernel[:2] += 0.25 * (1.0 - 2.0 * solution.sum())
    scaled = np.rint(kernel[1:] * (1 << COEFFICIENT_BITS))
    if np.abs(scaled).max(initial=0) >= COEFFICIENT_LIMIT:
        return None
    completed = complete_kernel(scaled.astype(np.int64))
    return completed if is_bounded(completed) else None
