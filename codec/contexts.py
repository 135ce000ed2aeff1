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

from codec.arrays import Bytes, Flags, Ints, Longs, Shorts

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

FLAT_SCALE = -(1 << 15)
"""In place of a scale: the near neighbours are all alike."""

EIGHTHS = 4
"""Eighths of an octave to a step of the contexts."""

SMALLEST_LOG_SCALE = 8
"""Log2 of the first context's scale, in eighths of an octave above a sixteenth of a sample step."""


@njit(cache=True)
def fold(samples: Ints, means: Ints, limit: int) -> Ints:
    """Symbols (int32, non-negative) of samples, given predictions in sixteenths.

    The residual is turned so that the prediction's fraction points to positive residuals, then
    interleaved 0, 1, -1, 2, -2, ...; beyond the nearer end of [0, limit] only one sign is left and
    magnitudes follow on.
    """
    symbols, last = np.empty(len(samples), np.int32), np.int32(limit)
    for i in range(len(symbols)):
        whole = np.int32(np.int32(means[i] + np.int32(8)) >> np.int32(4))
        residual = np.int32(samples[i] - whole)
        room = min(whole, np.int32(last - whole))
        magnitude = np.int32(abs(residual))
        below = means[i] < np.int32(whole << np.int32(4))
        positive = np.int32((residual != 0) & ((residual > 0) != below))
        near = np.int32(np.int32(magnitude << np.int32(1)) - positive)
        symbols[i] = near if magnitude <= room else np.int32(room + magnitude)
    return symbols


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
def told_scales(log_scales: Ints, exponents: Ints, scales: Shorts) -> None:
    """Scales above the first context's from the network's, which are above the exponents.

    All in eighths of an octave; FLAT_SCALE where the exponent is 0.
    """
    for i in range(len(scales)):
        scale = log_scales[i] + 8 * exponents[i] - SMALLEST_LOG_SCALE
        scales[i] = scale if exponents[i] else FLAT_SCALE


@njit(cache=True)
def scale_contexts(means: Ints, scales: Shorts, correction: int, left: Flags) -> Bytes:
    """Contexts of the samples left to code, LEFT_OUT of the others.

    Args:
        means: predictions in sixteenths.
        scales: in eighths of an octave.
        correction: to be added to the scales.
        left: which samples to code.
    """
    contexts = np.empty(len(means), np.uint8)
    for i in range(len(means)):
        scale = min(max((scales[i] + correction) // EIGHTHS, 0), SCALES - 1)
        fraction = abs(means[i] - (((means[i] + 8) >> 4) << 4))
        fine = 1 + 3 * scale + np.int64(fraction > 1) + np.int64(fraction > 4)
        context = 1 + 2 * PHASED_SCALES + scale if scale >= PHASED_SCALES else fine
        contexts[i] = (FLAT if scales[i] == FLAT_SCALE else context) if left[i] else LEFT_OUT
    return contexts


@njit(cache=True)
def clip_surprises(samples: Ints, clip: int, contexts: Bytes, symbols: Ints, left: Flags) -> None:
    """Fill in symbols of which samples equal the clip value, and which are left to code after them.

    A symbol is 0 where it is as its context says.
    """
    for i in range(len(samples)):
        clipped = samples[i] == clip
        symbols[i] = clipped != (contexts[i] >= CLIP_MAJORITY)
        left[i] = (not clipped) | (contexts[i] == LEFT_OUT)


@njit(cache=True)
def clip_settled(symbols: Ints, contexts: Bytes, order: Ints, left: Flags) -> None:
    """Take out of ``left`` the samples that are told to equal the clip value."""
    for n in range(len(symbols)):
        left[order[n]] = (symbols[n] > 0) == (contexts[order[n]] >= CLIP_MAJORITY)


@njit(cache=True)
def _find_starts(contexts: Bytes, starts: Longs) -> None:
    """Fill in where each context starts among samples sorted by context, and the last one ends.

    There is one place more, for those LEFT_OUT.
    """
    starts[:] = 0
    for context in contexts:
        starts[context + 1] += 1
    for c in range(CONTEXTS):
        starts[c + 1] += starts[c]


@njit(cache=True)
def context_order(contexts: Bytes) -> tuple[Ints, Longs]:
    """Indices that sort samples by context, stably, and where each context starts (CONTEXTS + 1).

    Those LEFT_OUT are not among them.
    """
    starts = np.empty(LEFT_OUT + 2, np.int64)
    _find_starts(contexts, starts)
    order, following = np.empty(starts[CONTEXTS], np.int32), starts.copy()
    for i in range(len(contexts)):
        context = contexts[i]
        if context != LEFT_OUT:
            order[following[context]] = i
            following[context] += 1
    return order, starts[: CONTEXTS + 1]


@njit(cache=True)
def sort_by_context(
    symbols: Ints, contexts: Bytes, ordered: Ints, first: int, starts: Longs
) -> None:
    """Put symbols in that order from ``ordered[first]`` on; fill in where each context starts."""
    following = np.empty(LEFT_OUT + 2, np.int64)
    _find_starts(contexts, following)
    following += first
    starts[:] = following[: len(starts)]
    for i in range(len(contexts)):
        context = contexts[i]
        if context != LEFT_OUT:
            ordered[following[context]] = symbols[i]
            following[context] += 1
