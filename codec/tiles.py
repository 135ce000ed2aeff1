"""Tiles: where in an image which of its kernels predicts.

What is correlated with what changes across an image: the noise of a CT runs along its rays, muscle
and background differ. A frame may have up to 16 *classes* of tiles, squares of ``TILE`` samples of
the finest level, and kernels for each class at the two finest levels. A stream tells the number of
classes less one in 4 bits and, where there are several, the class of every tile in as many bits as
the number takes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from codec.arrays import Bytes, State
from codec.bitstream import take_bits, write_bits
from codec.errors import StreamError
from codec.lattice import Split

TILE_BITS = 5
TILE = 1 << TILE_BITS
"""Of 16 training images, tiles of 16 samples save 0.5% more of the residuals and cost as much again
to tell."""

MAX_CLASSES = 16
TILED_LEVELS = 2
_COUNT_BITS = 4
_WHOLE = 16
"""Tiles this many bits wide cover any image: a frame without classes is one tile."""


@dataclass(frozen=True, slots=True)
class Tiling:
    """The classes of an image's tiles.

    Attributes:
        labels: uint8 (tile rows, tile columns), the class of each tile.
        classes: how many there are.
    """

    labels: NDArray[np.uint8]
    classes: int

    def at(self, level: int) -> Places:
        """Where the classes lie among the samples of a phase of a level."""
        if self.classes == 1 or level >= TILED_LEVELS:
            return UNDIVIDED
        return Places(self.labels, TILE_BITS - 1 - level, self.classes)


@dataclass(frozen=True, slots=True)
class Places:
    """The class of each sample of a phase: ``labels[row >> shift, column >> shift]``."""

    labels: NDArray[np.uint8]
    shift: int
    classes: int


UNTILED = Tiling(np.zeros((1, 1), np.uint8), 1)
UNDIVIDED = Places(UNTILED.labels, _WHOLE, 1)


def tiles_shape(shape: tuple[int, int]) -> tuple[int, int]:
    """How many rows and columns of tiles an image has."""
    return -(-shape[0] // TILE), -(-shape[1] // TILE)


def may_be_tiled(splits: Sequence[Split]) -> bool:
    """Whether a stream tells classes: where the finest levels are halved along both axes."""
    return len(splits) > TILED_LEVELS and all(s == Split.BOTH for s in splits[:TILED_LEVELS])


def write_tiling(tiling: Tiling, buffer: Bytes, state: State) -> None:
    """Tell the classes of all tiles."""
    write_bits(buffer, state, tiling.classes - 1, _COUNT_BITS)
    bits = (tiling.classes - 1).bit_length()
    if bits:
        _write_labels(tiling.labels, bits, buffer, state)


@njit(cache=True)
def _write_labels(labels: Bytes, bits: int, buffer: Bytes, state: State) -> None:
    for y in range(labels.shape[0]):
        for x in range(labels.shape[1]):
            write_bits(buffer, state, labels[y, x], bits)


def read_tiling(shape: tuple[int, int], buffer: Bytes, state: State) -> Tiling:
    """The classes of all tiles of an image of ``shape``.

    Raises:
        StreamError: a tile has a class that there is not.
    """
    classes = int(take_bits(buffer, state, _COUNT_BITS)) + 1
    bits = (classes - 1).bit_length()
    if not bits:
        return UNTILED
    labels = np.empty(tiles_shape(shape), np.uint8)
    _read_labels(labels, bits, buffer, state)
    if labels.max() >= classes:
        raise StreamError(f"a tile of class {labels.max()}, of {classes}")
    return Tiling(labels, classes)


@njit(cache=True)
def _read_labels(labels: Bytes, bits: int, buffer: Bytes, state: State) -> None:
    for y in range(labels.shape[0]):
        for x in range(labels.shape[1]):
            labels[y, x] = take_bits(buffer, state, bits)
