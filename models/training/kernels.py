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
from codec.linear import complete_kernel, draw, fit
from codec.splits import choose_splits
from models.training.images import Samples

_MIN_SAMPLES = 256


def plain_kernels() -> NDArray[np.int32]:
    """The mean of the two nearest pairs, everywhere: where training starts."""
    kernels = np.zeros((DEFAULT_LEVELS, len(PREDICTED), COEFFICIENTS), np.int32)
    for phase in PREDICTED:
        free = np.zeros(NEIGHBOURHOODS[phase].shape[1] // 2 - 1, np.int64)
        free[0] = 128
        kernels[:, phase - 1, : len(free) + 1] = complete_kernel(free, len(free) + 1)
    return kernels


def default_kernels(frames: Sequence[Samples]) -> NDArray[np.int32]:
    """The median coefficients over all frames, for each level and phase."""
    fitted: dict[tuple[int, int], list[NDArray[np.int32]]] = {}
    for frame in frames:
        splits = choose_splits(frame.samples)
        for number, image in enumerate(pyramid(frame.samples, splits)[:-1]):
            for split in Split:
                for phase, kernel in fitted_kernels(turned(image, split), split).items():
                    key = (min(number, DEFAULT_LEVELS - 1), phase)
                    fitted.setdefault(key, []).append(kernel)
    kernels = plain_kernels()
    for (number, phase), found in fitted.items():
        free = np.rint(np.median(np.stack(found)[:, 1:], axis=0)).astype(np.int64)
        kernels[number, phase - 1, : len(free) + 1] = complete_kernel(free, len(free) + 1)
    return kernels


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
