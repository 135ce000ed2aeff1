"""Canonical Huffman codes of limited length.

Lengths come from package-merge (Larmore and Hirschberg, J. ACM 37(3), 1990), which is optimal for
the limit. Codes are canonical: shorter first, equal lengths in symbol order. The decoder looks the
next ``FAST_BITS`` bits up in a table; longer codes are found by comparing with each length's first
code.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from codec.arrays import Bytes, Codes, FastCodes, Ints, Longs

MAX_LENGTH = 16
FAST_BITS = 11
LENGTH_BITS = 5
SYMBOLS = 256


@njit(cache=True)
def code_lengths(counts: Longs) -> Bytes:
    """Optimal code lengths (uint8, 0 for a symbol that does not occur), at most MAX_LENGTH."""
    lengths = np.zeros(len(counts), np.uint8)
    used = np.flatnonzero(counts)
    n = len(used)
    if n == 0:
        return lengths
    if n == 1:
        lengths[used[0]] = 1
        return lengths
    order = used[np.argsort(counts[used], kind="mergesort")]
    leaves = counts[order].astype(np.int64)
    is_leaf = np.zeros((MAX_LENGTH, 2 * n), np.bool_)
    current = np.empty(2 * n, np.int64)
    merged = np.empty(2 * n, np.int64)
    size = 0
    for level in range(MAX_LENGTH):
        packages = size // 2
        i = j = 0
        for k in range(n + packages):
            package = current[2 * j] + current[2 * j + 1] if j < packages else 0
            if j >= packages or (i < n and leaves[i] <= package):
                merged[k] = leaves[i]
                is_leaf[level, k] = True
                i += 1
            else:
                merged[k] = package
                j += 1
        size = n + packages
        current, merged = merged, current
    wanted = 2 * n - 2
    for level in range(MAX_LENGTH - 1, -1, -1):
        chosen = 0
        for k in range(wanted):
            chosen += is_leaf[level, k]
        for k in range(chosen):
            lengths[order[k]] += 1
        wanted = 2 * (wanted - chosen)
    return lengths


@njit(cache=True)
def is_decodable(lengths: Bytes) -> bool:
    """Whether code lengths are within the limit and leave no two codes in conflict."""
    used = 0
    for length in lengths:
        if length > MAX_LENGTH:
            return False
        if length:
            used += 1 << (MAX_LENGTH - length)
    return used <= 1 << MAX_LENGTH


@njit(cache=True)
def canonical_code(lengths: Bytes) -> Codes:
    """The canonical code (uint32) of each symbol, of their lengths."""
    codes = np.zeros(len(lengths), np.uint32)
    counts = np.zeros(MAX_LENGTH + 1, np.uint32)
    for length in lengths:
        counts[length] += 1
    following = np.zeros(MAX_LENGTH + 1, np.uint32)
    for length in range(2, MAX_LENGTH + 1):
        following[length] = (following[length - 1] + counts[length - 1]) << 1
    for symbol, length in enumerate(lengths):
        if length:
            codes[symbol] = following[length]
            following[length] += 1
    return codes


@njit(cache=True)
def decoding_table(lengths: Bytes, fast: FastCodes, firsts: Ints, symbols: Bytes) -> None:
    """Fill one table's decoder.

    Args:
        lengths: uint8, code lengths.
        fast: uint16 of 2**FAST_BITS, gets ``symbol << 5 | length``, 0 where the code is longer.
        firsts: int32 of (3, MAX_LENGTH + 2), gets per length the first code, how many codes, and
            where their symbols start.
        symbols: uint8, gets the symbols in code order.
    """
    fast[:] = 0
    firsts[:] = 0
    for length in lengths:
        firsts[1, length] += 1
    firsts[1, 0] = 0
    for length in range(1, MAX_LENGTH + 1):
        firsts[0, length] = (firsts[0, length - 1] + firsts[1, length - 1]) << 1
        firsts[2, length] = firsts[2, length - 1] + firsts[1, length - 1]
    following = firsts[2].copy()
    for symbol in range(len(lengths)):
        length = np.int64(lengths[symbol])
        if length == 0:
            continue
        place = following[length]
        following[length] += 1
        symbols[place] = symbol
        if length <= FAST_BITS:
            code, spread = firsts[0, length] + place - firsts[2, length], FAST_BITS - length
            fast[code << spread : (code + 1) << spread] = symbol << LENGTH_BITS | length
