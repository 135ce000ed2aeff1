"""Networks of small integers as compiled code: products of bytes, summed in 32 bits.

Blocks of ``BLOCK`` samples go through all layers while they are in the first-level cache. A *word*
holds four successive activations of one sample, a *tile* is four successive outputs: one word for
the next layer.

numba's cache tells processors apart by name and features.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
from numba import njit
from numpy.typing import NDArray

from codec.arrays import Codes, Ints, Longs, Octets
from models.instructions import AVX2, BLOCK, TILE, VNNI_256, VNNI_512, interleave, run_tile

_OFFSETS = np.uint32(0x80808080)

_SHUFFLES = {VNNI_512: False, VNNI_256: True, AVX2: True}
"""Whether whole blocks are packed by shuffles: with vectors of 256 bits the network then takes 0.44
(VNNI) and 0.70 (AVX2) of the time, with those of 512 bits 1.1."""


@njit(cache=True, inline="always")
def _pack(features: Octets, first: int, count: int, words: Codes) -> None:
    """Words of ``count`` samples' features; past the last row they hold it again, with weight 0."""
    last = features.shape[0] - 1
    stop = first + count
    for group in range(last // TILE + 1):
        row = TILE * group
        a, b = features[row, first:stop], features[min(row + 1, last), first:stop]
        c, d = features[min(row + 2, last), first:stop], features[min(row + 3, last), first:stop]
        word = words[group]
        for x in range(count):
            low = np.uint32(np.uint8(a[x])) | np.uint32(np.uint8(b[x])) << np.uint32(8)
            high = np.uint32(np.uint8(c[x])) | np.uint32(np.uint8(d[x])) << np.uint32(8)
            word[x] = (low | high << np.uint32(16)) ^ _OFFSETS


@njit(cache=True, inline="always")
def _pack_block(features: Octets, first: int, words: Codes) -> None:
    """The same of a whole block."""
    last = features.shape[0] - 1
    for group in range(last // TILE + 1):
        row = TILE * group
        rows = (row, min(row + 1, last), min(row + 2, last), min(row + 3, last))
        interleave(features, rows, first, words[group])


Arrays = tuple[Ints, Ints, Longs, Ints]
"""A network as its compiled code takes it: for all layers, one after the other,

0. weights as words, tile by tile: (input words, TILE);
1. what is added to each output before the shift;
2. per layer the words of its input, its tiles, its shift;
3. bounds of the last layer's outputs, (2, outputs): at least and at most.
"""

Run = Callable[[NDArray[np.int8], Arrays, NDArray[np.int32]], None]
"""Takes features (rows, samples) and a network, and fills its outputs, (outputs, samples)."""


@cache
def runner(kind: int) -> Run:
    """The code for one kind of products, which the processor must have."""
    shuffles = _SHUFFLES[kind]

    @njit(cache=True)
    def run(features: Octets, network: Arrays, outputs: Ints) -> None:
        weights, rounding, shapes, bounds = network
        widest = shapes[:, :2].max()
        words = np.zeros((widest, BLOCK), np.uint32)
        following = np.zeros((widest, BLOCK), np.uint32)
        sums = np.empty((TILE, BLOCK), np.int32)
        for first in range(0, features.shape[1], BLOCK):
            count = min(BLOCK, features.shape[1] - first)
            if shuffles and count == BLOCK:
                _pack_block(features, first, words)
            else:
                _pack(features, first, count, words)
            place, row = 0, 0
            for layer in range(len(shapes) - 1):
                groups, tiles, shift = shapes[layer]
                for tile in range(tiles):
                    inputs = (weights[place:], rounding[row:])
                    run_tile(kind, words, inputs, groups, np.int32(shift), following[tile])
                    place += groups * TILE
                    row += TILE
                words, following = following, words
            groups, _, shift = shapes[-1]
            for output in range(len(outputs)):
                if output % TILE == 0:
                    inputs = (weights[place:], rounding[row + output :])
                    run_tile(kind, words, inputs, groups, np.int32(shift), sums)
                    place += groups * TILE
                low, high = bounds[0, output], bounds[1, output]
                for x in range(count):
                    value = sums[output % TILE, x]
                    outputs[output, first + x] = min(max(value, low), high)

    return run
