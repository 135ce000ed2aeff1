"""The encoder's choice of Huffman tables: default, another of the model's, or the frame's own."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numba import njit
from numpy.typing import NDArray

from codec.arrays import Bytes, Ints, Longs, Whole
from codec.contexts import CONTEXTS
from codec.huffman import SYMBOLS, code_lengths
from codec.predictor import Tables
from codec.tables import COUNT_BITS, DEFAULT, NUMBER_BITS, OTHER, OWN, Choice, own_table_bits
from codec.tokens import GROUPINGS

_IMPOSSIBLE = 1 << 28
"""A length that no table with it is chosen for: of 2**32 samples the bits still fit 64."""
_OWN_MINIMUM_BITS = 600
"""Contexts that cost less than this are not worth trying a table of their own: one takes some 100
to 300 bits to send."""

_DEFAULT_BITS, _OTHER_BITS, _OWN_BITS = 1, 2 + NUMBER_BITS, 2 + NUMBER_BITS
"""What telling each kind takes where any context departs from the set."""

_IMPOSSIBLE_BITS = 1 << 50

Grouped = tuple[NDArray[np.uint64], Ints, Longs]
"""See :func:`_by_grouping`."""

Known = tuple[Bytes, Bytes]
"""The predictor's tables in compiled code: groupings and lengths."""


@lru_cache(maxsize=4)
def offered_groupings(tables: Tables) -> NDArray[np.bool_]:
    """Which groupings the model's own tables use for each context, (CONTEXTS, GROUPINGS).

    Only these are tried: counting the others' tokens took an eighth of the encoder's time.
    """
    used = tables.groupings.reshape(-1, CONTEXTS)
    return np.array([(used == grouping).any(axis=0) for grouping in range(GROUPINGS)]).T.copy()


def choose(counts: NDArray[np.int64], raw_totals: NDArray[np.int64], tables: Tables) -> Choice:
    """The cheapest table for each context.

    Args:
        counts: (CONTEXTS, GROUPINGS, 256) tokens of the frame, of the groupings offered.
        raw_totals: (CONTEXTS, GROUPINGS) raw bits.
        tables: the predictor's.
    """
    raw_totals = np.where(offered_groupings(tables), raw_totals, _IMPOSSIBLE_BITS)
    costs = table_costs(counts, raw_totals, tables)
    number = best_set(costs)
    departing = _departing(counts, raw_totals, tables, costs, number)
    defaults = np.arange(number * CONTEXTS, (number + 1) * CONTEXTS)
    kept_bits = int(costs[np.arange(CONTEXTS), defaults].sum())
    if departing is not None and departing[1] < kept_bits:
        return departing[0]
    kinds = np.full(CONTEXTS, DEFAULT)
    groupings, lengths = tables.groupings[defaults], tables.lengths[defaults]
    return Choice(number, kinds, defaults, groupings, lengths, kept_bits)


@njit(cache=True)
def best_set(costs: Longs) -> int:
    """The set whose defaults, or departures from them, cost least."""
    best, least = 0, np.int64(1 << 62)
    others = np.empty(len(costs), np.int64)
    for context in range(len(costs)):
        others[context] = costs[context].min() + _OTHER_BITS
    for number in range(costs.shape[1] // CONTEXTS):
        kept, departing = np.int64(0), np.int64(0)
        for context in range(CONTEXTS):
            default = costs[context, number * CONTEXTS + context]
            kept += default
            departing += min(default + _DEFAULT_BITS, others[context])
        if min(kept, departing) < least:
            best, least = number, min(kept, departing)
    return best


def _departing(
    counts: NDArray[np.int64],
    raw_totals: NDArray[np.int64],
    tables: Tables,
    costs: NDArray[np.int64],
    number: int,
) -> tuple[Choice, int]:
    """The best choice context by context, and what it takes together with its tables."""
    kinds, numbers = np.zeros(CONTEXTS, np.int64), np.empty(CONTEXTS, np.int64)
    groupings, lengths = np.empty(CONTEXTS, np.uint8), np.empty((CONTEXTS, SYMBOLS), np.uint8)
    chosen = (kinds, numbers, groupings, lengths)
    known = (tables.groupings, tables.lengths)
    bits, sent = _choose_each(counts, raw_totals, known, costs, number * CONTEXTS, chosen)
    choice = Choice(number, kinds, numbers, groupings, lengths, bits)
    return choice, bits + sent


@njit(cache=True)
def _choose_each(
    counts: Longs,
    raw_totals: Longs,
    known: Known,
    costs: Longs,
    first: int,
    chosen: tuple[Longs, Longs, Bytes, Bytes],
) -> tuple[int, int]:
    """Choose each context's table; what the symbols and the tables take.

    Fills in of the chosen tables the kinds, the numbers, the groupings and the lengths. The
    defaults' numbers start at ``first``.
    """
    kinds, numbers, groupings, lengths = chosen
    bits, sent = 0, 0
    for context in range(len(counts)):
        table: Whole = first + context
        told: Whole = _DEFAULT_BITS
        kinds[context] = DEFAULT
        if costs[context, table] + told > _OTHER_BITS:
            other = costs[context].argmin()
            if costs[context, other] + _OTHER_BITS < costs[context, table] + told:
                kinds[context], table, told = OTHER, other, _OTHER_BITS
        coded = costs[context, table]
        groupings[context], lengths[context] = known[0][table], known[1][table]
        own = lengths[context]
        found, grouping, reference, own_coded, own_told = _own_table(
            counts[context], raw_totals[context], known, table, coded + told, own
        )
        if found:
            kinds[context], table, groupings[context] = OWN, reference, grouping
            coded, told = own_coded, own_told
        numbers[context] = table
        bits += coded
        sent += told
    return bits, sent


def table_costs(
    counts: NDArray[np.int64], raw_totals: NDArray[np.int64], tables: Tables
) -> NDArray[np.int64]:
    """Bits of each context under each table, (CONTEXTS, tables)."""
    costs = np.zeros((CONTEXTS, len(tables.lengths)), np.int64)
    _add_costs(counts, raw_totals, _by_grouping(tables), costs)
    return costs


@lru_cache(maxsize=4)
def _by_grouping(tables: Tables) -> Grouped:
    """The tables' numbers by grouping, their lengths (256, tables), and where groupings start."""
    numbers = np.argsort(tables.groupings, kind="stable")
    lengths = np.where(tables.lengths == 0, _IMPOSSIBLE, tables.lengths.astype(np.int32))[numbers]
    starts = np.searchsorted(tables.groupings[numbers], np.arange(GROUPINGS + 1))
    return numbers.astype(np.uint64), np.ascontiguousarray(lengths.T), starts


@njit(cache=True)
def _add_costs(counts: Longs, raw_totals: Longs, grouped: Grouped, costs: Longs) -> None:
    """Fill in what each context takes under each table; nothing where it has no symbols."""
    numbers, columns, starts = grouped
    bits = np.empty(len(numbers), np.int64)
    for context in range(len(counts)):
        row, has_symbols = costs[context], False
        for grouping in range(len(starts) - 1):
            first, stop = np.uint64(starts[grouping]), np.uint64(starts[grouping + 1])
            for place in range(first, stop):
                bits[place] = raw_totals[context, grouping]
            if raw_totals[context, grouping] >= _IMPOSSIBLE_BITS:
                continue
            for token in range(counts.shape[2]):
                count = counts[context, grouping, token]
                if count:
                    has_symbols = True
                    for place in range(first, stop):
                        bits[place] += count * columns[token, place]
        if has_symbols:
            for place in range(len(bits)):
                row[numbers[place]] = bits[place]


@njit(cache=True)
def _own_table(
    counts: Longs, raw_totals: Longs, known: Known, number: Whole, to_beat: Whole, lengths: Bytes
) -> tuple[bool, Whole, Whole, Whole, Whole]:
    """A table of its own for a context, if it takes less than ``to_beat`` bits.

    Returns:
        Whether there is one, its grouping, the table it is told against, what the symbols take and
        what it takes itself; ``lengths`` are then its own.
    """
    best: tuple[bool, Whole, Whole, Whole, Whole] = (False, 0, 0, 0, 0)
    if to_beat < _OWN_MINIMUM_BITS:
        return best
    for grouping in range(GROUPINGS):
        if raw_totals[grouping] >= to_beat:
            continue
        least = raw_totals[grouping] + _entropy_bits(counts[grouping])
        least += _OWN_BITS + COUNT_BITS + _last_token(counts[grouping]) + 1
        if least >= to_beat:
            continue
        own = code_lengths(counts[grouping])
        coded = raw_totals[grouping]
        for token in range(len(own)):
            coded += counts[grouping, token] * own[token]
        if coded >= to_beat:
            continue
        reference = number if known[0][number] == grouping else _nearest(known, grouping, own)
        told = _OWN_BITS + own_table_bits(own, known[1][reference])
        if coded + told < to_beat:
            to_beat = coded + told
            best = (True, grouping, reference, coded, told)
            lengths[:] = own
    return best


@njit(cache=True)
def _entropy_bits(counts: Longs) -> float:
    """What no code takes less than for all tokens: far quicker to tell than the best code."""
    total, bits = counts.sum(), 0.0
    for count in counts:
        if count:
            bits += count * np.log2(total / count)
    return bits


@njit(cache=True)
def _last_token(counts: Longs) -> int:
    """The highest that occurs: as many lengths are told, in a bit or more each."""
    token = len(counts) - 1
    while token and not counts[token]:
        token -= 1
    return token


@njit(cache=True)
def _nearest(known: Known, grouping: int, lengths: Bytes) -> Whole:
    """The table of a grouping whose lengths differ least where a code is in use."""
    best, least = 0, np.int64(1 << 30)
    for number in range(len(known[0])):
        if known[0][number] != grouping:
            continue
        distance = np.int64(0)
        for token in range(len(lengths)):
            if lengths[token]:
                distance += abs(np.int64(known[1][number, token]) - np.int64(lengths[token]))
        if distance < least:
            best, least = number, distance
    return best
