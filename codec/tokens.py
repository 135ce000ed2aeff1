"""Groupings: how the symbols of one context become Huffman tokens and raw bits.

A Huffman code spends at least one bit on a token, so contexts of low entropy join symbols. Each
context's table says how:

=======  ================================================================================
SINGLE   one symbol: below 32 the token itself, else exponent and two bits, rest raw
PAIR     two symbols of 0..15 each; 15 stands for 15 and more, the excess follows
QUAD     four symbols of 0..3 each; 3 stands for 3 and more, the excess follows
RUN      a run of zeros (below 16 itself, else exponent and one bit, rest raw) joined with
         the symbol after it, 1..4; 4 stands for 4 and more, the excess follows
=======  ================================================================================

Excess is an Exp-Golomb code of order 2. The last group of a segment is filled up with zeros; a run
that reaches the segment's end has no symbol after it. A segment is the symbols of one context
within one phase of one level.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from codec.arrays import Bytes, Codes, Flags, Ints, Longs, Shorts, State, Whole
from codec.bitstream import COUNT, HELD, POSITION, write_bits
from codec.huffman import canonical_code

SINGLE, PAIR, QUAD, RUN = 0, 1, 2, 3
GROUPINGS = 4
RAW = -1
"""In a list of tokens: only raw bits, no Huffman code."""

_FREQUENT = 1024
"""Single symbols below this have their tokens looked up: no branch to guess wrong in noise."""

SYMBOL_BITS = 17
"""Folded residuals of 16-bit samples are below 2**SYMBOL_BITS."""

Tokens = tuple[Shorts, Codes, Bytes]
"""Tokens or RAW, raw bits, and how many of these."""


@njit(cache=True)
def _room(starts: Longs) -> Tokens:
    """For the tokens of the longest segment: new memory for each took a quarter of the time."""
    longest = 0
    for phase in range(len(starts)):
        for context in range(starts.shape[1] - 1):
            longest = max(longest, starts[phase, context + 1] - starts[phase, context])
    room = 2 * longest + 2
    return np.empty(room, np.int16), np.empty(room, np.uint32), np.empty(room, np.uint8)


@njit(cache=True)
def _bit_length(value: Whole) -> int:
    length = 0
    while value:
        value >>= 1
        length += 1
    return length


@njit(cache=True)
def _add_excess(value: int, room: Tokens, n: int) -> int:
    """Exp-Golomb of order 2: as many zeros as bits beyond 3, then value + 4."""
    tokens, raw, raw_bits = room
    shifted = value + 4
    length = _bit_length(shifted)
    tokens[n] = RAW
    raw[n] = shifted
    raw_bits[n] = 2 * length - 3
    return n + 1


@njit(cache=True)
def tokenise(symbols: Ints, grouping: int, room: Tokens) -> int:
    """Fill in tokens and raw bits; return how many.

    There must be room for ``2 * len(symbols) + 2``.
    """
    if grouping == SINGLE:
        return _tokenise_single(symbols, room)
    if grouping == RUN:
        return _tokenise_runs(symbols, room)
    if grouping == PAIR:
        return _tokenise_joined(symbols, 2, 4, room)
    return _tokenise_joined(symbols, 4, 2, room)


def _single_tokens() -> tuple[NDArray[np.int16], NDArray[np.uint8]]:
    """Token and number of raw bits of each frequent symbol."""
    exponents = [max(symbol.bit_length() - 1, 0) for symbol in range(_FREQUENT)]
    tokens = [
        symbol if symbol < 32 else 32 + (e - 5) * 4 + ((symbol >> (e - 2)) & 3)
        for symbol, e in enumerate(exponents)
    ]
    raw_bits = [0 if symbol < 32 else e - 2 for symbol, e in enumerate(exponents)]
    return np.array(tokens, np.int16), np.array(raw_bits, np.uint8)


_TOKENS, _RAW_BITS = _single_tokens()


@njit(cache=True)
def _single(symbol: Whole) -> tuple[Whole, Whole]:
    """Token and number of raw bits of a symbol of 32 or more."""
    exponent = np.int64(_bit_length(symbol) - 1)
    return 32 + (exponent - 5) * 4 + ((symbol >> (exponent - 2)) & 3), exponent - 2


@njit(cache=True)
def _tokenise_single(symbols: Ints, room: Tokens) -> int:
    tokens, raw, raw_bits = room
    for i in range(len(symbols)):
        symbol = symbols[i]
        if symbol < _FREQUENT:
            known: tuple[Whole, Whole] = np.int64(_TOKENS[symbol]), np.int64(_RAW_BITS[symbol])
            token, bits = known
        else:
            token, bits = _single(symbol)
        tokens[i] = token
        raw_bits[i] = bits
        raw[i] = symbol & ((1 << bits) - 1)
    return len(symbols)


@njit(cache=True, inline="always")
def _tokenise_joined(symbols: Ints, joined: int, bits: int, room: Tokens) -> int:
    """Inline, so that loops over ``joined`` symbols are none."""
    n, whole = 0, len(symbols) // joined * joined
    for start in range(0, whole, joined):
        n = _join(symbols, start, joined, bits, room, n)
    if whole < len(symbols):
        filled_up = np.zeros(joined, np.int32)
        filled_up[: len(symbols) - whole] = symbols[whole:]
        n = _join(filled_up, 0, joined, bits, room, n)
    return n


@njit(cache=True, inline="always")
def _join(symbols: Ints, start: int, joined: int, bits: int, room: Tokens, n: int) -> int:
    tokens, raw, raw_bits = room
    top, token, largest = (1 << bits) - 1, 0, 0
    for i in range(start, start + joined):
        token = token << bits | min(symbols[i], top)
        largest = max(largest, symbols[i])
    tokens[n], raw[n], raw_bits[n] = token, 0, 0
    n += 1
    if largest >= top:
        for i in range(start, start + joined):
            if symbols[i] >= top:
                n = _add_excess(symbols[i] - top, room, n)
    return n


@njit(cache=True)
def _tokenise_runs(symbols: Ints, room: Tokens) -> int:
    tokens, raw, raw_bits = room
    n = 0
    i = 0
    while i < len(symbols):
        run = 0
        while i < len(symbols) and symbols[i] == 0:
            run += 1
            i += 1
        after = 0
        if i < len(symbols):
            after = min(symbols[i], 4) - 1
        if run < 16:
            kind = run
            raw[n] = 0
            raw_bits[n] = 0
        else:
            exponent = _bit_length(run) - 1
            kind = 16 + (exponent - 4) * 2 + ((run >> (exponent - 1)) & 1)
            raw_bits[n] = exponent - 1
            raw[n] = run & ((1 << (exponent - 1)) - 1)
        tokens[n] = kind << 2 | after
        n += 1
        if i < len(symbols):
            if symbols[i] >= 4:
                n = _add_excess(symbols[i] - 4, room, n)
            i += 1
    return n


@njit(cache=True)
def _count_segment(
    symbols: Ints, wanted: Flags, counts: Longs, raw_totals: Longs, room: Tokens
) -> None:
    """Add a segment's tokens to (GROUPINGS, 256) counts and its raw bits to (GROUPINGS,) totals."""
    tokens, _, raw_bits = room
    if wanted[SINGLE]:
        raw_totals[SINGLE] += _count_single(symbols, counts[SINGLE])
    for grouping in range(SINGLE + 1, GROUPINGS):
        if not wanted[grouping]:
            continue
        own, total = counts[grouping], np.int64(0)
        for i in range(tokenise(symbols, grouping, room)):
            total += raw_bits[i]
            if tokens[i] != RAW:
                own[tokens[i]] += 1
        raw_totals[grouping] += total


@njit(cache=True)
def _count_single(symbols: Ints, counts: Longs) -> Whole:
    """Add a segment's single tokens to counts; return its raw bits."""
    total = np.int64(0)
    for symbol in symbols:
        if symbol < _FREQUENT:
            known: tuple[Whole, Whole] = np.int64(_TOKENS[symbol]), np.int64(_RAW_BITS[symbol])
            token, bits = known
        else:
            token, bits = _single(symbol)
        counts[token] += 1
        total += bits
    return total


@njit(cache=True)
def count_segments(
    symbols: Ints, starts: Longs, wanted: Flags, counts: Longs, raw_totals: Longs
) -> None:
    """Add up the tokens and raw bits of the segments of all phases.

    Args:
        symbols: of all segments.
        starts: where they start, (phases, contexts + 1).
        wanted: groupings of each context, (contexts, GROUPINGS): only of these.
        counts: (contexts, GROUPINGS, 256), added to.
        raw_totals: (contexts, GROUPINGS), added to.
    """
    room = _room(starts)
    for phase in range(len(starts)):
        for context in range(starts.shape[1] - 1):
            segment = symbols[starts[phase, context] : starts[phase, context + 1]]
            if len(segment):
                totals = raw_totals[context]
                _count_segment(segment, wanted[context], counts[context], totals, room)


@njit(cache=True)
def write_segments(
    symbols: Ints, starts: Longs, groupings: Bytes, lengths: Bytes, buffer: Bytes, state: State
) -> None:
    """Write the segments of all phases, each context with its own table's lengths."""
    codes = np.empty(lengths.shape, np.uint32)
    for context in range(len(lengths)):
        if (starts[:, context] < starts[:, context + 1]).any():
            codes[context] = canonical_code(lengths[context])
    room = _room(starts)
    for phase in range(len(starts)):
        for context in range(len(lengths)):
            segment = symbols[starts[phase, context] : starts[phase, context + 1]]
            if len(segment):
                count = tokenise(segment, groupings[context], room)
                _write_tokens(count, room, (codes[context], lengths[context]), buffer, state)


@njit(cache=True)
def _write_tokens(
    count: int, room: Tokens, table: tuple[Codes, Bytes], buffer: Bytes, state: State
) -> None:
    """Write each token's code and raw bits at once: at most 33 bits."""
    (tokens, raw, raw_bits), (codes, lengths) = room, table
    held, pending, position = state[HELD], state[COUNT], state[POSITION]
    for i in range(count):
        code, length, token = np.uint64(0), np.uint64(0), tokens[i]
        if token != RAW:
            code, length = np.uint64(codes[token]), np.uint64(lengths[token])
        more = np.uint64(raw_bits[i])
        held = ((held << length | code) << more) | np.uint64(raw[i])
        pending += length + more
        if pending >= np.uint64(32):
            pending -= np.uint64(32)
            word = np.uint32(held >> pending)
            for k in range(4):
                buffer[position + np.uint64(k)] = np.uint8(word >> np.uint32(24 - 8 * k))
            position += np.uint64(4)
    state[HELD], state[COUNT], state[POSITION] = np.uint64(0), np.uint64(0), position
    for shift in (24, 16, 8):
        if pending > np.uint64(shift):
            write_bits(buffer, state, (held >> (pending - np.uint64(8))) & np.uint64(255), 8)
            pending -= np.uint64(8)
    write_bits(buffer, state, held & ((np.uint64(1) << pending) - np.uint64(1)), pending)
