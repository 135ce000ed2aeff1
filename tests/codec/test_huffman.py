"""Huffman codes: optimal within the limit, decodable, and read as they were written."""

from __future__ import annotations

import heapq

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from codec.bitstream import flush, new_state, overrun, padded, take_bits, write_bits
from codec.huffman import (
    MAX_LENGTH,
    SYMBOLS,
    code_lengths,
    is_decodable,
)
from codec.reading import new_decoders, read_segments
from codec.tokens import GROUPINGS, count_segments, write_segments

COUNTS = st.lists(st.integers(0, 1 << 30), min_size=2, max_size=SYMBOLS)


def unlimited_cost(counts: list[int]) -> int:
    """Bits of a Huffman code without limit, by merging (Huffman 1952)."""
    heap = [count for count in counts if count]
    if len(heap) == 1:
        return heap[0]
    heapq.heapify(heap)
    cost = 0
    while len(heap) > 1:
        merged = heapq.heappop(heap) + heapq.heappop(heap)
        cost += merged
        heapq.heappush(heap, merged)
    return cost


@given(COUNTS)
def test_lengths_are_decodable_and_within_the_limit(counts: list[int]) -> None:
    lengths = code_lengths(np.array(counts, np.int64))
    assert is_decodable(lengths)
    assert lengths.max() <= MAX_LENGTH
    assert np.array_equal(lengths > 0, np.array(counts) > 0)


@given(st.lists(st.integers(1, 50), min_size=2, max_size=60))
def test_lengths_are_optimal_where_the_limit_does_not_bind(counts: list[int]) -> None:
    lengths = code_lengths(np.array(counts, np.int64))
    assert int(np.dot(counts, lengths.astype(np.int64))) == unlimited_cost(counts)


def test_the_limit_binds_for_fibonacci_counts() -> None:
    counts = [1, 1]
    while len(counts) < 40:
        counts.append(counts[-1] + counts[-2])
    lengths = code_lengths(np.array(counts, np.int64))
    assert lengths.max() == MAX_LENGTH
    assert sum(2.0 ** -int(length) for length in lengths) == 1.0


@given(st.lists(st.tuples(st.integers(0, (1 << 32) - 1), st.integers(1, 32)), max_size=50))
def test_bits_come_back(fields: list[tuple[int, int]]) -> None:
    buffer, state = np.zeros(300, np.uint8), new_state()
    for value, bits in fields:
        write_bits(buffer, state, value & ((1 << bits) - 1), bits)
    written = padded(buffer[: flush(buffer, state)].tobytes())
    state = new_state()
    for value, bits in fields:
        assert take_bits(written, state, bits) == value & ((1 << bits) - 1)
    assert not overrun(written, state)


SYMBOL_LISTS = st.lists(
    st.one_of(st.just(0), st.integers(0, 5), st.integers(0, (1 << 17) - 1)),
    min_size=1,
    max_size=200,
)


@given(SYMBOL_LISTS, st.integers(0, GROUPINGS - 1))
def test_symbols_come_back_in_every_grouping(symbols: list[int], grouping: int) -> None:
    segment = np.array(symbols, np.int32)
    starts, groupings = np.array([[0, len(segment)]]), np.array([grouping], np.uint8)
    counts, raw_totals = np.zeros((1, GROUPINGS, SYMBOLS), np.int64), np.zeros((1, GROUPINGS), int)
    count_segments(segment, starts, np.ones((1, GROUPINGS), np.bool_), counts, raw_totals)
    lengths = code_lengths(counts[0, grouping])
    buffer, state = np.zeros(8 * len(segment) + 64, np.uint8), new_state()
    write_segments(segment, starts, groupings, lengths[None], buffer, state)
    bits = int(counts[0, grouping] @ lengths.astype(np.int64)) + int(raw_totals[0, grouping])
    written = buffer[: flush(buffer, state)]
    assert len(written) == (bits + 7) // 8
    assert read(written, len(segment), grouping, lengths) == symbols


def read(
    written: NDArray[np.uint8], count: int, grouping: int, lengths: NDArray[np.uint8]
) -> list[int]:
    symbols, starts = np.empty(count, np.int32), np.array([0, count])
    decoders = new_decoders(np.array([grouping], np.uint8), lengths[None])
    read_segments(symbols, starts, decoders, padded(written.tobytes()), new_state())
    return [int(symbol) for symbol in symbols]
