"""The encoder's choice of Huffman tables: default, another of the model's, or the frame's own."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from codec.arrays import Bytes, Longs, Whole
from codec.contexts import CONTEXTS
from codec.huffman import code_lengths
from codec.predictor import Tables
from codec.tables import DEFAULT, NUMBER_BITS, OTHER, OWN, Choice, own_table_bits
from codec.tokens import GROUPINGS

_IMPOSSIBLE = 1 << 28
"""A length that no table with it is chosen for: of 2**32 samples the bits still fit 64."""
_OWN_MINIMUM_BITS = 600
"""Contexts that cost less than this are not worth trying a table of their own: one takes some 100
to 300 bits to send."""

_DEFAULT_BITS, _OTHER_BITS, _OWN_BITS = 1, 2 + NUMBER_BITS, 2 + NUMBER_BITS
"""What telling each kind takes where any context departs from the set."""


_IMPOSSIBLE_BITS = 1 << 50


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
    defaults = range(number * CONTEXTS, (number + 1) * CONTEXTS)
    kept_bits = sum(int(costs[context, table]) for context, table in enumerate(defaults))
    if departing is not None and departing[1] < kept_bits:
        return departing[0]
    chosen = slice(defaults.start, defaults.stop)
    return Choice(
        number,
        [DEFAULT] * CONTEXTS,
        list(defaults),
        tables.groupings[chosen],
        tables.lengths[chosen],
        kept_bits,
    )


def best_set(costs: NDArray[np.int64]) -> int:
    """The set whose defaults, or departures from them, cost least."""
    other = costs.min(axis=1) + _OTHER_BITS
    totals = []
    for first in range(0, costs.shape[1], CONTEXTS):
        defaults = costs[np.arange(CONTEXTS), first + np.arange(CONTEXTS)]
        totals.append(min(defaults.sum(), np.minimum(defaults + _DEFAULT_BITS, other).sum()))
    return int(np.argmin(totals))


def _departing(
    counts: NDArray[np.int64],
    raw_totals: NDArray[np.int64],
    tables: Tables,
    costs: NDArray[np.int64],
    number: int,
) -> tuple[Choice, int]:
    """The best choice context by context, and what it takes together with its tables."""
    kinds, numbers, groupings, lengths, bits, sent = [], [], [], [], 0, 0
    for context in range(CONTEXTS):
        table = number * CONTEXTS + context
        kind, told = DEFAULT, _DEFAULT_BITS
        other = int(costs[context].argmin())
        if costs[context, other] + _OTHER_BITS < costs[context, table] + told:
            kind, table, told = OTHER, other, _OTHER_BITS
        grouping, code, coded = (
            tables.groupings[table],
            tables.lengths[table],
            costs[context, table],
        )
        own = _own_table(counts[context], raw_totals[context], tables, table, int(coded) + told)
        if own is not None:
            kind = OWN
            grouping, code, table, coded = own
            told = _OWN_BITS + own_table_bits(code, tables.lengths[table])
        kinds.append(kind)
        numbers.append(table)
        groupings.append(grouping)
        lengths.append(code)
        bits += int(coded)
        sent += told
    choice = Choice(
        number, kinds, numbers, np.array(groupings, np.uint8), np.array(lengths, np.uint8), bits
    )
    return choice, bits + sent


def table_costs(
    counts: NDArray[np.int64], raw_totals: NDArray[np.int64], tables: Tables
) -> NDArray[np.int64]:
    """Bits of each context under each table, (CONTEXTS, tables)."""
    costs = np.full((CONTEXTS, len(tables.lengths)), _IMPOSSIBLE, np.int64)
    lengths = np.where(tables.lengths == 0, _IMPOSSIBLE, tables.lengths.astype(np.int64))
    for grouping in range(GROUPINGS):
        which = np.flatnonzero(tables.groupings == grouping)
        columns = np.ascontiguousarray(lengths[which].T)
        costs[:, which] = raw_totals[:, grouping, None]
        costs[:, which] += _coded_bits(counts[:, grouping], columns)
    return costs


@njit(cache=True)
def _coded_bits(counts: Longs, columns: Longs) -> Longs:
    """Bits of each context's tokens under each of some tables, given as (256, tables) lengths."""
    bits = np.zeros((counts.shape[0], columns.shape[1]), np.int64)
    for context in range(counts.shape[0]):
        for token in range(counts.shape[1]):
            count = counts[context, token]
            if count:
                for table in range(columns.shape[1]):
                    bits[context, table] += count * columns[token, table]
    return bits


@njit(cache=True)
def _nearest(tables: Bytes, numbers: Longs, lengths: Bytes) -> Whole:
    """The one of some tables whose lengths differ least where a code is in use."""
    best, least = numbers[0], np.int64(1 << 30)
    for number in numbers:
        distance = np.int64(0)
        for token in range(len(lengths)):
            if lengths[token]:
                distance += abs(np.int64(tables[number, token]) - np.int64(lengths[token]))
        if distance < least:
            best, least = number, distance
    return np.int64(best)


def _own_table(
    counts: NDArray[np.int64],
    raw_totals: NDArray[np.int64],
    tables: Tables,
    number: int,
    to_beat: int,
) -> tuple[int, NDArray[np.uint8], int, int] | None:
    """Grouping, lengths, reference table and coded bits of a table that beats ``to_beat`` bits."""
    if to_beat < _OWN_MINIMUM_BITS:
        return None
    best = None
    for grouping in range(GROUPINGS):
        same = np.flatnonzero(tables.groupings == grouping)
        if not len(same):
            continue
        lengths = code_lengths(counts[grouping])
        coded = int(counts[grouping] @ lengths.astype(np.int64)) + int(raw_totals[grouping])
        if coded >= to_beat:
            continue
        reference = number if number in same else int(_nearest(tables.lengths, same, lengths))
        total = coded + _OWN_BITS + own_table_bits(lengths, tables.lengths[reference])
        if total < to_beat:
            to_beat = total
            best = (grouping, lengths, reference, coded)
    return best
