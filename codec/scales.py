"""A phase's correction of the predicted scales, in half octaves: told where the network errs.

The network judges a sample's scale by its surroundings. Where a phase follows from the ones before
it, as in interpolated images, or is noisier than they are, all its scales are wrong by about the
same factor, which the stream tells: 0, or 1 and the correction plus 16 in 5 bits.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from codec.arrays import Bytes, Ints, Octets, Reals, State, Whole
from codec.bitstream import take_bits, write_bits
from codec.contexts import FLAT_STEP, SCALES

LARGEST = 16
_BITS = 5
_GAIN_BITS = 64
_GAIN_SHARE = 0.02
"""A correction is sent where it is estimated to save this many bits and this share of them."""

_MEANS = 1.386 * np.exp2(np.arange(SCALES) / 2 + 1.25) / 16
"""Mean magnitude of a residual in each step of the scale, of a logistic distribution."""


def choose_correction(
    samples: NDArray[np.int32], means: NDArray[np.int32], steps: NDArray[np.int8]
) -> int:
    """The correction worth telling for a phase, 0 if none is."""
    costs = np.zeros(2 * LARGEST)
    _costs(samples, means, steps, _MEANS, costs)
    best = int(costs.argmin())
    gain = costs[LARGEST] - costs[best]
    worth = gain > max(_GAIN_BITS, _GAIN_SHARE * costs[LARGEST])
    return best - LARGEST if worth else 0


@njit(cache=True)
def _costs(samples: Ints, means: Ints, steps: Octets, scale_means: Reals, costs: Reals) -> None:
    """About the bits that the samples take under each correction: a geometric code's."""
    first, span = -64, 192
    counts, totals = np.zeros(span), np.zeros(span)
    for i in range(len(samples)):
        if steps[i] != FLAT_STEP:
            counts[steps[i] - first] += 1
            totals[steps[i] - first] += abs(samples[i] - ((means[i] + 8) >> 4))
    for k in range(len(costs)):
        for q in range(span):
            if counts[q]:
                step = min(max(q + first + k - LARGEST, 0), len(scale_means) - 1)
                mean = scale_means[step]
                costs[k] += counts[q] * np.log2(1 + mean) + totals[q] * np.log2(1 + 1 / mean)


def write_correction(correction: int, buffer: Bytes, state: State) -> None:
    """Tell one."""
    write_bits(buffer, state, int(correction != 0), 1)
    if correction:
        write_bits(buffer, state, correction + LARGEST, _BITS)


def read_correction(buffer: Bytes, state: State) -> Whole:
    """The one told."""
    return take_bits(buffer, state, _BITS) - LARGEST if take_bits(buffer, state, 1) else 0
