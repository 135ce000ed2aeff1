"""Default linear kernels: the least-squares kernels of many images, averaged."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from codec.kernels import COEFFICIENTS, DEFAULT_LEVELS
from codec.lattice import (
    NEIGHBOURHOODS,
    PREDICTED,
    Planes,
    Split,
    layout_of_split,
    pyramid,
    turned,
)
from codec.least_squares import draw, fit
from codec.linear import complete_kernel
from codec.splits import choose_splits
from models.training.images import Samples
from models.training.ranks import Ranks

_MIN_SAMPLES = 256


def plain_kernels() -> NDArray[np.int32]:
    """The mean of the two nearest pairs, everywhere: where training starts."""
    kernels = np.zeros((DEFAULT_LEVELS, len(PREDICTED), COEFFICIENTS), np.int32)
    for phase in PREDICTED:
        free = np.zeros(NEIGHBOURHOODS[phase].shape[1] // 2 - 1, np.int64)
        free[0] = 128
        kernels[:, phase - 1, : len(free) + 1] = complete_kernel(free, len(free) + 1)
    return kernels


def default_kernels(frames: Sequence[Samples], ranks: Ranks) -> NDArray[np.int32]:
    """The median coefficients over all frames, for each level and phase.

    Args:
        frames: all, on every rank; each fits its share.
        ranks: who trains.
    """
    fitted: dict[_Place, list[NDArray[np.int32]]] = {}
    for found in ranks.whole([_fitted(frame) for frame in ranks.share(frames)]):
        for place, kernel in found:
            fitted.setdefault(place, []).append(kernel)
    kernels = plain_kernels()
    for (number, phase), of_place in fitted.items():
        free = np.rint(np.median(np.stack(of_place)[:, 1:], axis=0)).astype(np.int64)
        kernels[number, phase - 1, : len(free) + 1] = complete_kernel(free, len(free) + 1)
    return kernels


_Place = tuple[int, int]
"""The level of a default kernel, and its phase."""


def _fitted(frame: Samples) -> list[tuple[_Place, NDArray[np.int32]]]:
    splits = choose_splits(frame.samples)
    return [
        ((min(number, DEFAULT_LEVELS - 1), phase), kernel)
        for number, image in enumerate(pyramid(frame.samples, splits)[:-1])
        for split in Split
        for phase, kernel in fitted_kernels(turned(image, split), split).items()
    ]


def fitted_kernels(image: NDArray[np.int32], split: Split) -> dict[int, NDArray[np.int32]]:
    """The kernel of each phase of one level that has samples enough."""
    layout = layout_of_split(split)
    planes = Planes((image.shape[0], image.shape[1]), layout)
    kernels = {}
    for phase in layout.phases:
        target = np.ascontiguousarray(layout.take(image, phase))
        if phase in layout.predicted and target.size >= _MIN_SAMPLES:
            kernel = fit(draw(planes, phase, target))
            if kernel is not None:
                kernels[phase] = kernel
        planes.put(phase, target)
    return kernels
