"""The encoder's choice of a frame's linear kernels: one for each phase, or one for each class."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from codec.classes import choose_classes
from codec.kernels import (
    Kernels,
    class_kernels,
    default_kernels,
    few_samples_kernels,
    fit_kernel,
    may_be_own,
)
from codec.lattice import QUARTERS, Planes, Split
from codec.moments import Moments, moments_of
from codec.tiles import UNDIVIDED, UNTILED, Tiling, may_be_tiled


class Fitting:
    """A frame's classes, and the kernels fitted to them as its levels are coded.

    Attributes:
        tiling: the classes.
    """

    tiling: Tiling

    def __init__(
        self,
        samples: NDArray[np.int32],
        splits: Sequence[Split],
        defaults: NDArray[np.int32],
        is_referenced: bool = False,
    ) -> None:
        """Choose the classes; a frame that refers to the one before has none.

        Args:
            samples: the frame's, (rows, columns).
            splits: how its levels are halved.
            defaults: the predictor's kernels.
            is_referenced: whether the frame before is known.
        """
        self._defaults = defaults
        self._moments: dict[int, Moments] = {}
        self.tiling = UNTILED
        if may_be_tiled(splits) and not is_referenced:
            self.tiling, self._moments = choose_classes(_planes(samples))

    def kernels(
        self, planes: Planes, number: int, phase: int, target: NDArray[np.int32]
    ) -> Kernels:
        """Kernels for the samples of a phase of level ``number``."""
        places = self.tiling.at(number)
        defaults = default_kernels(self._defaults, number, phase, planes.is_referenced)
        if not may_be_own((target.shape[0], target.shape[1])):
            return few_samples_kernels(defaults, places.classes)
        if places is UNDIVIDED:
            return fit_kernel(planes, phase, target, defaults)
        moments = moments_of(planes, phase, target, places) if number else self._moments[phase]
        return class_kernels(moments, self.tiling, defaults)


def _planes(samples: NDArray[np.int32]) -> Planes:
    """All phases of the finest level."""
    planes = Planes((samples.shape[0], samples.shape[1]), QUARTERS)
    for phase in QUARTERS.phases:
        planes.put(phase, QUARTERS.take(samples, phase))
    return planes
