"""Which Huffman table codes a sample: contexts.

Context 0 is for samples whose near neighbours are all alike. The others follow the predicted scale
in half octaves; where it is small (entropy under about 2.5 bits) also the prediction's phase, that
is how far it lies from an integer, which decides between the two or three likely values. The last
contexts code whether a sample equals the frame's clip value, from how many of the 12 nearest do: 0
says that it goes with the majority.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from codec.arrays import Bytes, Ints, Longs, Octets

FLAT = 0
PHASED_SCALES = 8
SCALES = 28
SCALE_CONTEXTS = 1 + 3 * PHASED_SCALES + SCALES - PHASED_SCALES
CLIP_CONTEXTS = 15
CLIP_MAJORITY = SCALE_CONTEXTS + 9
"""From this context on (three of the four nearest samples) equality is what is expected."""

CONTEXTS = SCALE_CONTEXTS + CLIP_CONTEXTS

FLAT_STEP = -128
"""In place of a scale: the near neighbours are all alike."""

SMALLEST_LOG_SCALE = 8
"""Log2 of the first context's scale, in eighths of an octave above a sixteenth of a sample step."""


@njit(cache=True)
def fold(samples: Ints, means: Ints, limit: int, symbols: Ints) -> None:
    """Symbols (int32, non-negative) of samples, given predictions in sixteenths.

    The residual is turned so that the prediction's fraction points to positive residuals, then
    interleaved 0, 1, -1, 2, -2, ...; beyond the nearer end of [0, limit] only one sign is left and
    magnitudes follow on.
    """
    for i in range(len(samples)):
        whole = (means[i] + 8) >> 4
        residual = samples[i] - whole
        room = min(whole, limit - whole)
        magnitude = abs(residual)
        if magnitude > room:
            symbols[i] = room + magnitude
        else:
            turned = -residual if means[i] < whole << 4 else residual
            symbols[i] = 2 * turned - 1 if turned > 0 else -2 * turned


@njit(cache=True)
def unfold(symbols: Ints, means: Ints, limit: int, samples: Ints) -> bool:
    """Samples of symbols, the inverse of :func:`fold`; False if one leaves [0, limit]."""
    for i in range(len(symbols)):
        whole = (means[i] + 8) >> 4
        room = min(whole, limit - whole)
        symbol = symbols[i]
        if symbol > 2 * room:
            magnitude = symbol - room
            sample = whole + magnitude if whole < limit - whole else whole - magnitude
        else:
            turned = (symbol + 1) >> 1 if symbol & 1 else -(symbol >> 1)
            sample = whole - turned if means[i] < whole << 4 else whole + turned
        if sample < 0 or sample > limit:
            return False
        samples[i] = sample
    return True


@njit(cache=True)
def scale_steps(log_scales: Ints, exponents: Ints, steps: Octets) -> None:
    """Scales in half octaves from the network's, in eighths of an octave above the exponents."""
    for i in range(len(steps)):
        step = (log_scales[i] + 8 * exponents[i] - SMALLEST_LOG_SCALE) >> 2
        steps[i] = step if exponents[i] else FLAT_STEP


@njit(cache=True)
def scale_contexts(means: Ints, steps: Octets, correction: int) -> Bytes:
    """Contexts from predictions in sixteenths and scales in half octaves, to be corrected."""
    contexts = np.empty(len(means), np.uint8)
    for i in range(len(means)):
        if steps[i] == FLAT_STEP:
            contexts[i] = FLAT
            continue
        scale = min(max(steps[i] + correction, 0), SCALES - 1)
        if scale >= PHASED_SCALES:
            contexts[i] = 1 + 2 * PHASED_SCALES + scale
        else:
            fraction = abs(means[i] - (((means[i] + 8) >> 4) << 4))
            contexts[i] = 1 + 3 * scale + (fraction > 1) + (fraction > 4)
    return contexts


@njit(cache=True)
def order_by_context(contexts: Bytes, starts: Longs) -> Ints:
    """Indices (int32) that sort samples by context, stably; fills each context's start."""
    starts[:] = 0
    for context in contexts:
        starts[context + 1] += 1
    for c in range(len(starts) - 1):
        starts[c + 1] += starts[c]
    following = starts.copy()
    order = np.empty(len(contexts), np.int32)
    for i in range(len(contexts)):
        order[following[contexts[i]]] = i
        following[contexts[i]] += 1
    return order


def context_order(contexts: NDArray[np.uint8]) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Order of samples by context, and where each context starts in it (CONTEXTS + 1)."""
    starts = np.empty(CONTEXTS + 1, np.int64)
    return order_by_context(contexts, starts), starts
