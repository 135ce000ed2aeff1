"""Bits packed most significant first, for compiled loops.

A writer or reader is a byte array and a ``state`` of three uint64: bits held, their number, and
the next byte's position. Reading past the end yields zeros and moves the position past the end,
which :func:`overrun` tells afterwards: inner loops need no bounds test and stay bounded.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from codec.arrays import Bytes, State, Whole

HELD, COUNT, POSITION = 0, 1, 2


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


@njit(cache=True, inline="always")
def fill(buffer: Bytes, state: State) -> None:
    """Hold at least 56 bits."""
    held, count, position = state[HELD], state[COUNT], state[POSITION]
    while count <= np.uint64(56):
        byte = np.uint64(0)
        if position < np.uint64(len(buffer)):
            byte = np.uint64(buffer[position])
        held = (held << np.uint64(8)) | byte
        position += np.uint64(1)
        count += np.uint64(8)
    state[HELD], state[COUNT], state[POSITION] = held, count, position


@njit(cache=True, inline="always")
def peek_bits(state: State, bits: Whole) -> Whole:
    """The next ``bits`` bits, without taking them; they must be held."""
    mask = (np.uint64(1) << np.uint64(bits)) - np.uint64(1)
    return np.int64((state[HELD] >> (state[COUNT] - np.uint64(bits))) & mask)


@njit(cache=True, inline="always")
def take_bits(buffer: Bytes, state: State, bits: Whole) -> Whole:
    """The next ``bits`` (at most 32) bits."""
    if state[COUNT] < np.uint64(bits):
        fill(buffer, state)
    value = peek_bits(state, bits)
    state[COUNT] -= np.uint64(bits)
    return value


@njit(cache=True)
def overrun(buffer: Bytes, state: State) -> bool:
    """Whether more bits were taken than the buffer holds."""
    taken = np.int64(state[POSITION]) * 8 - np.int64(state[COUNT])
    return bool(taken > len(buffer) * 8)
