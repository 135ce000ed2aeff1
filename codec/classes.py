"""The encoder's choice of classes: which tiles of an image share kernels.

A round of Lloyd's algorithm (Lloyd, IEEE Trans. Inf. Theory 28(2), 1982) on tiles, each time that
classes are added: fit a kernel to the tiles of each class, give each tile to the class whose
kernels leave the least. On 24 training images a second round saves 0.010%, and the better half of
twice as many new classes 0.006%; each takes 3% of the encoder's time.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from codec.lattice import Planes
from codec.moments import Moments, moments_of
from codec.tiles import MAX_CLASSES, TILE_BITS, UNTILED, Places, Tiling, tiles_shape

_MIN_TILES = 16
_GROWTH = 4

_KERNEL_BITS = 70
"""About what telling one kernel takes."""


def choose_classes(planes: Planes) -> tuple[Tiling, dict[int, Moments]]:
    """The classes of an image's tiles, if they save more than they take, and its moments.

    Args:
        planes: the image's finest level, all of its phases known.
    """
    shape = tiles_shape(planes.shape)
    if shape[0] * shape[1] < _MIN_TILES:
        return UNTILED, {}
    places = Places(np.zeros(shape, np.uint8), TILE_BITS - 1, 1)
    moments = {
        phase: moments_of(planes, phase, planes.phase(phase), places)
        for phase in planes.layout.predicted
    }
    labels, classes = _Clusters(list(moments.values()), shape).grow()
    if classes == 1:
        return UNTILED, {}
    return Tiling(labels.reshape(shape), classes), moments


class _Clusters:
    """Tiles in classes, whose number grows as long as that pays."""

    def __init__(self, phases: list[Moments], shape: tuple[int, int]) -> None:
        self._phases = phases
        self._shape = shape
        self._tiles = shape[0] * shape[1]
        self._generator = np.random.default_rng(0)
        self._bits = self._bits_of(np.ones((1, self._tiles), np.bool_))

    def grow(self) -> tuple[NDArray[np.uint8], int]:
        """The class of each tile, and how many classes."""
        labels, classes, best = self._labels(), 1, self._total()
        while _GROWTH * classes <= min(MAX_CLASSES, self._tiles // 4):
            self._add((_GROWTH - 1) * classes)
            self._refit()
            total = self._total()
            if total >= best:
                break
            labels, classes, best = self._labels(), _GROWTH * classes, total
        return labels, classes

    def _labels(self) -> NDArray[np.uint8]:
        labels: NDArray[np.uint8] = self._bits.argmin(axis=1).astype(np.uint8)
        return labels

    def _total(self) -> float:
        """About what the image takes, beyond what it takes whatever the classes."""
        classes = self._bits.shape[1]
        told: int = classes * len(self._phases) * _KERNEL_BITS
        told += self._tiles * int(classes - 1).bit_length()
        return float(self._bits.min(axis=1).sum()) + told

    def _bits_of(self, members: NDArray[np.bool_]) -> NDArray[np.float64]:
        """About what each tile takes under kernels fitted to each set of tiles, (tiles, sets)."""
        bits = np.zeros((self._tiles, len(members)))
        for phase in self._phases:
            bits += phase.bits(phase.solve(members))
        return bits

    def _add(self, classes: int) -> None:
        """Found new classes, each about a tile."""
        drawn = self._generator.integers(0, self._tiles, classes)
        founded = self._bits_of(np.stack([self._around(int(tile)) for tile in drawn]))
        self._bits = np.column_stack([self._bits, founded])

    def _around(self, tile: int) -> NDArray[np.bool_]:
        y, x = divmod(tile, self._shape[1])
        chosen = np.zeros(self._shape, np.bool_)
        chosen[max(y - 1, 0) : y + 2, max(x - 1, 0) : x + 2] = True
        return chosen.reshape(-1)

    def _refit(self) -> None:
        labels = self._labels()
        used = np.unique(labels)
        self._bits[:, used] = self._bits_of(labels == used[:, None])
