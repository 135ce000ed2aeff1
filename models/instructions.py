"""Vector instructions that numba has no name for: products of bytes, and their packing.

A processor with VNNI multiplies four unsigned bytes by four signed ones and adds all to a 32-bit
sum in one instruction, for 16 or 8 samples at once; one with AVX2 alone needs a few more. All kinds
of products give the same integers: no sum saturates or exceeds 31 bits
(:func:`models.exact.prove`).
"""

from __future__ import annotations

from functools import cache
from typing import Any

import llvmlite.binding
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.errors import TypingError
from numba.extending import intrinsic

ACTIVATION_TOP = 127
"""Activations and features are integers of magnitude at most this."""

BLOCK = 64
TILE = 4
"""Outputs computed at once, and activations in a word."""

OFFSET = 128
"""Added to the signed features to make unsigned bytes of them; the first layer's rounding takes it
off again."""

VNNI_512, VNNI_256, AVX2 = 0, 1, 2
_NEEDED = {VNNI_512: "avx512vnni", VNNI_256: "avxvnni", AVX2: "avx2"}
_LANES = {VNNI_512: 16, VNNI_256: 8, AVX2: 8}
_VECTORS = {VNNI_512: 4, VNNI_256: 2, AVX2: 2}
"""Vectors of samples at once: with four outputs each they fill half the processor's registers."""

_INT, _BYTE = ir.IntType(32), ir.IntType(8)
_WIDEST = 512
"""Bits of a vector of VNNI_512."""


@cache
def available() -> tuple[int, ...]:
    """The kinds of products that this processor has, the fastest first."""
    features = llvmlite.binding.get_host_cpu_features()
    return tuple(kind for kind, name in _NEEDED.items() if features.get(name))


def _tile_code(
    typing: Any, kind: Any, words: Any, layer: Any, groups: Any, shift: Any, out: Any
) -> Any:
    """One tile's outputs for a block: uint32 words (BLOCK,), or its shifted sums (TILE, BLOCK).

    ``words`` are uint32 (groups, BLOCK); ``layer`` is the tile's weights, int32 (groups * TILE,),
    and rounding, int32 (TILE,). Words are clamped to [0, ACTIVATION_TOP], sums of the type int32
    not at all.
    """
    signature = types.void(kind, words, layer, groups, shift, out)

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        def pointer(array_type: Any, value: Any) -> Any:
            return context.make_array(array_type)(context, builder, value).data

        tile = _Tile(
            builder,
            kind.literal_value,
            pointer(words, args[1]),
            [pointer(layer[i], builder.extract_value(args[2], i)) for i in range(2)],
            args[3],
        )
        for first in range(0, BLOCK, tile.lanes * tile.vectors):
            sums = tile.sums(first)
            if out.dtype == types.uint32:
                tile.store_words(sums, args[4], pointer(out, args[5]), first)
            else:
                tile.store_sums(sums, args[4], pointer(out, args[5]), first)
        return context.get_dummy_value()

    return signature, generate


run_tile: Any = intrinsic(prefer_literal=True)(_tile_code)


class _Tile:
    """Writes the instructions of :func:`_tile_code`."""

    def __init__(self, builder: Any, kind: int, words: Any, layer: Any, groups: Any) -> None:
        self.lanes, self.vectors = _LANES[kind], _VECTORS[kind]
        self._builder = builder
        self._kind = kind
        self._words = words
        self._weights, self._rounding = layer
        self._groups = groups
        self._vector = ir.VectorType(_INT, self.lanes)

    def sums(self, first: int) -> list[list[Any]]:
        """The sums of a few vectors of samples for each output; they stay in registers."""
        builder, groups = self._builder, self._groups
        held = [
            [_register(builder, start) for _ in range(self.vectors)]
            for start in self._broadcast(self._rounding, groups.type(0))
        ]
        with cgutils.for_range(builder, groups) as loop:
            row = builder.add(builder.mul(loop.index, groups.type(BLOCK)), groups.type(first))
            inputs = [
                builder.load(self._place(self._words, row, v), align=4) for v in range(self.vectors)
            ]
            start = builder.mul(loop.index, groups.type(TILE))
            for weight, totals in zip(self._broadcast(self._weights, start), held, strict=True):
                for word, total in zip(inputs, totals, strict=True):
                    added = _dot(builder, self._kind, builder.load(total), word, weight)
                    builder.store(added, total)
        return [[builder.load(total) for total in totals] for totals in held]

    def store_words(self, sums: list[list[Any]], shift: Any, out: Any, first: int) -> None:
        """Shift, clamp and pack the outputs of each sample."""
        builder = self._builder
        top = ir.Constant(ir.VectorType(_BYTE, 4 * self.lanes), [ACTIVATION_TOP] * 4 * self.lanes)
        for v in range(self.vectors):
            values = [self._shifted(sums[output][v], shift) for output in range(TILE)]
            octets = _packed_octets(builder, values)
            octets = builder.select(builder.icmp_unsigned("<", octets, top), octets, top)
            word = builder.bitcast(_interleaved(builder, octets), self._vector)
            builder.store(word, self._place(out, self._groups.type(first), v), align=4)

    def store_sums(self, sums: list[list[Any]], shift: Any, out: Any, first: int) -> None:
        """Shift the outputs of each sample."""
        for output in range(TILE):
            row = self._groups.type(output * BLOCK + first)
            for v in range(self.vectors):
                value = self._shifted(sums[output][v], shift)
                self._builder.store(value, self._place(out, row, v), align=4)

    def _place(self, pointer: Any, start: Any, vector: int) -> Any:
        index = self._builder.add(start, start.type(vector * self.lanes))
        place = self._builder.gep(pointer, [index])
        return self._builder.bitcast(place, self._vector.as_pointer())

    def _broadcast(self, pointer: Any, start: Any) -> list[Any]:
        """Vectors of each of the TILE numbers from ``start`` on."""
        builder, count = self._builder, self._groups.type
        places = [builder.add(start, count(k)) for k in range(TILE)]
        return [self._spread(builder.load(builder.gep(pointer, [place]))) for place in places]

    def _spread(self, value: Any) -> Any:
        unset = ir.Constant(self._vector, ir.Undefined)
        single = self._builder.insert_element(unset, value, _INT(0))
        return self._builder.shuffle_vector(single, unset, self._all(0))

    def _shifted(self, sums: Any, shift: Any) -> Any:
        return self._builder.ashr(sums, self._spread(shift))

    def _all(self, value: int) -> Any:
        return ir.Constant(self._vector, [value] * self.lanes)


def _register(builder: Any, value: Any) -> Any:
    """Where a value is held: memory to this code, a register once LLVM has seen all its uses."""
    with builder.goto_entry_block():
        place = builder.alloca(value.type)
    builder.store(value, place)
    return place


def _packed_octets(builder: Any, values: list[Any]) -> Any:
    """Four vectors of 32 bits as unsigned bytes, clamped, in the order that the processor packs in.

    That is for each 16 bytes four of the first, of the second, of the third and of the fourth.
    """
    pairs = [_pack_two(builder, "packssdw", *values[i : i + 2]) for i in (0, 2)]
    return _pack_two(builder, "packuswb", *pairs)


def _pack_two(builder: Any, instruction: str, low: Any, high: Any) -> Any:
    lanes, bits = low.type.count, low.type.element.width
    packed = ir.VectorType(ir.IntType(bits // 2), 2 * lanes)
    family, suffix = ("avx512", ".512") if lanes * bits == _WIDEST else ("avx2", "")
    name = f"llvm.x86.{family}.{instruction}{suffix}"
    function = builder.module.declare_intrinsic(
        name, fnty=ir.FunctionType(packed, [low.type, high.type])
    )
    return builder.call(function, [low, high])


def _interleaved(builder: Any, octets: Any) -> Any:
    """Bytes of :func:`_packed_octets` with the four of each sample side by side."""
    order = [16 * (i // 16) + 4 * (i % 4) + i % 16 // 4 for i in range(octets.type.count)]
    places = ir.Constant(ir.VectorType(_INT, len(order)), order)
    return builder.shuffle_vector(octets, ir.Constant(octets.type, ir.Undefined), places)


def _dot(builder: Any, kind: int, total: Any, word: Any, weight: Any) -> Any:
    """``total`` plus the products of four unsigned bytes with four signed ones, in each lane."""
    vector = total.type
    octets = ir.VectorType(_BYTE, 4 * vector.count)
    if kind == AVX2:
        return _dot_of_pairs(builder, total, word, weight)
    name = f"llvm.x86.avx512.vpdpbusd.{32 * vector.count}"
    function = builder.module.declare_intrinsic(
        name, fnty=ir.FunctionType(vector, [vector, octets, octets])
    )
    factors = [builder.bitcast(factor, octets) for factor in (word, weight)]
    return builder.call(function, [total, *factors])


def _dot_of_pairs(builder: Any, total: Any, word: Any, weight: Any) -> Any:
    """The same by products of 16 bits, summed in pairs: even bytes, then odd ones."""
    vector = total.type
    pairs = ir.VectorType(ir.IntType(16), 2 * vector.count)
    function = builder.module.declare_intrinsic(
        "llvm.x86.avx2.pmadd.wd", fnty=ir.FunctionType(vector, [pairs, pairs])
    )
    eight = ir.Constant(pairs, [8] * pairs.count)
    words, weights = builder.bitcast(word, pairs), builder.bitcast(weight, pairs)
    even = builder.and_(words, ir.Constant(pairs, [255] * pairs.count))
    even_weights = builder.ashr(builder.shl(weights, eight), eight)
    odd, odd_weights = builder.lshr(words, eight), builder.ashr(weights, eight)
    total = builder.add(total, builder.call(function, [even, even_weights]))
    return builder.add(total, builder.call(function, [odd, odd_weights]))


def _interleave_code(typing: Any, features: Any, rows: Any, first: Any, out: Any) -> Any:
    """A word of each of BLOCK samples, from ``first`` on, of four rows of features.

    ``features`` are int8 (rows, samples), C-contiguous, ``rows`` four int64, ``out`` uint32
    (BLOCK,).
    """
    if features.layout != "C":
        raise TypingError("rows of features have to lie in memory as they are")
    signature = types.void(features, rows, first, out)

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        array = context.make_array(features)(context, builder, args[0])
        stride = builder.extract_value(array.strides, 0)
        words = context.make_array(out)(context, builder, args[3]).data
        octets = ir.VectorType(_BYTE, 16)
        for start in range(0, BLOCK, 16):
            column = builder.add(args[2], args[2].type(start))
            loaded = []
            for row in (builder.extract_value(args[1], k) for k in range(TILE)):
                place = builder.gep(array.data, [builder.add(builder.mul(row, stride), column)])
                loaded.append(builder.load(builder.bitcast(place, octets.as_pointer()), align=1))
            low, high = _joined(builder, *loaded[:2]), _joined(builder, *loaded[2:])
            word = _shuffled(builder, low, high, [16 * (i % 4) + i // 4 for i in range(64)])
            word = builder.xor(word, ir.Constant(word.type, [OFFSET] * 64))
            place = builder.gep(words, [ir.Constant(args[2].type, start)])
            builder.store(word, builder.bitcast(place, word.type.as_pointer()), align=4)
        return context.get_dummy_value()

    return signature, generate


interleave: Any = intrinsic(_interleave_code)


def _joined(builder: Any, low: Any, high: Any) -> Any:
    return _shuffled(builder, low, high, list(range(2 * low.type.count)))


def _shuffled(builder: Any, low: Any, high: Any, order: list[int]) -> Any:
    places = ir.Constant(ir.VectorType(_INT, len(order)), order)
    return builder.shuffle_vector(low, high, places)
