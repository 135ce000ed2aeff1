"""Along which axes each level is halved: both, or one where the image is nearly interpolated.

Where every second column follows from the columns beside it, as in images that a scanner
interpolated along one axis, or where rows have little to do with each other, a level is better
halved along one axis first: the first of the four phases would be predicted from diagonals alone
and pay for it.

A stream tells it in one bit, 0 where all levels are halved along both axes; else each level, from
the finest down to the base, as ``0`` both, ``10`` rows or ``11`` columns. The encoder chooses.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from codec.arrays import Bytes, Ints, State
from codec.bitstream import take_bits, write_bits
from codec.lattice import (
    MIN_SIDE,
    Planes,
    Split,
    coarser,
    halved,
    layout_of_split,
    turned,
)
from codec.least_squares import draw, fit, residual_bits

_PROBES = 5_000
_ANISOTROPY_BITS = 0.3
"""Levels whose samples are about as smooth along rows as along columns, to within this many bits,
are halved along both axes without further trial: of 408 training frames none of them would have
gained 0.08 bits a sample. The others may be halved along the axis that they are smoother along."""

_MIN_SAMPLES = 2048
"""Smaller levels are halved along both axes: kernels fitted to so few samples tell too little."""

_GAIN_BITS = 0.05
"""What halving along one axis must save per sample of the level, as the linear kernels tell."""


def choose_splits(samples: NDArray[np.int32]) -> list[Split]:
    """How to halve each level of an image, finest first."""
    splits: list[Split] = []
    image = samples
    while min(image.shape) >= MIN_SIDE:
        splits.append(_choose(image))
        image = coarser(image, splits[-1])
    return splits


def along_both(shape: tuple[int, int]) -> list[Split]:
    """All levels of an image of ``shape`` halved along both axes."""
    splits: list[Split] = []
    while min(shape) >= MIN_SIDE:
        splits.append(Split.BOTH)
        shape = halved(shape, Split.BOTH)
    return splits


def _choose(image: NDArray[np.int32]) -> Split:
    if image.size < _MIN_SAMPLES or min(image.shape) < 2 * MIN_SIDE:
        return Split.BOTH
    along_rows, along_columns = _roughness(image, max(1, image.size // _PROBES))
    if abs(along_rows - along_columns) < _ANISOTROPY_BITS:
        return Split.BOTH
    split = Split.COLUMNS if along_rows < along_columns else Split.ROWS
    rest = coarser(image, split)
    # Three quarters of the samples are compared: those of two halvings, or of one along both.
    bits = _bits(image, split) + min(_bits(rest, Split.ROWS), _bits(rest, Split.COLUMNS))
    gain = _bits(image, Split.BOTH) - bits
    return split if gain > _GAIN_BITS * image.size else Split.BOTH


_LOGS = np.log2(1.0 + np.arange(1 << 12))
"""Looked up: logarithms took a fifth of the time of a frame of 64 x 64."""


@njit(cache=True)
def _log(magnitude: int) -> float:
    """About the log2 of 1 + a second difference of 16-bit samples."""
    return float(_LOGS[magnitude] if magnitude < len(_LOGS) else 8.0 + _LOGS[magnitude >> 8])


@njit(cache=True)
def _roughness(image: Ints, stride: int) -> tuple[float, float]:
    """Mean log2 of the second differences along rows and along columns."""
    along_rows, along_columns, count = 0.0, 0.0, 0
    rows, columns = image.shape
    y, x = 1, 1
    while y < rows - 1:
        twice = 2 * image[y, x]
        along_rows += _log(abs(twice - image[y, x - 1] - image[y, x + 1]))
        along_columns += _log(abs(twice - image[y - 1, x] - image[y + 1, x]))
        count += 1
        x += stride
        while x > columns - 2:
            x -= columns - 2
            y += 1
    return along_rows / count, along_columns / count


def _bits(image: NDArray[np.int32], split: Split) -> float:
    """About what the phases of one level take under kernels fitted to them."""
    layout = layout_of_split(split)
    upright = turned(image, split)
    planes = Planes((upright.shape[0], upright.shape[1]), layout)
    planes.put(0, layout.take(upright, 0))
    total = 0.0
    for phase in layout.predicted:
        target = np.ascontiguousarray(layout.take(upright, phase))
        drawn = draw(planes, phase, target)
        kernel = fit(drawn)
        if kernel is not None:
            total += float(residual_bits(drawn, kernel)[0])
        planes.put(phase, target)
    return total


def write_splits(splits: list[Split], buffer: Bytes, state: State) -> None:
    """Tell the splits of all levels; nothing of an image that is all base."""
    if not splits:
        return
    departs = any(split != Split.BOTH for split in splits)
    write_bits(buffer, state, int(departs), 1)
    if departs:
        for split in splits:
            write_bits(buffer, state, (0, 2, 3)[split], 1 if split == Split.BOTH else 2)


def read_splits(shape: tuple[int, int], buffer: Bytes, state: State) -> list[Split]:
    """The splits of all levels of an image of ``shape``, none if it is all base."""
    splits: list[Split] = []
    departs = min(shape) >= MIN_SIDE and take_bits(buffer, state, 1)
    while min(shape) >= MIN_SIDE:
        split = Split.BOTH
        if departs and take_bits(buffer, state, 1):
            split = Split(1 + int(take_bits(buffer, state, 1)))
        splits.append(split)
        shape = halved(shape, split)
    return splits
