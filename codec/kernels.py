"""Which linear kernel predicts each phase of each level: the predictor's, or the frame's own.

Phases of at least 256 samples may carry kernels of their own.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from codec.arrays import Ints, Reals
from codec.kernel_codes import told_bits
from codec.lattice import NEIGHBOURHOODS, PREDICTED, REFERENCE_PAIRS, Planes
from codec.least_squares import draw, fit_to_tell, residual_bits
from codec.linear import COEFFICIENT_BITS
from codec.moments import Moments
from codec.tiles import Tiling

DEFAULT_LEVELS = 3
"""The predictor has a set of default kernels for each of the finest levels; the last is for all
coarser ones too."""

COEFFICIENTS = max(NEIGHBOURHOODS[phase].shape[1] for phase in PREDICTED) // 2 + len(
    REFERENCE_PAIRS
)
_MIN_SAMPLES = 256


DEFAULTS_SHAPE = (2, DEFAULT_LEVELS, len(PREDICTED), COEFFICIENTS)
"""Of a predictor's kernels: those of frames by themselves, then those with the frame before."""


def default_kernel(
    defaults: NDArray[np.int32], level: int, phase: int, is_referenced: bool
) -> NDArray[np.int32]:
    """The predictor's kernel for a phase of a level, of DEFAULTS_SHAPE.

    Its coefficients for the frame before, if it has any, are the last.
    """
    pairs = NEIGHBOURHOODS[phase].shape[1] // 2 + (len(REFERENCE_PAIRS) if is_referenced else 0)
    return defaults[int(is_referenced), min(level, DEFAULT_LEVELS - 1), phase - 1, :pairs]


def may_be_own(shape: tuple[int, int]) -> bool:
    """Whether a phase of this shape says which kernel it uses."""
    return shape[0] * shape[1] >= _MIN_SAMPLES


def fit_kernel(
    planes: Planes, level: int, phase: int, target: NDArray[np.int32], defaults: NDArray[np.int32]
) -> NDArray[np.int32]:
    """The kernel worth using: the frame's own where it saves more bits than it takes."""
    default = default_kernel(defaults, level, phase, planes.is_referenced)
    if not may_be_own((target.shape[0], target.shape[1])):
        return default
    drawn = draw(planes, phase, target)
    own = fit_to_tell(drawn, default)
    if own is None:
        return default
    by_default, by_own = residual_bits(drawn, default, own)
    return own if by_default - by_own > told_bits(own, default) else default


def class_kernels(
    moments: Moments, tiling: Tiling, default: NDArray[np.int32]
) -> NDArray[np.int32]:
    """The kernels worth using for each class, (classes, pairs)."""
    members = tiling.labels.reshape(-1) == np.arange(tiling.classes)[:, None]
    own = moments.kernels(members, default)
    tiles = moments.bits(np.concatenate([default[None], own]) / (1 << COEFFICIENT_BITS))
    return _worth_telling(own, default, members.astype(np.float64) @ tiles)


@njit(cache=True)
def _worth_telling(own: Ints, default: Ints, bits: Reals) -> Ints:
    """Each class's own kernel, or the expected one where that takes no more, kernel included.

    ``bits`` are what a class takes under the default and under each class's own, (classes, 1 +
    classes).
    """
    kernels, expected = own.copy(), 0
    for number in range(len(own)):
        known = default if expected == 0 else own[0]
        if bits[number, expected] - bits[number, 1 + number] <= told_bits(own[number], known):
            kernels[number] = known
        elif number == 0:
            expected = 1
    return kernels
