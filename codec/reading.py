"""Reading what :mod:`codec.tokens` wrote: tokens and raw bits back to symbols.

Each token takes one look at the next 64 bits: they hold its code and all raw bits that may follow.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from codec.arrays import Bytes, FastCodes, Flags, Ints, Longs, State, Whole
from codec.bitstream import POSITION, first_bits, window
from codec.huffman import FAST_BITS, LENGTH_BITS, MAX_LENGTH, SYMBOLS, decoding_table
from codec.tokens import PAIR, RUN, SINGLE, SYMBOL_BITS

_FAST_SHIFT = np.uint64(64 - FAST_BITS)
_LENGTH_MASK = (1 << LENGTH_BITS) - 1

Table = tuple[FastCodes, Ints, Bytes]
"""One context's ``fast``, ``firsts`` and ``symbols`` of its :class:`Decoders`."""


class Decoders(NamedTuple):
    """Decoding tables of all contexts; those in use are filled in as they are first needed.

    Attributes:
        groupings: (contexts,).
        lengths: code lengths, (contexts, SYMBOLS).
        ready: which of the following are filled in, see :func:`codec.huffman.decoding_table`.
        fast: (contexts, 2**FAST_BITS).
        firsts: (contexts, 3, MAX_LENGTH + 2).
        symbols: (contexts, SYMBOLS).
    """

    groupings: Bytes
    lengths: Bytes
    ready: Flags
    fast: FastCodes
    firsts: Ints
    symbols: Bytes


def new_decoders(groupings: Bytes, lengths: Bytes) -> Decoders:
    """Decoders of tables whose lengths make prefix codes."""
    count = len(groupings)
    return Decoders(
        groupings,
        lengths,
        np.zeros(count, np.bool_),
        np.empty((count, 1 << FAST_BITS), np.uint16),
        np.empty((count, 3, MAX_LENGTH + 2), np.int32),
        np.empty((count, SYMBOLS), np.uint8),
    )


@njit(cache=True)
def read_segments(
    symbols: Ints, starts: Longs, decoders: Decoders, buffer: Bytes, state: State
) -> None:
    """Read symbols in context order; any bits yield some symbols, never more than asked for."""
    position = state[POSITION]
    for context in range(len(starts) - 1):
        segment = symbols[starts[context] : starts[context + 1]]
        if len(segment) == 0:
            continue
        fast, firsts = decoders.fast[context], decoders.firsts[context]
        order = decoders.symbols[context]
        if not decoders.ready[context]:
            decoding_table(decoders.lengths[context], fast, firsts, order)
            decoders.ready[context] = True
        table = (fast, firsts, order)
        grouping = decoders.groupings[context]
        if grouping == SINGLE:
            position = _read_single(segment, table, buffer, position)
        elif grouping == RUN:
            position = _read_runs(segment, table, buffer, position)
        elif grouping == PAIR:
            position = _read_joined(segment, 2, 4, table, buffer, position)
        else:
            position = _read_joined(segment, 4, 2, table, buffer, position)
    state[POSITION] = position


@njit(cache=True)
def _long_entry(bits: Whole, firsts: Ints, symbols: Bytes) -> Whole:
    """What ``fast`` would say of a code longer than FAST_BITS; symbol 0 if there is none such."""
    for length in range(FAST_BITS + 1, MAX_LENGTH + 1):
        index = first_bits(bits, length) - firsts[0, length]
        if 0 <= index < firsts[1, length]:
            return np.int64(symbols[firsts[2, length] + index]) << LENGTH_BITS | length
    return np.int64(MAX_LENGTH)


@njit(cache=True)
def _read_single(segment: Ints, table: Table, buffer: Bytes, position: Whole) -> Whole:
    fast, firsts, symbols = table
    for i in range(len(segment)):
        bits = window(buffer, position)
        entry: Whole = np.int64(fast[bits >> _FAST_SHIFT])
        if entry == 0:
            entry = _long_entry(bits, firsts, symbols)
        token, length = entry >> LENGTH_BITS, entry & _LENGTH_MASK
        raw = 0 if token < 32 else min(int((token - 32) >> 2) + 3, SYMBOL_BITS - 1)
        high = token if token < 32 else (4 | (token & 3)) << raw
        segment[i] = high + first_bits(bits << np.uint64(length), raw)
        position += np.uint64(length + raw)
    return position


@njit(cache=True, inline="always")
def _excess(buffer: Bytes, position: Whole) -> tuple[Whole, Whole]:
    """An excess and the position after it."""
    bits = window(buffer, position)
    zeros = 0
    while zeros < SYMBOL_BITS and first_bits(bits, zeros + 1) == 0:
        zeros += 1
    length = 2 * zeros + 3
    return max(first_bits(bits, length) - 4, 0), position + np.uint64(length)


@njit(cache=True)
def _read_joined(
    segment: Ints, joined: int, width: int, table: Table, buffer: Bytes, position: Whole
) -> Whole:
    fast, firsts, symbols = table
    top = (1 << width) - 1
    for start in range(0, len(segment), joined):
        bits = window(buffer, position)
        entry: Whole = np.int64(fast[bits >> _FAST_SHIFT])
        if entry == 0:
            entry = _long_entry(bits, firsts, symbols)
        token = entry >> LENGTH_BITS
        position += np.uint64(entry & _LENGTH_MASK)
        for k in range(min(joined, len(segment) - start)):
            symbol: Whole = (token >> (width * (joined - 1 - k))) & top
            if symbol == top:
                excess, position = _excess(buffer, position)
                symbol += excess
            segment[start + k] = symbol
    return position


@njit(cache=True)
def _read_runs(segment: Ints, table: Table, buffer: Bytes, position: Whole) -> Whole:
    fast, firsts, symbols = table
    i = 0
    while i < len(segment):
        bits = window(buffer, position)
        entry: Whole = np.int64(fast[bits >> _FAST_SHIFT])
        if entry == 0:
            entry = _long_entry(bits, firsts, symbols)
        token, length = entry >> LENGTH_BITS, entry & _LENGTH_MASK
        run, raw = int(token >> 2), 0
        if run >= 16:
            raw = ((run - 16) >> 1) + 3
            run = (2 | (run & 1)) << raw | int(first_bits(bits << np.uint64(length), raw))
        position += np.uint64(length + raw)
        stop = min(i + run, len(segment))
        segment[i:stop] = 0
        i = stop
        if i < len(segment):
            symbol: Whole = (token & 3) + 1
            if symbol == 4:
                excess, position = _excess(buffer, position)
                symbol += excess
            segment[i] = symbol
            i += 1
    return position
