"""The frame before, as context: its words in the units of the frame that is coded."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from codec.analyse import Plan, Words
from codec.differences import differences


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
    modulus = 1 << plan.bits
    above = (values.astype(np.int32) - plan.minimum) & (modulus - 1)
    steps = above // plan.step
    last = plan.span.limit if plan.values is None else int(plan.values[-1])
    # Half of the values that are left count as beyond the upper end, half as below the lower.
    beyond = (modulus - last * plan.step) // 2
    steps[above >= last * plan.step + beyond] = 0
    samples = np.minimum(steps, last)
    if plan.values is not None:
        samples = np.searchsorted(plan.values, samples, "right") - 1
    return differences(np.ascontiguousarray(samples, np.int32), plan.span.limit, plan.differences)
