"""The order of prediction: by resolution, coarse to fine.

A level is an image of ``rows x columns`` samples. Its four *phases* are the samples whose row and
column have a given parity::

    phase 0 (even row, even column)   the next coarser level, already known
    phase 1 (odd, odd)                predicted from phase 0
    phase 2 (even, odd)               predicted from phases 0 and 1
    phase 3 (odd, even)               predicted from phases 0, 1 and 2

No sample of a phase is predicted from another of the same phase, so that a whole phase is predicted
at once, by the decoder as by the encoder. Phases are held as separate planes with a border of
``BORDER`` samples mirrored at the level's edges. Mirroring about the edge sample keeps a position's
parity, hence a border sample always belongs to the plane it is looked up in.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

PHASES = ((0, 0), (1, 1), (0, 1), (1, 0))
PREDICTED = (1, 2, 3)
BORDER = 3

MIN_SIDE = 8
"""Levels with a side below this are coded directly: a neighbourhood reaches 5 samples past an edge
and is mirrored once."""


@dataclass(frozen=True, slots=True)
class Neighbourhood:
    """The known samples nearest to a sample of one phase.

    Positions come in pairs mirrored about the sample, nearest pair first: entries ``2k`` and
    ``2k + 1`` are one pair. Each is a plane and a row and column offset within it.
    """

    planes: NDArray[np.int64]
    rows: NDArray[np.int64]
    columns: NDArray[np.int64]

    @property
    def size(self) -> int:
        """How many samples it holds."""
        return len(self.planes)


def _offsets(phase: int) -> list[tuple[int, int]]:
    """Half of each mirrored pair of known positions, nearest first."""
    row_parity, column_parity = PHASES[phase]
    known = PHASES[:phase]
    half = [
        (dy, dx)
        for dy in range(-5, 6)
        for dx in range(-5, 6)
        if (dy, dx) > (0, 0) and ((row_parity + dy) % 2, (column_parity + dx) % 2) in known
    ]
    half.sort(key=lambda d: (d[0] ** 2 + d[1] ** 2, d))
    return half[: _PAIRS[phase]]


_PAIRS = {1: 12, 2: 12, 3: 14}


def _neighbourhood(phase: int) -> Neighbourhood:
    row_parity, column_parity = PHASES[phase]
    planes, rows, columns = [], [], []
    for dy, dx in _offsets(phase):
        for y, x in ((dy, dx), (-dy, -dx)):
            parity = ((row_parity + y) % 2, (column_parity + x) % 2)
            planes.append(PHASES.index(parity))
            rows.append((row_parity + y) // 2)
            columns.append((column_parity + x) // 2)
    return Neighbourhood(*(np.array(v, np.int64) for v in (planes, rows, columns)))


NEIGHBOURHOODS = {phase: _neighbourhood(phase) for phase in PREDICTED}


def level_shapes(rows: int, columns: int) -> list[tuple[int, int]]:
    """Shapes of all levels, finest first; the last one is the base, coded directly."""
    shapes = [(rows, columns)]
    while min(shapes[-1]) >= MIN_SIDE:
        shapes.append(((shapes[-1][0] + 1) // 2, (shapes[-1][1] + 1) // 2))
    return shapes


def phase_shape(shape: tuple[int, int], phase: int) -> tuple[int, int]:
    """How many samples of a level of ``shape`` belong to a phase, as (rows, columns)."""
    row_parity, column_parity = PHASES[phase]
    return (shape[0] + 1 - row_parity) // 2, (shape[1] + 1 - column_parity) // 2


class Planes:
    """The phases of one level, bordered: ``values`` is int32 of shape (4, rows, columns)."""

    def __init__(self, shape: tuple[int, int]) -> None:
        self.shape = shape
        rows, columns = phase_shape(shape, 0)
        self.values = np.zeros((4, rows + 2 * BORDER, columns + 2 * BORDER), np.int32)

    def phase(self, phase: int) -> NDArray[np.int32]:
        """A view of one phase without its border."""
        rows, columns = phase_shape(self.shape, phase)
        return self.values[phase, BORDER : BORDER + rows, BORDER : BORDER + columns]

    def put(self, phase: int, samples: NDArray[np.int32]) -> None:
        """Set one phase and mirror it into its border."""
        self.phase(phase)[:] = samples
        row_parity, column_parity = PHASES[phase]
        _mirror(self.values[phase], row_parity, column_parity, self.shape[0], self.shape[1])

    def join(self) -> NDArray[np.int32]:
        """The level's image, put together from its four phases."""
        image = np.empty(self.shape, np.int32)
        for phase, (row_parity, column_parity) in enumerate(PHASES):
            image[row_parity::2, column_parity::2] = self.phase(phase)
        return image


@njit(cache=True)
def _mirrored(index: int, parity: int, size: int) -> int:
    """The bordered index of the sample that stands for bordered index ``index``."""
    position = abs(2 * (index - BORDER) + parity)
    if position > size - 1:
        position = 2 * (size - 1) - position
    return (position - parity) // 2 + BORDER


@njit(cache=True)
def _mirror(
    plane: NDArray[np.int32], row_parity: int, column_parity: int, rows: int, columns: int
) -> None:
    height, width = plane.shape
    last_row = BORDER + (rows + 1 - row_parity) // 2
    last_column = BORDER + (columns + 1 - column_parity) // 2
    for y in range(BORDER, last_row):
        for x in range(BORDER):
            plane[y, x] = plane[y, _mirrored(x, column_parity, columns)]
        for x in range(last_column, width):
            plane[y, x] = plane[y, _mirrored(x, column_parity, columns)]
    for y in range(BORDER):
        plane[y] = plane[_mirrored(y, row_parity, rows)]
    for y in range(last_row, height):
        plane[y] = plane[_mirrored(y, row_parity, rows)]
