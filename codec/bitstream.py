"""Bits packed most significant first, for compiled loops.

A writer is a byte array and a ``state`` of three uint64: bits held, their number, and the next
byte's position. A reader is a byte array with ``PADDING`` zeros at its end (:func:`padded`) and a
state whose position counts bits. Reading past the end yields zeros and moves the position past the
end, which :func:`overrun` tells afterwards: inner loops need no bounds test and stay bounded.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from codec.arrays import Bytes, State, Whole

HELD, COUNT, POSITION = 0, 1, 2
PADDING = 16
WINDOW_BITS = 57
"""Bits of a :func:`window` that are sure to be the stream's."""


def new_state(position: int = 0) -> NDArray[np.uint64]:
    """The state of a writer or reader that starts at a byte position."""
    return np.array([0, 0, position], np.uint64)


@njit(cache=True, inline="always")
def write_bits(buffer: Bytes, state: State, value: Whole, bits: Whole) -> None:
    """Append the lowest ``bits`` (at most 32) of ``value``."""
    held = (state[HELD] << np.uint64(bits)) | np.uint64(value)
    count = state[COUNT] + np.uint64(bits)
    position = state[POSITION]
    while count >= np.uint64(8):
        count -= np.uint64(8)
        buffer[position] = np.uint8((held >> count) & np.uint64(0xFF))
        position += np.uint64(1)
    state[HELD] = held & ((np.uint64(1) << count) - np.uint64(1))
    state[COUNT] = count
    state[POSITION] = position


@njit(cache=True)
def flush(buffer: Bytes, state: State) -> Whole:
    """Pad the last byte with zeros and return the number of bytes written."""
    if state[COUNT] > np.uint64(0):
        write_bits(buffer, state, np.uint64(0), np.uint64(8) - state[COUNT])
    return np.int64(state[POSITION])


def padded(stream: bytes) -> NDArray[np.uint8]:
    """A stream as readers take it."""
    return np.frombuffer(stream + bytes(PADDING), np.uint8)


@njit(cache=True)
def window(buffer: Bytes, position: Whole) -> Whole:
    """The next 64 bits (uint64) from a bit position (uint64) on; the last seven may be zeros."""
    first = min(position >> np.uint64(3), np.uint64(len(buffer) - 8))
    bits = np.uint64(0)
    for i in range(8):
        bits = bits << np.uint64(8) | np.uint64(buffer[first + np.uint64(i)])
    return bits << (position & np.uint64(7))


@njit(cache=True)
def first_bits(bits: Whole, count: Whole) -> Whole:
    """The first ``count`` (at most 63) bits of a window."""
    return np.int64((bits >> np.uint64(1)) >> (np.uint64(63) - np.uint64(count)))


@njit(cache=True)
def take_bits(buffer: Bytes, state: State, bits: Whole) -> Whole:
    """The next ``bits`` (at most 32) bits."""
    value = first_bits(window(buffer, state[POSITION]), bits)
    state[POSITION] += np.uint64(bits)
    return value


def overrun(buffer: NDArray[np.uint8], state: NDArray[np.uint64]) -> bool:
    """Whether more bits were taken than the stream holds."""
    return bool(state[POSITION] > 8 * (len(buffer) - PADDING))
