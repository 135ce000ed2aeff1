"""What the samples of each tile say of linear kernels: their normal equations.

A tile's normal equations tell what any kernel leaves of it, so samples are looked at once, however
many kernels are tried. Only the encoder runs this: floats are allowed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from codec.arrays import Flags, Floats, Ints, Longs, Reals
from codec.lattice import NEIGHBOURHOODS, Planes
from codec.rounding import ROUNDING, told_kernel
from codec.solving import (
    NEAR_PAIRS,
    add_activity,
    dot,
    equations_of,
    least_activity,
    solve,
    weigh,
)
from codec.tiles import Places

_SHARE = 0.02
"""A class's kernel leans this much on the whole image's, lest it fit a handful of tiles."""

_PROBES = 2000
_ROW_STEP = 2
"""Of a tile every second row is looked at. On 49 training images that takes 0.02% more than all
rows in half the time; every third takes 0.09% more. What kernels save is judged by those rows
alone: counting it twice takes 0.1% more, for they are fitted to the same rows."""


@dataclass(frozen=True, slots=True)
class Moments:
    """Weighted products of one phase's samples and their neighbours, tile by tile in raster order.

    Attributes:
        products: float32 (products, tiles): of all two of the pairs' differences and, last, the
            sample's, the lower triangle of a matrix row by row.
        whole: float64 (products,), of all tiles.
        rounding: float32 (tiles,), what rounding adds to any residual's energy.
        counts: int64 (tiles,), samples looked at.
    """

    products: NDArray[np.float32]
    whole: NDArray[np.float64]
    rounding: NDArray[np.float32]
    counts: NDArray[np.int64]

    def solve(self, members: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Kernels fitted to sets of tiles, each leaning on that of all, in units of one.

        Args:
            members: (sets, tiles), whether a tile is in a set.

        Returns:
            (sets, pairs).
        """
        return _solve(members, self.products, self.whole)

    def kernels(
        self, members: NDArray[np.bool_], defaults: NDArray[np.int32]
    ) -> tuple[int, NDArray[np.int32]]:
        """The same, each rounded to what is worth telling, (sets, pairs) in 512ths.

        Each is told by its differences to the first, and that one by those to the nearest of some
        defaults, whose number comes with them.
        """
        chosen, own = members.astype(np.float64), len(defaults[0])
        counts, added = _ROW_STEP * (chosen @ self.counts), chosen @ self.rounding
        default, kernels = 0, np.empty((len(members), own), np.int32)
        for number in range(len(members)):
            leaning = _leaning(members[number], self.products, self.whole)
            price = (float(counts[number]), float(added[number]))
            known = kernels[:1] if number else defaults
            nearest, kernel = told_kernel(leaning, own, price, known)
            default = default if number else nearest
            kernels[number] = kernel if len(kernel) else known[nearest]
        return default, kernels

    def bits(self, kernels: NDArray[np.float64]) -> NDArray[np.float64]:
        """About what each tile takes under each of some kernels, (tiles, kernels).

        Half the log2 of the energy that the kernel leaves of it, for each sample looked at.
        """
        energy = _left(kernels, self.products, self.rounding)
        bits: NDArray[np.float64] = np.log2(energy).T * (0.5 * self.counts[:, None])
        return bits


@njit(cache=True)
def _solve(members: Flags, products: Floats, whole: Reals) -> Reals:
    """Compiled, here and below: LAPACK takes longer, and a BLAS may start threads."""
    solved = np.empty((len(members), int(np.sqrt(2 * len(products))) - 1))
    for number in range(len(members)):
        solved[number] = solve(equations_of(_leaning(members[number], products, whole)))
    return solved


@njit(cache=True)
def _leaning(members: Flags, products: Floats, whole: Reals) -> Reals:
    """Products of some tiles, leaning on those of all."""
    side = int(np.sqrt(2 * len(products)))
    everything = _square(whole, side)
    own = _square(_sum(np.flatnonzero(members), products), side)
    share = _SHARE * _trace(own) / max(_trace(everything), 1e-30)
    for i in range(side):
        for j in range(i + 1):
            own[i, j] += share * everything[i, j]
    return own


@njit(cache=True)
def _trace(products: Reals) -> float:
    """Of the pairs alone."""
    total = 0.0
    for i in range(len(products) - 1):
        total += products[i, i]
    return total


@njit(cache=True)
def _square(triangle: Reals, side: int) -> Reals:
    square, place = np.zeros((side, side)), 0
    for i in range(side):
        square[i, : i + 1] = triangle[place : place + i + 1]
        place += i + 1
    return square


@njit(cache=True, fastmath=True)
def _sum(tiles: Longs, products: Floats) -> Reals:
    """Products summed over some tiles."""
    sums = np.empty(len(products))
    for k in range(len(products)):
        product, total = products[k], 0.0
        for tile in tiles:
            total += product[tile]
        sums[k] = total
    return sums


@njit(cache=True, fastmath=True)
def _left(kernels: Reals, products: Floats, rounding: Floats) -> Floats:
    """The energy that each kernel leaves of each tile, with what rounding adds (kernels, tiles)."""
    pairs, tiles = kernels.shape[1], len(rounding)
    energy = np.zeros((len(kernels), tiles), np.float32)
    residual = np.full(pairs + 1, -1.0)
    for number in range(len(kernels)):
        residual[:pairs] = kernels[number]
        left, place = energy[number], 0
        for i in range(pairs + 1):
            for j in range(i + 1):
                factor = np.float32(residual[i] * residual[j] * (1 if i == j else 2))
                for tile in range(tiles):
                    left[tile] += factor * products[place, tile]
                place += 1
        for tile in range(tiles):
            left[tile] = max(left[tile], np.float32(0)) + rounding[tile] + np.float32(1e-20)
    return energy


def moments_of(planes: Planes, phase: int, target: NDArray[np.int32], places: Places) -> Moments:
    """The moments of a phase's tiles.

    Args:
        planes: the phase's level, with all phases known that it is predicted from.
        phase: which.
        target: its samples.
        places: where the tiles lie among them.
    """
    rows = NEIGHBOURHOODS[phase].shape[1] // 2 + 1
    tiles, across = places.labels.size, places.labels.shape[1]
    products = np.zeros((rows * (rows + 1) // 2, tiles), np.float32)
    rounding, counts = np.zeros(tiles, np.float32), np.zeros(tiles, np.int64)
    tiling, sums = (across, places.shift), (products, rounding, counts)
    samples = np.ascontiguousarray(target)
    _accumulate(planes.values, NEIGHBOURHOODS[phase], samples, tiling, sums)
    return Moments(products, products.sum(axis=1, dtype=np.float64), rounding, counts)


@njit(cache=True, fastmath=True)
def _accumulate(
    values: Ints,
    places: Longs,
    target: Ints,
    tiling: tuple[int, int],
    sums: tuple[Floats, Floats, Longs],
) -> None:
    products, rounding, counts = sums
    across, shift = tiling
    rows, side = places.shape[1] // 2 + 1, 1 << shift
    least = least_activity(_mean_activity(values, places, target))
    room = side * side // _ROW_STEP
    drawn = np.zeros((across, rows, room), np.float32)
    weights, weighted = np.empty(room, np.float32), np.empty(room, np.float32)
    for tile in range(len(counts)):
        x = tile % across
        if x == 0:
            height = _draw(values, places, target, tile // across << shift, side, drawn)
        width = max(min(side, target.shape[1] - (x << shift)), 0)
        counts[tile] = height * width
        weights[: height * side] = 0
        add_activity(drawn[x], weights[: height * side])
        weigh(weights[: height * side], least)
        place = 0
        for i in range(rows):
            for n in range(height * side):
                weighted[n] = drawn[x, i, n] * weights[n]
            for j in range(i + 1):
                products[place, tile] = dot(weighted[: height * side], drawn[x, j])
                place += 1
        rounding[tile] = np.float32(ROUNDING * width / side) * weights[: height * side].sum()


@njit(cache=True)
def _draw(values: Ints, places: Longs, target: Ints, top: int, side: int, drawn: Floats) -> int:
    """Some of a row of tiles, (tiles, pairs and the sample, side * rows), and how many rows of it.

    Sums of pairs and samples are relative to the mean of the two nearest pairs. What is past the
    last column are zeros.
    """
    pairs, columns = drawn.shape[1] - 1, target.shape[1]
    line, centre = np.empty((pairs + 1, columns), np.float32), np.empty(columns, np.float32)
    bottom = min(top + side, target.shape[0])
    for y in range(top, bottom, _ROW_STEP):
        for k in range(pairs):
            a, b = 2 * k, 2 * k + 1
            first = values[places[0, a], y + places[1, a], places[2, a] : places[2, a] + columns]
            second = values[places[0, b], y + places[1, b], places[2, b] : places[2, b] + columns]
            pair = line[k]
            for x in range(columns):
                pair[x] = np.int32(first[x] + second[x])
        nearest, next_nearest, sample = line[0], line[1], line[pairs]
        for x in range(columns):
            centre[x] = np.float32(0.5) * (nearest[x] + next_nearest[x])
            sample[x] = target[y, x] - np.float32(0.5) * centre[x]
        for k in range(pairs):
            pair = line[k]
            for x in range(columns):
                pair[x] -= centre[x]
        here = np.uint64((y - top) // _ROW_STEP * side)
        for x in range(0, columns, side):
            start, width = np.uint64(x), np.uint64(min(side, columns - x))
            for k in range(pairs + 1):
                for i in range(width):
                    drawn[x // side, k, here + i] = line[k, start + i]
    return int((bottom - top + _ROW_STEP - 1) // _ROW_STEP)


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
        for k in range(NEAR_PAIRS):
            pair = 0.0
            for a in range(2 * k, 2 * k + 2):
                pair += values[places[0, a], y + places[1, a], x + places[2, a]]
            total += abs(pair - centre)
    return total / max(1, (target.size + stride - 1) // stride)
