"""Which linear kernel predicts each phase of each level: the predictor's, or the frame's own.

Phases of at least 256 samples may carry kernels of their own.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from codec.arrays import Bytes, Ints, Reals, State
from codec.errors import StreamError
from codec.kernel_codes import SET_BITS, read_all, told_bits, write_all
from codec.lattice import NEIGHBOURHOODS, PREDICTED, REFERENCE_PAIRS, Planes
from codec.least_squares import draw, fit_to_tell, residual_bits
from codec.linear import COEFFICIENT_BITS
from codec.moments import Moments
from codec.tiles import Tiling

DEFAULT_LEVELS = 3
"""The predictor has default kernels for each of the finest levels; the last are for all coarser
ones too."""

COEFFICIENTS = max(NEIGHBOURHOODS[phase].shape[1] for phase in PREDICTED) // 2 + len(
    REFERENCE_PAIRS
)
_MIN_SAMPLES = 256
"""With a quarter of it small frames take 0.03% more."""

_WORTH = 1.6
"""How much more telling a kernel must save by the linear residuals than it takes, since the network
makes up for some of a worse one; see codec/rounding.py."""

DEFAULTS_SHAPE = (2, DEFAULT_LEVELS, len(PREDICTED), 1 << SET_BITS, COEFFICIENTS)
"""Of a predictor's kernels: those of frames by themselves, then those with the frame before; for
each level and phase a set, of which the first is for phases of few samples."""


@dataclass(frozen=True, slots=True)
class Kernels:
    """The kernels of a phase.

    Attributes:
        default: the number of the default that the first class's is told by.
        classes: int32 (classes, pairs).
    """

    default: int
    classes: NDArray[np.int32]


def default_kernels(
    defaults: NDArray[np.int32], level: int, phase: int, is_referenced: bool
) -> NDArray[np.int32]:
    """Those of the predictor's, of DEFAULTS_SHAPE, for a phase of a level, (kernels, pairs).

    Coefficients for the frame before, if there are any, are the last.
    """
    pairs = NEIGHBOURHOODS[phase].shape[1] // 2 + (len(REFERENCE_PAIRS) if is_referenced else 0)
    known = defaults[int(is_referenced), min(level, DEFAULT_LEVELS - 1), phase - 1, :, :pairs]
    return np.ascontiguousarray(known)


def may_be_own(shape: tuple[int, int]) -> bool:
    """Whether a phase of this shape says which kernel it uses."""
    return shape[0] * shape[1] >= _MIN_SAMPLES


def few_samples_kernels(defaults: NDArray[np.int32], classes: int) -> Kernels:
    """Those of a phase that says nothing of them."""
    first = defaults[:1]
    return Kernels(0, first if classes == 1 else np.repeat(first, classes, axis=0))


def fit_kernel(
    planes: Planes, phase: int, target: NDArray[np.int32], defaults: NDArray[np.int32]
) -> Kernels:
    """The kernel worth using for an undivided phase.

    Its own where it saves more bits than it takes, else one of the defaults, (kernels, pairs).
    """
    drawn = draw(planes, phase, target)
    fitted = fit_to_tell(drawn, defaults)
    if fitted is None:
        return few_samples_kernels(defaults, 1)
    number, own = fitted
    by_default, by_own = residual_bits(drawn, defaults[number], own)
    worth_it = by_default - by_own > _WORTH * told_bits(own, defaults[number])
    return Kernels(number, (own if worth_it else defaults[number])[None])


def class_kernels(moments: Moments, tiling: Tiling, defaults: NDArray[np.int32]) -> Kernels:
    """The kernels worth using for each class of a phase."""
    members = tiling.labels.reshape(-1) == np.arange(tiling.classes)[:, None]
    number, own = moments.kernels(members, defaults)
    default = defaults[number]
    tiles = moments.bits(np.concatenate([default[None], own]) / (1 << COEFFICIENT_BITS))
    return Kernels(number, _worth_telling(own, default, members.astype(np.float64) @ tiles))


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


def write_kernels(
    kernels: Kernels, defaults: NDArray[np.int32], buffer: Bytes, state: State
) -> None:
    """Tell a phase's kernels: the default's number, then each class's."""
    write_all(kernels.classes, kernels.default, defaults, buffer, state)


def read_kernels(
    classes: int, defaults: NDArray[np.int32], own: int, buffer: Bytes, state: State
) -> Kernels:
    """The kernels told, whose first ``own`` coefficients are of the frame itself.

    Raises:
        StreamError: coefficients are out of bounds.
    """
    kernels = np.empty((classes, defaults.shape[1]), np.int32)
    number, bounded = read_all(kernels, defaults, own, buffer, state)
    if not bounded:
        raise StreamError("a linear kernel is out of bounds")
    return Kernels(number, kernels)
