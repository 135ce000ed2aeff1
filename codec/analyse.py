"""What is special about a frame, taken out before prediction: the plan of words and samples.

In order: bits above the stored ones become a plane of their own; signed words are sign-extended;
rows and columns that repeat the one before are left out; the smallest value is subtracted; a common
step divided out; sparse histograms mapped to consecutive values. What is left are samples in
[0, limit]. An end of that range where samples pile up, or a value within that stands out of the
histogram as masked background does, becomes the clip value; or differences of rows or columns take
the samples' place.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numba import njit
from numpy.typing import NDArray

from codec.arrays import Flags, Ints, Longs
from codec.differences import Differences, differences
from codec.general import estimate_general
from codec.plan import Plan, Words, gaps_of, put_mask
from codec.setup import Range

MAP_MARGIN_BITS = 256
"""A value map is sent where it is estimated to save this much more than it takes."""

CLIP_SHARE = 0.015
"""An end of the range that this share of the samples takes is coded as a clip value. That saves 1
to 7% on most training images and costs up to 2% on a few; for a frequent value elsewhere in the
range it costs 1 to 12%, unless that is a spike."""

_NEAR_END = 3
"""An end is a clip value only if it has as many samples as these values next to it in the mean. In
28 of 159 training images of faint noise the end had 0.4 to 0.6 times as many, which is no piling
up: as a clip value it cost 0.3% in the mean and up to 4%. In the others it had 1.3 times or
more."""

SPIKE_SHARE = 0.03
SPIKE_HEIGHT = 8
"""A value within the range is a clip value where it has this share of the samples, and so many
times as many as the values beside it have in the mean. Of 18 training images the darkest 2 to 50%
were set to the median of the others: such spikes coded so saved 1 to 27%, lower or smaller ones
cost up to 6%. No training image as it is has such a spike; masked maps of phase do."""

_NEAR_VALUES = 8
"""Occurring values on either side of one that its spacing is measured over."""

_BESIDE = 8
"""Occurring values on either side of a spike that it is compared with."""

MIN_CLIP_SAMPLES = 64
FLAT_BITS = 0.03
CHANGE_BITS = 0.5
"""What a sample of a repeated row is taken to cost if the row is not left out: where it equals the
one before it in its row, and where it does not."""


@dataclass(frozen=True, slots=True)
class Hints:
    """What the dataset says of a frame. Wrong hints cost bits, never exactness.

    Attributes:
        signed: Pixel Representation (0028,0103) is 1.
        bits_stored: Bits Stored (0028,0101), if known.
        high_bit: High Bit (0028,0102), if known.
        padding_value: Pixel Padding Value (0028,0120) as a word, if there is one.
    """

    signed: bool = False
    bits_stored: int | None = None
    high_bit: int | None = None
    padding_value: int | None = None


def analyse(words: Words, hints: Hints) -> tuple[Plan, NDArray[np.int32]]:
    """The plan of a frame that is not empty, and its samples (int32, C-contiguous)."""
    bits, high = _stored_bits(words, hints)
    stored = words.astype(np.int32)
    stored &= (1 << bits) - 1
    signed = hints.signed and _is_narrower_signed(stored, bits)
    if signed:
        stored = _sign_extended(stored, bits)
    stored, rows = _without_repeats(stored, axis=0)
    stored, columns = _without_repeats(stored, axis=1)
    minimum, samples = int(stored.min()), stored
    samples -= minimum
    values, counts = _histogram(samples)
    step = int(np.gcd.reduce(values)) or 1
    if step > 1:
        samples //= step
    values = values // step
    mapped = _is_worth_mapping(values, counts)
    if mapped:
        positions = np.zeros(int(values[-1]) + 1, np.int32)
        positions[values] = np.arange(len(values), dtype=np.int32)
        samples = positions[samples]
    occurring = np.arange(len(values)) if mapped else values
    span = Range(int(occurring[-1]), _clip_value(occurring, counts))
    plan = Plan(bits, signed, minimum, step, values if mapped else None, rows, columns, span, high)
    return plan, samples


def by_differences(
    plan: Plan, samples: NDArray[np.int32], axis: Differences
) -> tuple[Plan, NDArray[np.int32]]:
    """The plan of a frame coded by differences, and these. They pile up at no end of the range."""
    limit = plan.span.limit
    return replace(plan, span=Range(limit), differences=axis), differences(samples, limit, axis)


def _stored_bits(words: Words, hints: Hints) -> tuple[int, NDArray[np.uint16] | None]:
    """Bits to predict, and the bits above them where those are no part of the values."""
    allocated = 8 * words.itemsize
    bits = hints.bits_stored or allocated
    if not 0 < bits < allocated or (hints.high_bit is not None and hints.high_bit != bits - 1):
        return allocated, None
    if not int(np.bitwise_or.reduce(words, axis=None)) >> bits:
        return bits, None
    high = (words >> bits).astype(np.uint16)
    if hints.signed and _is_sign_extension(words, high, bits):
        return allocated, None
    if (high == high.flat[0]).all() and not hints.signed:
        return allocated, None
    return bits, high


def _is_sign_extension(words: Words, high: NDArray[np.uint16], bits: int) -> bool:
    ones = (1 << (8 * words.itemsize - bits)) - 1
    sign = (words >> (bits - 1)) & 1
    return bool((high == sign.astype(np.uint16) * ones).all())


def _sign_extended(stored: NDArray[np.int32], bits: int) -> NDArray[np.int32]:
    half = np.int32(1 << (bits - 1))
    return (stored ^ half) - half


def _is_narrower_signed(stored: NDArray[np.int32], bits: int) -> bool:
    signed = _sign_extended(stored, bits)
    return int(signed.max()) - int(signed.min()) < int(stored.max()) - int(stored.min())


def _histogram(values: NDArray[np.int32]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The values that occur, ascending, and how often."""
    counts = _counts(values, int(values.max()) + 1)
    occurring = np.flatnonzero(counts)
    return occurring, counts[occurring]


@njit(cache=True)
def _counts(values: Ints, size: int) -> Longs:
    """As np.bincount, which would make 64-bit integers of the values first."""
    counts = np.zeros((2, size), np.int64)
    for y in range(values.shape[0]):
        for x in range(values.shape[1]):
            counts[x & 1, values[y, x]] += 1
    total: Longs = counts[0] + counts[1]
    return total


def _is_worth_mapping(values: NDArray[np.int64], counts: NDArray[np.int64]) -> bool:
    """Whether coding gaps between values saves more than the map takes.

    A sample saves about the logarithm of the mean spacing of the values around its own.
    """
    if len(values) > 0.9 * int(values[-1]) or len(values) < 3:
        return False
    told = 8 * estimate_general(gaps_of(values).tobytes(), unit=2)
    return _saved_by_map(values, counts) > told + MAP_MARGIN_BITS


@njit(cache=True)
def _saved_by_map(values: Longs, counts: Longs) -> float:
    last, saved = len(values) - 1, 0.0
    reach = min(_NEAR_VALUES, last // 2)
    for n in range(len(values)):
        below, above = max(n - reach, 0), min(n + reach, last)
        saved += counts[n] * np.log2((values[above] - values[below]) / (above - below))
    return saved


def _without_repeats(
    stored: NDArray[np.int32], axis: int
) -> tuple[NDArray[np.int32], NDArray[np.bool_] | None]:
    """Without the rows (axis 0) or columns that repeat the one before, where leaving out pays.

    And which are left, None if all.
    """
    kept, changes = _differing(stored.T if axis else stored)
    repeated = len(kept) - np.count_nonzero(kept)
    if not repeated:
        return stored, None
    is_constant = repeated == len(kept) - 1 and (stored == stored.flat[0]).all()
    saved = FLAT_BITS * repeated * stored.shape[1 - axis] + CHANGE_BITS * changes
    if is_constant or saved <= 8 * len(put_mask(kept)):
        return stored, None
    return np.compress(kept, stored, axis), kept


@njit(cache=True)
def _differing(stored: Ints) -> tuple[Flags, int]:
    """Which rows differ from the one before, and how often values change along the others."""
    differing, changes = np.ones(len(stored), np.bool_), 0
    for y in range(1, len(stored)):
        x = 0
        while x < stored.shape[1] and stored[y, x] == stored[y - 1, x]:
            x += 1
        differing[y] = x < stored.shape[1]
        if not differing[y]:
            for x in range(1, stored.shape[1]):
                changes += stored[y, x] != stored[y, x - 1]
    return differing, changes


def _clip_value(values: NDArray[np.int64], counts: NDArray[np.int64]) -> int | None:
    """The most frequent value, if it is a spike; else the end where most samples pile up."""
    total, top = counts.sum(), int(counts.argmax())
    if counts[top] >= max(MIN_CLIP_SAMPLES, SPIKE_SHARE * total) and _is_spike(counts, top):
        return int(values[top])
    ends = [end for end in (0, len(counts) - 1) if _piles_up(counts, end)]
    return int(values[max(ends, key=lambda end: int(counts[end]))]) if ends else None


def _piles_up(counts: NDArray[np.int64], end: int) -> bool:
    beside = counts[1 : _NEAR_END + 1] if end == 0 else counts[-_NEAR_END - 1 : -1]
    least = max(MIN_CLIP_SAMPLES, CLIP_SHARE * counts.sum())
    return bool(counts[end] >= least and counts[end] * len(beside) >= beside.sum())


def _is_spike(counts: NDArray[np.int64], top: int) -> bool:
    around = counts[max(top - _BESIDE, 0) : top + _BESIDE + 1]
    beside = int(around.sum()) - int(counts[top])
    return int(counts[top]) * (len(around) - 1) >= SPIKE_HEIGHT * beside
