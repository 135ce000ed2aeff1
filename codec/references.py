"""The frame before, as context: its words in the units of the frame that is coded."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from codec.arrays import Ints
from codec.differences import differences
from codec.plan import Plan, Words


def reference_samples(plan: Plan, words: Words) -> NDArray[np.int32]:
    """What the frame before would be as samples of a frame with this plan (int32).

    Its values need not be any that the plan knows: each becomes the nearest sample below, and those
    beyond the range become its ends.
    """
    values = words
    if plan.rows is not None:
        values = values[plan.rows]
    if plan.columns is not None:
        values = values[:, plan.columns]
    last = plan.span.limit if plan.values is None else int(plan.values[-1])
    samples = np.array(values, np.int32, order="C")
    _take_steps(samples, (plan.minimum, 1 << plan.bits), plan.step, last)
    if plan.values is not None:
        samples = (np.searchsorted(plan.values, samples, "right") - 1).astype(np.int32)
    return differences(samples, plan.span.limit, plan.differences)


@njit(cache=True)
def _take_steps(samples: Ints, start: tuple[int, int], step: int, last: int) -> None:
    """Put in place of words how many steps they lie above the start, modulo the second number.

    Half of the values that are no sample's count as beyond the upper end, half as below the lower.
    """
    minimum, modulus = start
    beyond = last * step + (modulus - last * step) // 2
    for y in range(samples.shape[0]):
        row = samples[y]
        for x in range(len(row)):
            above = np.int32(row[x] - minimum) & np.int32(modulus - 1)
            steps = above if step == 1 else np.int32(above // step)
            row[x] = np.int32(0) if above >= beyond else min(steps, np.int32(last))
