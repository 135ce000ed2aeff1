"""The encoder's choice of classes: which tiles of an image share kernels.

Lloyd's algorithm (Lloyd, IEEE Trans. Inf. Theory 28(2), 1982) on tiles: fit a kernel to the tiles of
each class, give each tile to the class whose kernels leave the least, and again. A tile's normal
equations tell what any kernel leaves of it, so samples are looked at once. Only the encoder runs
this: floats are allowed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from codec.arrays import Floats, Ints, Longs, Reals
from codec.lattice import NEIGHBOURHOODS, Planes
from codec.tiles import MAX_CLASSES, TILE_BITS, UNTILED, Tiling, tiles_shape

_MIN_TILES = 16
_ROUNDS = 2
_CANDIDATES = 3
_NEAR_PAIRS = 6

_SHARE = 0.02
"""A class's kernel leans this much on the whole image's, lest it be fitted to a handful of tiles."""

_KERNEL_BITS = 70
"""About what telling one kernel takes."""

_ROUNDING = 0.08
"""Mean square of what rounding adds to a residual: a twelfth."""


@dataclass(frozen=True, slots=True)
class Moments:
    """Weighted normal equations of one phase's tiles, in raster order of tiles.

    Attributes:
        normal: float32 (tiles, pairs, pairs).
        moments: float32 (tiles, pairs).
        energy: float32 (tiles, 2), of the samples, and what rounding adds to any residual's.
        counts: int64 (tiles,), samples.
    """

    normal: NDArray[np.float32]
    moments: NDArray[np.float32]
    energy: NDArray[np.float32]
    counts: NDArray[np.int64]

    def solve(self, tiles: NDArray[np.bool_]) -> NDArray[np.float64]:
        """The kernel fitted to some tiles, leaning on that of all, in units of one."""
        normal = self.normal[tiles].sum(axis=0, dtype=np.float64)
        moments = self.moments[tiles].sum(axis=0, dtype=np.float64)
        everything = self.normal.sum(axis=0, dtype=np.float64)
        share = _SHARE * np.trace(normal) / max(np.trace(everything), 1e-30)
        normal += share * everything
        moments += share * self.moments.sum(axis=0, dtype=np.float64)
        ridge = 1e-4 * np.trace(normal) / len(moments) + 1e-9
        return np.linalg.solve(normal + ridge * np.eye(len(moments)), moments)

    def bits(self, kernel: NDArray[np.float64]) -> NDArray[np.float64]:
        """About what each tile takes under a kernel."""
        bits = np.empty(len(self.counts))
        _bits(self.normal, self.moments, self.energy, self.counts, kernel, bits)
        return bits


def moments_of(
    planes: Planes, phase: int, target: NDArray[np.int32], shape: tuple[int, int], shift: int
) -> Moments:
    """The normal equations of a phase's tiles.

    Args:
        planes: the phase's level, with all phases known that it is predicted from.
        phase: which.
        target: its samples.
        shape: how many rows and columns of tiles there are.
        shift: log2 of a tile's side, in samples of the phase.
    """
    pairs = NEIGHBOURHOODS[phase].shape[1] // 2
    tiles = shape[0] * shape[1]
    normal = np.zeros((tiles, pairs, pairs), np.float32)
    moments = np.zeros((tiles, pairs), np.float32)
    energy, counts = np.zeros((tiles, 2), np.float32), np.zeros(tiles, np.int64)
    sums = (normal, moments, energy, counts)
    _accumulate(planes.values, NEIGHBOURHOODS[phase], target, shape[1], shift, sums)
    return Moments(*sums)


Sums = tuple[Floats, Floats, Floats, Longs]


@njit(cache=True, fastmath=True)
def _accumulate(
    values: Ints, places: Longs, target: Ints, across: int, shift: int, sums: Sums
) -> None:
    normal, moments, energy, counts = sums
    pairs, side = moments.shape[1], 1 << shift
    floor = np.float32(0.3 * _mean_activity(values, places, target) + 1.0)
    drawn = np.empty((pairs + 1, side * side), np.float32)
    weighted = np.empty(side * side, np.float32)
    weights = np.empty(side * side, np.float32)
    for tile in range(len(counts)):
        corner = (tile // across << shift, tile % across << shift)
        count = _draw(values, places, target, corner, side, drawn)
        counts[tile] = count
        _weigh(drawn[:, :count], floor, weights[:count])
        for i in range(pairs + 1):
            weighted[:count] = drawn[i, :count] * weights[:count]
            for j in range(min(i + 1, pairs)):
                total = np.float32(0)
                for n in range(count):
                    total += weighted[n] * drawn[j, n]
                if i < pairs:
                    normal[tile, i, j] = total
                    normal[tile, j, i] = total
                else:
                    moments[tile, j] = total
        energy[tile, 0] = (weighted[:count] * drawn[pairs, :count]).sum()
        energy[tile, 1] = np.float32(_ROUNDING) * weights[:count].sum()


@njit(cache=True)
def _draw(
    values: Ints, places: Longs, target: Ints, corner: tuple[int, int], side: int, drawn: Floats
) -> int:
    """A tile's samples and sums of pairs, relative to the mean of the two nearest pairs."""
    pairs = len(drawn) - 1
    width = min(corner[1] + side, target.shape[1]) - corner[1]
    if width <= 0:
        return 0
    count = 0
    for y in range(corner[0], min(corner[0] + side, target.shape[0])):
        x = corner[1]
        stop = count + width
        for k in range(pairs):
            a, b = 2 * k, 2 * k + 1
            left, right = x + places[2, a], x + places[2, b]
            first = values[places[0, a], y + places[1, a], left : left + width]
            second = values[places[0, b], y + places[1, b], right : right + width]
            drawn[k, count:stop] = first + second
        centre = (drawn[0, count:stop] + drawn[1, count:stop]) * np.float32(0.25)
        drawn[pairs, count:stop] = target[y, x : x + width] - centre
        for k in range(pairs):
            drawn[k, count:stop] -= np.float32(2) * centre
        count = stop
    return count


@njit(cache=True, fastmath=True)
def _weigh(drawn: Floats, floor: np.float32, weights: Floats) -> None:
    """Weights that fall with the local activity, so that edges do not decide the noise's kernel."""
    for n in range(len(weights)):
        spread = floor
        for k in range(_NEAR_PAIRS):
            spread += abs(drawn[k, n])
        weights[n] = np.float32(1) / (spread * np.sqrt(spread))


@njit(cache=True)
def _mean_activity(values: Ints, places: Longs, target: Ints) -> float:
    """The mean, over an even draw, of the nearest pairs' distances from their mean."""
    stride = max(1, target.size // _PROBES)
    total, width = 0.0, target.shape[1]
    for n in range(0, target.size, stride):
        y, x = n // width, n % width
        centre = 0.0
        for a in range(4):
            centre += 0.5 * values[places[0, a], y + places[1, a], x + places[2, a]]
        for k in range(_NEAR_PAIRS):
            pair = 0.0
            for a in range(2 * k, 2 * k + 2):
                pair += values[places[0, a], y + places[1, a], x + places[2, a]]
            total += abs(pair - centre)
    return total / max(1, (target.size + stride - 1) // stride)


_PROBES = 2000


@njit(cache=True, fastmath=True)
def _bits(
    normal: Floats, moments: Floats, energy: Floats, counts: Longs, kernel: Reals, bits: Reals
) -> None:
    """Half log2 of the energy that a kernel leaves of each tile, for each of its samples."""
    weights = kernel.astype(np.float32)
    for tile in range(len(counts)):
        left = energy[tile, 0]
        for i in range(len(weights)):
            row = np.float32(-2) * moments[tile, i]
            for j in range(len(weights)):
                row += normal[tile, i, j] * weights[j]
            left += row * weights[i]
        left = max(left, np.float32(0)) + energy[tile, 1]
        bits[tile] = 0.5 * counts[tile] * np.log2(left + np.float32(1e-20))


def choose_classes(
    planes: Planes, targets: Mapping[int, NDArray[np.int32]]
) -> tuple[Tiling, dict[int, Moments]]:
    """The classes of an image's tiles, if they save more than they take, and its moments.

    Args:
        planes: the image's finest level, all of its phases known.
        targets: those of its phases that are predicted.
    """
    shape = tiles_shape(planes.shape)
    if shape[0] * shape[1] < _MIN_TILES:
        return UNTILED, {}
    moments = {
        phase: moments_of(planes, phase, target, shape, TILE_BITS - 1)
        for phase, target in targets.items()
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
        self._bits = self._bits_of(np.ones(self._tiles, np.bool_))[:, None]

    def grow(self) -> tuple[NDArray[np.uint8], int]:
        """The class of each tile, and how many classes."""
        labels, classes, best = self._labels(), 1, self._total()
        while 2 * classes <= min(MAX_CLASSES, self._tiles // 4):
            while self._bits.shape[1] < 2 * classes:
                self._add()
            for _ in range(_ROUNDS):
                self._refit()
            total = self._total()
            if total >= best:
                break
            labels, classes, best = self._labels(), 2 * classes, total
        return labels, classes

    def _labels(self) -> NDArray[np.uint8]:
        return self._bits.argmin(axis=1).astype(np.uint8)

    def _total(self) -> float:
        """About what the image takes, beyond what it takes whatever the classes."""
        classes = self._bits.shape[1]
        told = classes * len(self._phases) * _KERNEL_BITS
        told += self._tiles * (classes - 1).bit_length()
        return float(self._bits.min(axis=1).sum()) + told

    def _bits_of(self, tiles: NDArray[np.bool_]) -> NDArray[np.float64]:
        """About what each tile takes under kernels fitted to some of them."""
        bits = np.zeros(self._tiles)
        for phase in self._phases:
            bits += phase.bits(phase.solve(tiles))
        return bits

    def _add(self) -> None:
        """Found a class about one tile: of a few, the one that gains the image most."""
        least = self._bits.min(axis=1)
        candidates = [
            self._bits_of(self._around(int(tile)))
            for tile in self._generator.integers(0, self._tiles, _CANDIDATES)
        ]
        best = min(candidates, key=lambda bits: float(np.minimum(bits, least).sum()))
        self._bits = np.column_stack([self._bits, best])

    def _around(self, tile: int) -> NDArray[np.bool_]:
        y, x = divmod(tile, self._shape[1])
        chosen = np.zeros(self._shape, np.bool_)
        chosen[max(y - 1, 0) : y + 2, max(x - 1, 0) : x + 2] = True
        return chosen.reshape(-1)

    def _refit(self) -> None:
        labels = self._labels()
        for c in range(self._bits.shape[1]):
            if (labels == c).any():
                self._bits[:, c] = self._bits_of(labels == c)
