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

from codec.arrays import Bytes, Flags, Ints, Longs, Octets

FLAT = 0
PHASED_SCALES = 8
SCALES = 28
SCALE_CONTEXTS = 1 + 3 * PHASED_SCALES + SCALES - PHASED_SCALES
CLIP_CONTEXTS = 15
CLIP_MAJORITY = SCALE_CONTEXTS + 9
"""From this context on (three of the four nearest samples) equality is what is expected."""

CONTEXTS = SCALE_CONTEXTS + CLIP_CONTEXTS

LEFT_OUT = 255
"""In place of a context: nothing is coded of the sample."""

FLAT_STEP = -128
"""In place of a scale: the near neighbours are all alike."""

SMALLEST_LOG_SCALE = 8
"""Log2 of the first context's scale, in eighths of an octave above a sixteenth of a sample step."""


@njit(cache=True)
def fold(samples: Ints, means: Ints, limit: int, order: Ints, symbols: Ints) -> None:
    """Symbols (int32, non-negative) of samples in some order, given predictions in sixteenths.

    The residual is turned so that the prediction's fraction points to positive residuals, then
    interleaved 0, 1, -1, 2, -2, ...; beyond the nearer end of [0, limit] only one sign is left and
    magnitudes follow on.
    """
    for n in range(len(symbols)):
        mean = means[order[n]]
        whole = (mean + 8) >> 4
        residual = samples[order[n]] - whole
        room = min(whole, limit - whole)
        magnitude = abs(residual)
        turned = -residual if mean < whole << 4 else residual
        near = 2 * turned - 1 if turned > 0 else -2 * turned
        symbols[n] = near if magnitude <= room else room + magnitude


@njit(cache=True)
def unfold(symbols: Ints, means: Ints, limit: int, order: Ints, samples: Ints) -> bool:
    """Samples of symbols, the inverse of :func:`fold`; False if one leaves [0, limit]."""
    outside = False
    for n in range(len(symbols)):
        mean, symbol = means[order[n]], symbols[n]
        whole = (mean + 8) >> 4
        room = min(whole, limit - whole)
        turned = (symbol + 1) >> 1 if symbol & 1 else -(symbol >> 1)
        near = -turned if mean < whole << 4 else turned
        far = symbol - room if whole < limit - whole else room - symbol
        sample = whole + (near if symbol <= 2 * room else far)
        outside |= sample < 0 or sample > limit
        samples[order[n]] = sample
    return not outside


@njit(cache=True)
def scale_steps(log_scales: Ints, exponents: Ints, steps: Octets) -> None:
    """Scales in half octaves from the network's, in eighths of an octave above the exponents."""
    for i in range(len(steps)):
        step = (log_scales[i] + 8 * exponents[i] - SMALLEST_LOG_SCALE) >> 2
        steps[i] = step if exponents[i] else FLAT_STEP


@njit(cache=True)
def scale_contexts(means: Ints, steps: Octets, correction: int, left: Flags) -> Bytes:
    """Contexts of the samples left to code, LEFT_OUT of the others.

    Args:
        means: predictions in sixteenths.
        steps: scales in half octaves.
        correction: to be added to the scales.
        left: which samples to code.
    """
    contexts = np.empty(len(means), np.uint8)
    for i in range(len(means)):
        scale = min(max(steps[i] + correction, 0), SCALES - 1)
        fraction = abs(means[i] - (((means[i] + 8) >> 4) << 4))
        fine = 1 + 3 * scale + np.int64(fraction > 1) + np.int64(fraction > 4)
        context = 1 + 2 * PHASED_SCALES + scale if scale >= PHASED_SCALES else fine
        contexts[i] = (FLAT if steps[i] == FLAT_STEP else context) if left[i] else LEFT_OUT
    return contexts


@njit(cache=True)
def clip_surprises(clipped: Flags, contexts: Bytes, order: Ints, symbols: Ints) -> None:
    """Symbols, in some order, of which samples equal the clip value: 0 as their context says."""
    for n in range(len(symbols)):
        symbols[n] = clipped[order[n]] != (contexts[order[n]] >= CLIP_MAJORITY)


@njit(cache=True)
def clip_settled(symbols: Ints, contexts: Bytes, order: Ints, left: Flags) -> None:
    """Take out of ``left`` the samples that are told to equal the clip value."""
    for n in range(len(symbols)):
        left[order[n]] = (symbols[n] > 0) == (contexts[order[n]] >= CLIP_MAJORITY)


@njit(cache=True)
def order_by_context(contexts: Bytes, starts: Longs) -> Ints:
    """Indices (int32) that sort samples by context, stably; fills each context's start.

    Those LEFT_OUT come last, after the last start.
    """
    following = np.zeros(LEFT_OUT + 2, np.int64)
    for context in contexts:
        following[context + 1] += 1
    for c in range(LEFT_OUT + 1):
        following[c + 1] += following[c]
    starts[:] = following[: len(starts)]
    order = np.empty(starts[-1], np.int32)
    for i in range(len(contexts)):
        context = contexts[i]
        if context != LEFT_OUT:
            order[following[context]] = i
            following[context] += 1
    return order


def context_order(contexts: NDArray[np.uint8]) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Order of samples by context, and where each context starts in it (CONTEXTS + 1)."""
    starts = np.empty(CONTEXTS + 1, np.int64)
    return order_by_context(contexts, starts), starts
