"""What encoder and decoder of samples share: their range, and what a stream tells of each phase."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from codec.kernels import Kernels
from codec.lattice import Split, pyramid, turned
from codec.scales import Correction


@dataclass(frozen=True, slots=True)
class Range:
    """What values samples take: [0, limit], limit < 2**16; ``clip`` is one that is frequent."""

    limit: int
    clip: int | None = None


@dataclass(frozen=True, slots=True)
class Setup:
    """What a stream tells of one phase: its classes' kernels, and how the network errs."""

    kernels: Kernels
    correction: Correction


Setups = dict[tuple[int, int], Setup]
"""By level (0 is the finest) and phase."""


def levels_of(
    reference: NDArray[np.int32] | None, splits: Sequence[Split]
) -> list[NDArray[np.int32] | None]:
    """The frame before at each level, as the level is coded, and last its base.

    None throughout if there is none.
    """
    if reference is None:
        return [None] * (len(splits) + 1)
    *levels, base = pyramid(reference, splits)
    upright = [turned(level, split) for level, split in zip(levels, splits, strict=True)]
    return [*upright, np.ascontiguousarray(base)]
