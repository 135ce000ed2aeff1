"""Default linear kernels: the least-squares kernels of many images, averaged."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from codec.kernels import DEFAULT_LEVELS, DEFAULTS_SHAPE
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
    kernels = np.zeros(DEFAULTS_SHAPE, np.int32)
    for phase in PREDICTED:
        kernels[:, :, phase - 1, :2] = 128
    return kernels


def default_kernels(frames: Sequence[Samples], ranks: Ranks) -> NDArray[np.int32]:
    """The median coefficients over all frames, of codec.kernels.DEFAULTS_SHAPE.

    Args:
        frames: all, on every rank; each fits its share.
        ranks: who trains.
    """
    fitted: dict[_Place, list[NDArray[np.int32]]] = {}
    for found in ranks.whole([_fitted(frame) for frame in ranks.share(frames)]):
        for place, kernel in found:
            fitted.setdefault(place, []).append(kernel)
    kernels = plain_kernels()
    for (is_referenced, number, phase), of_place in fitted.items():
        free = np.rint(np.median(np.stack(of_place)[:, 1:], axis=0)).astype(np.int64)
        own = NEIGHBOURHOODS[phase].shape[1] // 2
        kernel = complete_kernel(free, own)
        kernels[int(is_referenced), number, phase - 1, : len(kernel)] = kernel
    return kernels


_Place = tuple[bool, int, int]
"""Whether a default kernel is for frames that refer to the one before, its level and phase."""


def _fitted(frame: Samples) -> list[tuple[_Place, NDArray[np.int32]]]:
    splits = choose_splits(frame.samples)
    levels = pyramid(frame.samples, splits)[:-1]
    before = [] if frame.reference is None else pyramid(frame.reference, splits)
    found = []
    for number, image in enumerate(levels):
        for reference in (None, *before[number : number + 1]):
            level = min(number, DEFAULT_LEVELS - 1)
            for split in Split:
                known = None if reference is None else turned(reference, split)
                for phase, kernel in fitted_kernels(turned(image, split), split, known).items():
                    found.append(((reference is not None, level, phase), kernel))
    return found


def fitted_kernels(
    image: NDArray[np.int32], split: Split, reference: NDArray[np.int32] | None = None
) -> dict[int, NDArray[np.int32]]:
    """The kernel of each phase of one level that has samples enough."""
    layout = layout_of_split(split)
    planes = Planes((image.shape[0], image.shape[1]), layout, reference)
    kernels = {}
    for phase in layout.phases:
        target = np.ascontiguousarray(layout.take(image, phase))
        if phase in layout.predicted and target.size >= _MIN_SAMPLES:
            kernel = fit(draw(planes, phase, target))
            if kernel is not None:
                kernels[phase] = kernel
        planes.put(phase, target)
    return kernels
