"""Default linear kernels: of each level and phase a set that between them suit most images.

The images' least-squares kernels are sorted by which default costs them least, and each default is
then made anew of those it suits, in turns (Lloyd's algorithm, with the bits that a default costs as
the distance). The first is the median of all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from codec.kernels import DEFAULT_LEVELS, DEFAULTS_SHAPE, may_be_own
from codec.lattice import (
    NEIGHBOURHOODS,
    Planes,
    Split,
    layout_of_split,
    pyramid,
    turned,
)
from codec.least_squares import draw, judge_drawn
from codec.linear import COEFFICIENT_BITS, complete_kernel
from codec.rounding import excess
from codec.splits import choose_splits
from models.training.images import Samples
from models.training.ranks import Ranks

_MOST_SAMPLES = 4096
"""Larger phases count as much as one of so many: they rather tell kernels of their own."""

_TURNS = 12
_TOLD_BITS = 80.0
"""About what telling a kernel takes: a default that costs more is of no use."""


@dataclass(frozen=True, slots=True)
class Fitted:
    """A phase's best kernel, and what others cost it.

    Attributes:
        factor: see :func:`codec.rounding.excess`.
        free: its coefficients after the first, in units of one.
        bits: what an excess of one costs.
    """

    factor: NDArray[np.float64]
    free: NDArray[np.float64]
    bits: float

    def cost(self, free: NDArray[np.float64]) -> float:
        """Bits that a kernel costs more than the best."""
        return self.bits * excess(self.factor, free - self.free)


_Place = tuple[bool, int, int]
"""Whether a default kernel is for frames that refer to the one before, its level and phase."""


def plain_kernels() -> NDArray[np.int32]:
    """The mean of the two nearest pairs, everywhere: where training starts."""
    kernels = np.zeros(DEFAULTS_SHAPE, np.int32)
    kernels[..., :2] = 1 << (COEFFICIENT_BITS - 2)
    return kernels


def trained_kernels(frames: Sequence[Samples], ranks: Ranks) -> NDArray[np.int32]:
    """Defaults of codec.kernels.DEFAULTS_SHAPE.

    Args:
        frames: all, on every rank; each fits its share.
        ranks: who trains.
    """
    fitted: dict[_Place, list[Fitted]] = {}
    for found in ranks.whole([_fitted(frame) for frame in ranks.share(frames)]):
        for place, fit in found:
            fitted.setdefault(place, []).append(fit)
    kernels = plain_kernels()
    for (is_referenced, number, phase), of_place in fitted.items():
        own = NEIGHBOURHOODS[phase].shape[1] // 2
        for i, free in enumerate(_suiting(of_place, DEFAULTS_SHAPE[3])):
            scaled = np.rint(free * (1 << COEFFICIENT_BITS)).astype(np.int64)
            kernel = complete_kernel(scaled, own)
            kernels[int(is_referenced), number, phase - 1, i, : len(kernel)] = kernel
    return kernels


def _suiting(fitted: Sequence[Fitted], count: int) -> list[NDArray[np.float64]]:
    """So many kernels of which one costs each phase little; the first is the median."""
    drawn = np.random.default_rng(0).integers(0, len(fitted), count - 1)
    centres: list[NDArray[np.float64]] = [np.median([fit.free for fit in fitted], axis=0)]
    centres += [fitted[number].free for number in drawn]
    for _ in range(_TURNS):
        costs = np.array([[fit.cost(centre) for centre in centres] for fit in fitted])
        nearest = np.minimum(costs, _TOLD_BITS).argmin(axis=1)
        for number in range(1, count):
            members = [i for i, suited in enumerate(nearest) if suited == number]
            if members:
                weights = [1 / (1 + 2 * costs[i, number] / _TOLD_BITS) for i in members]
                centres[number] = _middle([fitted[i] for i in members], weights)
    return centres


def _middle(fitted: Sequence[Fitted], weights: Sequence[float]) -> NDArray[np.float64]:
    """The kernel that costs some phases least."""
    count = len(fitted[0].free)
    matrix, right = np.zeros((count, count)), np.zeros(count)
    for fit, weight in zip(fitted, weights, strict=True):
        lower = np.tril(fit.factor[:, :count])
        share = weight * fit.bits * (lower @ lower.T)
        matrix += share
        right += share @ fit.free
    return np.asarray(np.linalg.solve(matrix, right), np.float64)


def _fitted(frame: Samples) -> list[tuple[_Place, Fitted]]:
    splits = choose_splits(frame.samples)
    levels = pyramid(frame.samples, splits)[:-1]
    before = [] if frame.reference is None else pyramid(frame.reference, splits)
    found = []
    for number, image in enumerate(levels):
        for reference in (None, *before[number : number + 1]):
            level = min(number, DEFAULT_LEVELS - 1)
            for split in Split:
                known = None if reference is None else turned(reference, split)
                for phase, fit in _of_level(turned(image, split), split, known).items():
                    found.append(((reference is not None, level, phase), fit))
    return found


def _of_level(
    image: NDArray[np.int32], split: Split, reference: NDArray[np.int32] | None
) -> dict[int, Fitted]:
    """The kernel of each phase of one level that has samples enough."""
    layout = layout_of_split(split)
    planes = Planes((image.shape[0], image.shape[1]), layout, reference)
    kernels = {}
    for phase in layout.phases:
        target = np.ascontiguousarray(layout.take(image, phase))
        if phase in layout.predicted and may_be_own((target.shape[0], target.shape[1])):
            judged = judge_drawn(draw(planes, phase, target), _MOST_SAMPLES)
            if judged is not None:
                kernels[phase] = Fitted(*judged)
        planes.put(phase, target)
    return kernels
