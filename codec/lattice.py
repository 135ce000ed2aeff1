"""The order of prediction: by resolution, coarse to fine.

A level is an image of ``rows x columns`` samples, halved to the next coarser one along both axes,
or along one where the image is nearly interpolated (:mod:`codec.splits`). Halved along both, a
level has four *phases*, the samples whose row and column have a given parity::

    phase 0 (even row, even column)   the next coarser level, already known
    phase 1 (odd, odd)                predicted from phase 0
    phase 2 (even, odd)               predicted from phases 0 and 1
    phase 3 (odd, even)               predicted from phases 0, 1 and 2

Halved along the rows it has two: the even rows, phase 0, and the odd ones, phase 4, predicted from
them. A level halved along its columns is a transposed one halved along its rows.

No sample of a phase is predicted from another of the same phase, so that a whole phase is predicted
at once, by the decoder as by the encoder. Phases are held as separate planes with a border of
``BORDER`` samples mirrored at the level's edges. Mirroring about the edge sample keeps a position's
parity, hence a border sample always belongs to the plane it is looked up in.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache

import numpy as np
from numba import njit
from numpy.typing import NDArray

from codec.arrays import Ints

BORDER = 3

MIN_SIDE = 8
"""Levels with a side below this are coded directly: a neighbourhood reaches 5 samples past an edge
and is mirrored once."""


class Split(IntEnum):
    """Along which axes a level is halved to the next coarser one."""

    BOTH = 0
    ROWS = 1
    COLUMNS = 2


@dataclass(frozen=True, slots=True)
class Layout:
    """How a level's samples divide into phases, the next coarser level first.

    Attributes:
        phases: their numbers, in the order of coding.
        parities: row and column of each phase's first sample.
        steps: rows and columns from one sample of a phase to the next.
    """

    phases: tuple[int, ...]
    parities: tuple[tuple[int, int], ...]
    steps: tuple[int, int]

    @property
    def predicted(self) -> tuple[int, ...]:
        """All phases but the coarser level."""
        return self.phases[1:]

    def shape(self, level: tuple[int, int], phase: int) -> tuple[int, int]:
        """How many samples of a level belong to a phase, as (rows, columns)."""
        row, column = self.parities[self.phases.index(phase)]
        row_step, column_step = self.steps
        return -((row - level[0]) // row_step), -((column - level[1]) // column_step)

    def take(self, image: NDArray[np.int32], phase: int) -> NDArray[np.int32]:
        """A phase's samples, a view of the image."""
        row, column = self.parities[self.phases.index(phase)]
        return image[row :: self.steps[0], column :: self.steps[1]]


QUARTERS = Layout((0, 1, 2, 3), ((0, 0), (1, 1), (0, 1), (1, 0)), (2, 2))
HALVES = Layout((0, 4), ((0, 0), (1, 0)), (2, 1))
PREDICTED = (*QUARTERS.predicted, *HALVES.predicted)


def layout_of(phase: int) -> Layout:
    """The layout that a predicted phase belongs to."""
    return HALVES if phase in HALVES.predicted else QUARTERS


_PAIRS = {1: 12, 2: 12, 3: 14, 4: 12}


def _plane(layout: Layout, row: int, column: int) -> tuple[int, int, int]:
    """The plane of a position relative to the level's first sample, and where it lies within."""
    row_step, column_step = layout.steps
    plane = layout.parities.index((row % row_step, column % column_step))
    return plane, row // row_step, column // column_step


def _neighbourhood(phase: int) -> NDArray[np.int64]:
    layout = layout_of(phase)
    own = layout.phases.index(phase)
    row, column = layout.parities[own]
    half = [
        (dy, dx)
        for dy in range(-5, 6)
        for dx in range(-5, 6)
        if (dy, dx) > (0, 0) and _plane(layout, row + dy, column + dx)[0] < own
    ]
    half.sort(key=lambda d: (d[0] ** 2 + d[1] ** 2, d))
    places = [
        _plane(layout, row + sign * dy, column + sign * dx)
        for dy, dx in half[: _PAIRS[phase]]
        for sign in (1, -1)
    ]
    bordered: NDArray[np.int64] = np.add(places, (0, BORDER, BORDER)).T
    return bordered


NEIGHBOURHOODS = {phase: _neighbourhood(phase) for phase in PREDICTED}
"""The known samples nearest to a phase's first sample, (3, samples): their planes, and their rows
and columns there, border included. They come in pairs mirrored about the sample, nearest pair
first: ``2k`` and ``2k + 1`` are one pair."""


REFERENCE_PAIRS = ((0, 1), (1, -1), (1, 0), (1, 1))
"""Pairs of samples about the same place in the frame before. Of two multi-frame volumes, six pairs
or twelve predict no better."""


def _with_reference(phase: int) -> NDArray[np.int64]:
    layout = layout_of(phase)
    row, column = layout.parities[layout.phases.index(phase)]
    places = [
        np.add(_plane(layout, row + sign * dy, column + sign * dx), (len(layout.phases), 0, 0))
        for dy, dx in (*REFERENCE_PAIRS, (0, 0))
        for sign in (1, -1)
    ]
    bordered = np.add(places, (0, BORDER, BORDER)).T
    return np.concatenate([NEIGHBOURHOODS[phase], bordered], axis=1)


REFERENCED_NEIGHBOURHOODS = {phase: _with_reference(phase) for phase in PREDICTED}
"""The same and, in planes of their own, samples of the frame before: REFERENCE_PAIRS and, last, the
sample at the same place, twice."""


def halved(shape: tuple[int, int], split: Split) -> tuple[int, int]:
    """Shape of the next coarser level."""
    rows = shape[0] if split == Split.COLUMNS else (shape[0] + 1) // 2
    columns = shape[1] if split == Split.ROWS else (shape[1] + 1) // 2
    return rows, columns


def level_shapes(shape: tuple[int, int], splits: Sequence[Split]) -> list[tuple[int, int]]:
    """Shapes of all levels, finest first; the last one is the base, coded directly."""
    shapes = [shape]
    for split in splits:
        shapes.append(halved(shapes[-1], split))
    return shapes


def coarser(image: NDArray[np.int32], split: Split) -> NDArray[np.int32]:
    """The next coarser level, a view."""
    row_step = 1 if split == Split.COLUMNS else 2
    column_step = 1 if split == Split.ROWS else 2
    return image[::row_step, ::column_step]


def pyramid(samples: NDArray[np.int32], splits: Sequence[Split]) -> list[NDArray[np.int32]]:
    """All levels of an image, finest first, as views."""
    levels = [samples]
    for split in splits:
        levels.append(coarser(levels[-1], split))
    return levels


def layout_of_split(split: Split) -> Layout:
    """The phases of a level that is halved so, once it is :func:`turned`."""
    return QUARTERS if split == Split.BOTH else HALVES


def turned(image: NDArray[np.int32], split: Split) -> NDArray[np.int32]:
    """A level as it is coded, or back: transposed if it is halved along its columns."""
    return np.ascontiguousarray(image.T) if split == Split.COLUMNS else image


def turned_shape(shape: tuple[int, int], split: Split) -> tuple[int, int]:
    """The shape of a level once it is :func:`turned`."""
    return (shape[1], shape[0]) if split == Split.COLUMNS else shape


Lie = tuple[tuple[int, int], tuple[int, int], tuple[int, int]]
"""Row and column of a phase's first sample, the steps to the next ones, and the level's shape."""


class Planes:
    """The phases of one level, bordered.

    If the same level of the frame before is given, its phases follow the level's own.

    Attributes:
        values: int32 (planes, rows, columns).
        flat: the same without shape.
        stride: from a sample to the one below it in its plane.
    """

    def __init__(
        self, shape: tuple[int, int], layout: Layout, reference: NDArray[np.int32] | None = None
    ) -> None:
        self.shape = shape
        self.layout = layout
        self.is_referenced = reference is not None
        rows, columns = layout.shape(shape, 0)
        planes = len(layout.phases) * (1 + self.is_referenced)
        bordered = (planes, rows + 2 * BORDER, columns + 2 * BORDER)
        self.values = np.zeros(bordered, np.int32)
        self.flat, self.stride = self.values.reshape(-1), bordered[2]
        if reference is not None:
            for plane, phase in enumerate(layout.phases, len(layout.phases)):
                self._fill(plane, phase, layout.take(reference, phase))

    def offsets(self, phase: int, row: int) -> NDArray[np.int64]:
        """Where the neighbours of a row's first sample lie in ``values``, flattened.

        From one position to the next all of them move on by one, through the border into the next
        row: a band of rows is one loop.
        """
        return self._offsets(phase, False, row)

    def offsets_with_reference(self, phase: int, row: int) -> NDArray[np.int64]:
        """Likewise of the neighbours and, if it is there, the frame before."""
        if not self.is_referenced:
            return self.offsets(phase, row)
        return self._offsets(phase, True, row)

    def _offsets(self, phase: int, referenced: bool, row: int) -> NDArray[np.int64]:
        height, width = self.values.shape[1:]
        first = _first_offsets(phase, referenced, height, width)
        return first + row * width if row else first

    def positions(self, phase: int) -> NDArray[np.int64]:
        """Where a phase's samples are in the band of all its rows."""
        rows, columns = self.layout.shape(self.shape, phase)
        return np.add.outer(np.arange(rows) * self.stride, np.arange(columns)).reshape(-1)

    def phase(self, phase: int) -> NDArray[np.int32]:
        """A view of one phase without its border."""
        rows, columns = self.layout.shape(self.shape, phase)
        plane = self.layout.phases.index(phase)
        return self.values[plane, BORDER : BORDER + rows, BORDER : BORDER + columns]

    def put(self, phase: int, samples: NDArray[np.int32]) -> None:
        """Set one phase and mirror it into its border."""
        self._fill(self.layout.phases.index(phase), phase, samples)

    def _fill(self, plane: int, phase: int, samples: NDArray[np.int32]) -> None:
        """Contiguous, so that no process needs machine code for other arrays too."""
        fill(self.values[plane], np.ascontiguousarray(samples), self.lie(phase))

    def plane(self, phase: int) -> NDArray[np.int32]:
        """A view of one phase with its border, to :func:`fill`."""
        plane: NDArray[np.int32] = self.values[self.layout.phases.index(phase)]
        return plane

    def lie(self, phase: int) -> Lie:
        """How a phase's samples lie in the level."""
        parities = self.layout.parities[self.layout.phases.index(phase)]
        return parities, self.layout.steps, self.shape

    def join(self) -> NDArray[np.int32]:
        """The level's image, put together from its phases."""
        image = np.empty(self.shape, np.int32)
        for phase in self.layout.phases:
            self.layout.take(image, phase)[:] = self.phase(phase)
        return image


@lru_cache(maxsize=256)
def _first_offsets(phase: int, referenced: bool, height: int, width: int) -> NDArray[np.int64]:
    """Where the neighbours of a phase's first sample lie in planes of a shape, flattened."""
    places = REFERENCED_NEIGHBOURHOODS if referenced else NEIGHBOURHOODS
    planes, rows, columns = places[phase]
    offsets: NDArray[np.int64] = (planes * height + rows) * width + columns
    return offsets


@njit(cache=True)
def _mirrored(index: int, parity: int, step: int, size: int) -> int:
    """The bordered index of the sample that stands for bordered index ``index``."""
    position = abs(step * (index - BORDER) + parity)
    if position > size - 1:
        position = 2 * (size - 1) - position
    return (position - parity) // step + BORDER


@njit(cache=True)
def fill(plane: Ints, samples: Ints, lie: Lie) -> None:
    """Set a phase's plane and mirror it into its border."""
    last_row, last_column = BORDER + samples.shape[0], BORDER + samples.shape[1]
    parities, steps, shape = lie
    for y in range(samples.shape[0]):
        row = plane[BORDER + y]
        for x in range(samples.shape[1]):
            row[BORDER + x] = samples[y, x]
        for x in range(BORDER):
            row[x] = row[_mirrored(x, parities[1], steps[1], shape[1])]
        for x in range(last_column, len(row)):
            row[x] = row[_mirrored(x, parities[1], steps[1], shape[1])]
    for y in range(BORDER):
        plane[y] = plane[_mirrored(y, parities[0], steps[0], shape[0])]
    for y in range(last_row, len(plane)):
        plane[y] = plane[_mirrored(y, parities[0], steps[0], shape[0])]
