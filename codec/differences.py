"""Differences of rows or columns in place of samples, where each nearly repeats the one before.

Of an image interpolated along one axis, what changes from row to row is far smaller than what
changes along a row, and shows only once the rest is gone.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from codec.lattice import Split


class Differences(IntEnum):
    """What stands in place of an image's samples."""

    NONE = 0
    ROWS = 1
    COLUMNS = 2


_OFFERED = {
    Split.BOTH: Differences.NONE,
    Split.ROWS: Differences.ROWS,
    Split.COLUMNS: Differences.COLUMNS,
}


def offered(splits: Sequence[Split]) -> Differences:
    """The differences worth a trial: along the axis that the finest level is halved along."""
    return _OFFERED[splits[0]] if splits else Differences.NONE


def differences(samples: NDArray[np.int32], limit: int, axis: Differences) -> NDArray[np.int32]:
    """Each row less the one before, the first one's samples likewise: int32 in [0, limit].

    They are taken modulo ``limit + 1`` and begin at half of it. Columns likewise.
    """
    if axis == Differences.NONE:
        return samples
    upright = samples.T if axis == Differences.COLUMNS else samples
    changes = np.empty_like(upright)
    changes[1:] = upright[1:] - upright[:-1]
    changes[0] = np.diff(upright[0], prepend=0)
    changes = (changes + _half(limit)) % np.int32(limit + 1)
    return np.ascontiguousarray(changes.T if axis == Differences.COLUMNS else changes)


def sums(changes: NDArray[np.int32], limit: int, axis: Differences) -> NDArray[np.int32]:
    """The samples of :func:`differences`."""
    if axis == Differences.NONE:
        return changes
    upright = (changes.T if axis == Differences.COLUMNS else changes).astype(np.int64)
    upright = upright - _half(limit)
    upright[0] = np.cumsum(upright[0])
    samples = (np.cumsum(upright, axis=0) % (limit + 1)).astype(np.int32)
    return np.ascontiguousarray(samples.T if axis == Differences.COLUMNS else samples)


def _half(limit: int) -> int:
    return (limit + 1) >> 1
