"""The Huffman tables of a frame, as they are told in its stream.

A predictor brings sets of CONTEXTS tables. Three bits name the frame's set, whose tables are its
contexts' defaults; one bit says whether any context departs from it. If so, each context in turn
sends 0 (its default), 10 and a table's number (9 bits), or 11, a table's number and a table of its
own, which takes that table's grouping and is told by the differences of its lengths: 0 as ``0``,
+-1 as ``10`` and the sign, +-2 as ``110`` and the sign, anything else as ``111`` and the length in
5 bits; the number of lengths (8 bits, less one) comes first, the rest are 0.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from codec.arrays import Bytes, Longs, State
from codec.bitstream import take_bits, write_bits
from codec.contexts import CONTEXTS
from codec.errors import StreamError
from codec.huffman import MAX_LENGTH, is_decodable
from codec.predictor import Tables
from codec.reading import Decoders, new_decoders

DEFAULT, OTHER, OWN = 0, 1, 2
SET_BITS = 3
NUMBER_BITS = 9
COUNT_BITS = 8


@dataclass(frozen=True, slots=True)
class Choice:
    """The tables of one frame.

    Attributes:
        tables: number of the set that the defaults come from.
        kinds: int64 (CONTEXTS,), DEFAULT, OTHER or OWN.
        numbers: int64 (CONTEXTS,), the table used, or the one that its own table is told against.
        groupings: uint8 (CONTEXTS,).
        lengths: uint8 (CONTEXTS, 256).
        bits: what the coded symbols will take, without the tables.
    """

    tables: int
    kinds: NDArray[np.int64]
    numbers: NDArray[np.int64]
    groupings: NDArray[np.uint8]
    lengths: NDArray[np.uint8]
    bits: int


@njit(cache=True)
def own_table_bits(lengths: Bytes, reference: Bytes) -> int:
    """What telling a table against another takes, without the table's number."""
    bits = COUNT_BITS
    for i in range(_sent_lengths(lengths)):
        difference = abs(np.int64(lengths[i]) - np.int64(reference[i]))
        bits += 1 if difference == 0 else 3 if difference == 1 else 4 if difference == 2 else 8
    return bits


@njit(cache=True)
def _sent_lengths(lengths: Bytes) -> int:
    """Lengths up to the last that is not zero, and at least one."""
    count = len(lengths)
    while count > 1 and lengths[count - 1] == 0:
        count -= 1
    return count


def write(
    choice: Choice, tables: Tables, buffer: NDArray[np.uint8], state: NDArray[np.uint64]
) -> None:
    """Tell the choice."""
    write_bits(buffer, state, choice.tables, SET_BITS)
    departs = bool(choice.kinds.any())
    write_bits(buffer, state, int(departs), 1)
    if departs:
        kinds = (choice.kinds, choice.numbers)
        _write_departures(kinds, choice.lengths, tables.lengths, buffer, state)


@njit(cache=True)
def _write_departures(
    kinds: tuple[Longs, Longs], lengths: Bytes, known: Bytes, buffer: Bytes, state: State
) -> None:
    for context in range(len(lengths)):
        kind, number = kinds[0][context], kinds[1][context]
        if kind == DEFAULT:
            write_bits(buffer, state, 0, 1)
            continue
        write_bits(buffer, state, 2 if kind == OTHER else 3, 2)
        write_bits(buffer, state, number, NUMBER_BITS)
        if kind == OWN:
            _write_lengths(lengths[context], known[number], buffer, state)


@njit(cache=True)
def _write_lengths(lengths: Bytes, reference: Bytes, buffer: Bytes, state: State) -> None:
    count = _sent_lengths(lengths)
    write_bits(buffer, state, count - 1, COUNT_BITS)
    for i in range(count):
        difference = np.int64(lengths[i]) - np.int64(reference[i])
        negative = np.int64(difference < 0)
        if difference == 0:
            write_bits(buffer, state, 0, 1)
        elif abs(difference) == 1:
            write_bits(buffer, state, 0b100 | negative, 3)
        elif abs(difference) == 2:
            write_bits(buffer, state, 0b1100 | negative, 4)
        else:
            write_bits(buffer, state, 0b11100000 | np.int64(lengths[i]), 8)


def read(tables: Tables, buffer: NDArray[np.uint8], state: NDArray[np.uint64]) -> Decoders:
    """The frame's tables.

    Raises:
        StreamError: a table's number or its lengths are impossible.
    """
    first = int(take_bits(buffer, state, SET_BITS)) * CONTEXTS
    if first >= len(tables.lengths):
        raise StreamError("the frame uses a set of tables that does not exist")
    groupings = tables.groupings[first : first + CONTEXTS].copy()
    lengths = tables.lengths[first : first + CONTEXTS].copy()
    if take_bits(buffer, state, 1):
        for context in range(CONTEXTS):
            if not take_bits(buffer, state, 1):
                continue
            own = take_bits(buffer, state, 1)
            number = int(take_bits(buffer, state, NUMBER_BITS))
            if number >= len(tables.lengths):
                raise StreamError(f"context {context} uses table {number}, which does not exist")
            groupings[context] = tables.groupings[number]
            lengths[context] = tables.lengths[number]
            if own and not _read_lengths(lengths[context], buffer, state):
                raise StreamError(f"context {context} has a table that is no prefix code")
    return new_decoders(groupings, lengths)


@njit(cache=True)
def _read_lengths(lengths: Bytes, buffer: Bytes, state: State) -> bool:
    """Change lengths from the reference's to the table's own; False if they are impossible."""
    count = take_bits(buffer, state, COUNT_BITS) + 1
    for i in range(count):
        ones = 0
        while ones < 3 and take_bits(buffer, state, 1):
            ones += 1
        length = np.int64(lengths[i])
        if ones == 3:
            length = np.int64(take_bits(buffer, state, 5))
        elif ones:
            length += -ones if take_bits(buffer, state, 1) else ones
        if length < 0 or length > MAX_LENGTH:
            return False
        lengths[i] = length
    lengths[count:] = 0
    return is_decodable(lengths)
