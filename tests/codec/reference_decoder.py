"""The reference decoder: docs/format-codec.md as a program. Slow, plain, and normative.

It shares no code with ``codec`` and ``models``: NumPy int64 and Python integers only, weights read
from the safetensors file by hand. Section numbers are those of docs/format-codec.md.
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import zstandard
from numpy.typing import NDArray

I64 = NDArray[np.int64]
Setup = tuple[I64, int, int]
"""A phase's kernels, quarters of the network's corrections, and what is added to its scales."""


class Malformed(Exception):
    """The stream is none of the format's."""


# Section 2: numbers and blocks


class Fields:
    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def take(self, size: int) -> bytes:
        if self.at + size > len(self.data):
            raise Malformed("truncated")
        self.at += size
        return self.data[self.at - size : self.at]

    def number(self) -> int:
        value = shift = 0
        while True:
            byte = self.take(1)[0]
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    def block(self) -> bytes:
        return self.take(self.number())


# Section 3: the general path


def general(stream: bytes) -> bytes:
    method = stream[0]
    if method == 0:
        return stream[1:]
    if method == 1:
        return zstandard.decompress(stream[1:])
    unit = stream[1]
    data = zstandard.decompress(stream[2:])
    count = len(data) // unit
    words = [
        sum(data[plane * count + i] << (8 * plane) for plane in range(unit)) for i in range(count)
    ]
    if method == 3:
        for i in range(1, count):
            words[i] = (words[i] + words[i - 1]) % (1 << 8 * unit)
    return b"".join(word.to_bytes(unit, "little") for word in words) + data[count * unit :]


# Section 4: the frame


def decode(
    stream: bytes,
    shape: tuple[int, int],
    word_bytes: int,
    models: Mapping[bytes, Model],
    before: I64 | None = None,
) -> I64:
    """The words of a frame; ``before`` are those of the frame before."""
    rows, columns = shape
    method, body = stream[0], stream[1:]
    if method == 0:
        return _words(body, rows, columns, word_bytes)
    if method not in (1, 2, 3):
        raise Malformed("unknown method")
    if method == 3 and before is None:
        raise Malformed("the frame before is missing")
    fields = Fields(body)
    name = fields.take(4) if method >= 2 else b""
    checksum = fields.take(4)
    if method == 1:
        words = _words(general(body[4:]), rows, columns, word_bytes)
    else:
        model = next(m for digest, m in models.items() if digest[:4] == name)
        words = _learned(fields, rows, columns, model, before if method == 3 else None)
    data = words.astype("<u2" if word_bytes == 2 else "u1").tobytes()
    if zlib.crc32(data) != int.from_bytes(checksum, "little"):
        raise Malformed("checksum")
    return words


def _words(data: bytes, rows: int, columns: int, word_bytes: int) -> I64:
    words = np.frombuffer(data, "<u2" if word_bytes == 2 else "u1")
    return words.astype(np.int64).reshape(rows, columns)


# Section 5: the plan


def _learned(fields: Fields, rows: int, columns: int, model: Model, before: I64 | None) -> I64:
    flags, bits = fields.take(2)
    minimum = fields.number()
    high = None
    if flags & 1:
        high = _words(general(fields.block()), rows, columns, 2)
    step = fields.number() if flags & 4 else 1
    if flags & 8:
        count = fields.number()
        gaps = np.frombuffer(general(fields.block()), "<u2").astype(np.int64)
        values = np.concatenate(([0], np.cumsum(gaps + 1)))
        limit = count - 1
    else:
        limit = fields.number()
        values = np.arange(limit + 1)
    clip = fields.number() if flags & 16 else None
    row_mask = _mask(fields, rows) if flags & 32 else np.ones(rows, np.int64)
    column_mask = _mask(fields, columns) if flags & 64 else np.ones(columns, np.int64)
    axis = fields.number() if flags & 128 else 0
    kept = int(row_mask.sum()), int(column_mask.sum())
    if limit == 0:
        samples = np.zeros(kept, np.int64)
    else:
        reference = None
        if before is not None:
            before = before[row_mask == 1][:, column_mask == 1]
            reference = _reference((before - minimum) % (1 << bits), 1 << bits, step, values)
            reference = _differences(reference, limit + 1, axis)
        coded = fields.data[fields.at :]
        samples = Samples(coded, kept, limit, clip, model, reference).decode()
    samples = _sums(samples, limit + 1, axis)
    words = (values[samples] * step + minimum) % (1 << bits)
    words = words[np.cumsum(row_mask) - 1][:, np.cumsum(column_mask) - 1]
    return np.asarray(words if high is None else words + (high << bits))


def _reference(above: I64, modulus: int, step: int, values: I64) -> I64:
    """Reference samples of words less the minimum."""
    last = int(values[-1]) * step
    samples = np.zeros(above.shape, np.int64)
    for place, a in np.ndenumerate(above):
        if a < last + (modulus - last) // 2:
            samples[place] = np.flatnonzero(values <= min(a // step, values[-1]))[-1]
    return samples


def _differences(samples: I64, modulus: int, axis: int) -> I64:
    """Differences of rows (axis 1) or columns (2) in place of samples; 0 for neither."""
    if axis == 0:
        return samples
    if axis == 2:
        return _differences(samples.T, modulus, 1).T
    differences = samples - np.concatenate((np.zeros_like(samples[:1]), samples[:-1]))
    differences[0, 1:] -= samples[0, :-1]
    return np.asarray((differences + modulus // 2) % modulus)


def _sums(differences: I64, modulus: int, axis: int) -> I64:
    """The samples of differences."""
    if axis == 0:
        return differences
    if axis == 2:
        return _sums(differences.T, modulus, 1).T
    samples = differences - modulus // 2
    for x in range(1, samples.shape[1]):
        samples[0, x] += samples[0, x - 1]
    for y in range(1, samples.shape[0]):
        samples[y] += samples[y - 1]
    return np.asarray(samples % modulus)


def _mask(fields: Fields, count: int) -> I64:
    data = general(fields.block())
    return np.array([data[i // 8] >> (7 - i % 8) & 1 for i in range(count)], np.int64)


# Section 6: bits and Huffman codes


class Bits:
    def __init__(self, data: bytes) -> None:
        self.text = "".join(f"{byte:08b}" for byte in data) + "0" * 64
        self.at = 0

    def take(self, count: int) -> int:
        self.at += count
        if self.at > len(self.text):
            raise Malformed("truncated")
        return int(self.text[self.at - count : self.at] or "0", 2)


class Code:
    """A canonical prefix code: (length, code) to symbol."""

    def __init__(self, lengths: list[int]) -> None:
        self.symbols: dict[tuple[int, int], int] = {}
        code = 0
        for length in range(1, 17):
            code *= 2
            for symbol, own in enumerate(lengths):
                if own == length:
                    self.symbols[length, code] = symbol
                    code += 1

    def read(self, bits: Bits) -> int:
        code = 0
        for length in range(1, 17):
            code = 2 * code + bits.take(1)
            if (length, code) in self.symbols:
                return self.symbols[length, code]
        raise Malformed("no such code")


# Section 7: the lattice

PARITIES = {0: (0, 0), 1: (1, 1), 2: (0, 1), 3: (1, 0), 4: (1, 0)}
BOTH, ROWS, COLUMNS = 0, 1, 2


def column_step(phase: int) -> int:
    return 1 if phase == 4 else 2


def neighbours(phase: int) -> list[tuple[int, int]]:
    """Known positions around a sample of a phase, as (row, column) offsets; pairs are adjacent."""
    parity, step = PARITIES[phase], column_step(phase)
    known = [(0, 0)] if phase == 4 else [PARITIES[before] for before in range(phase)]
    half = []
    for dy in range(-5, 6):
        for dx in range(-5, 6):
            if ((parity[0] + dy) % 2, (parity[1] + dx) % step) in known and (dy, dx) > (0, 0):
                half.append((dy, dx))
    half.sort(key=lambda d: (d[0] ** 2 + d[1] ** 2, d))
    return [p for dy, dx in half[: 14 if phase == 3 else 12] for p in ((dy, dx), (-dy, -dx))]


def _mirrored(positions: I64, size: int) -> I64:
    positions = np.abs(positions)
    return np.where(positions > size - 1, 2 * (size - 1) - positions, positions)


def around(image: I64, phase: int, offset: tuple[int, int]) -> I64:
    """The neighbour at an offset of every sample of a phase, flat in raster order."""
    rows = np.arange(PARITIES[phase][0], image.shape[0], 2) + offset[0]
    columns = np.arange(PARITIES[phase][1], image.shape[1], column_step(phase)) + offset[1]
    rows, columns = _mirrored(rows, image.shape[0]), _mirrored(columns, image.shape[1])
    return np.asarray(image[rows[:, None], columns[None, :]].reshape(-1))


def upright(array: I64, split: int) -> I64:
    return array.T if split == COLUMNS else array


# Sections 8 and 9: features and network


@dataclass
class Model:
    layers: dict[int, list[tuple[I64, I64, int]]]
    kernels: I64
    groupings: I64
    lengths: I64


def load_model(data: bytes) -> Model:
    size = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8 : 8 + size])
    types = {"I8": "i1", "U8": "u1", "I32": "<i4"}

    def tensor(name: str) -> I64:
        entry = header[name]
        start, stop = entry["data_offsets"]
        raw = data[8 + size + start : 8 + size + stop]
        return np.frombuffer(raw, types[entry["dtype"]]).astype(np.int64).reshape(entry["shape"])

    layers: dict[int, list[tuple[I64, I64, int]]] = {}
    for phase in (1, 2, 3, 4):
        layers[phase] = []
        while f"phase{phase}.layer{len(layers[phase])}.weights" in header:
            name = f"phase{phase}.layer{len(layers[phase])}"
            shift = int(tensor(f"{name}.shift")[0])
            layers[phase].append((tensor(f"{name}.weights"), tensor(f"{name}.bias"), shift))
    return Model(layers, tensor("kernels"), tensor("groupings"), tensor("lengths"))


def _scaled(sixteenths: I64, exponent: I64) -> I64:
    half = (1 << exponent) >> 1
    return np.asarray(np.clip((sixteenths * 256 + half) >> exponent, -127, 127))


def features(
    values: I64, errors: I64, phase: int, linear: I64, level_error: int
) -> tuple[I64, I64]:
    """Rows of features, and exponents."""
    offsets = neighbours(phase)
    differences = [16 * around(values, phase, o) - linear for o in offsets]
    residuals = [16 * around(errors, phase, o) for o in offsets]
    activity = sum(
        np.abs(d) + np.abs(e) for d, e in zip(differences[:12], residuals[:12], strict=True)
    )
    activity = (np.asarray(activity) + 1) // 2
    exponent = np.array([int(a).bit_length() for a in activity], np.int64)
    rows = [_scaled(d, exponent) for d in differences]
    rows += [_scaled(np.abs(e), exponent) for e in residuals]
    rows += [_scaled(e, exponent) for e in residuals[:4]]
    rows += [
        _scaled(np.full_like(linear, level_error), exponent),
        np.clip((12 - exponent) * 16, 0, 127),
        np.clip((8 - exponent) * 32, 0, 127),
        ((activity * 64) >> exponent) * 4 - 192,
        _scaled(linear, exponent),
    ]
    return np.stack(rows), exponent


def network(model: Model, phase: int, columns: I64) -> tuple[I64, I64]:
    """Correction and log scale."""
    *inner, last = model.layers[phase]
    for weights, bias, shift in inner:
        sums = weights @ columns + bias[:, None]
        columns = np.clip((sums + (1 << (shift - 1))) >> shift, 0, 127)
    weights, bias, shift = last
    outputs = (weights @ columns + bias[:, None] + (1 << (shift - 1))) >> shift
    return np.clip(outputs[0], -1023, 1023), np.clip(outputs[1], -127, 127)


# Sections 10 to 12: contexts, tokens and samples


class Samples:
    def __init__(
        self,
        data: bytes,
        shape: tuple[int, int],
        limit: int,
        clip: int | None,
        model: Model,
        reference: I64 | None,
    ) -> None:
        self.bits = Bits(data)
        self.references = [] if reference is None else [reference]
        self.limit, self.clip, self.model = limit, clip, model
        self.shapes, self.splits = [shape], list[int]()

    def decode(self) -> I64:
        self._splits()
        image = self._base(self.shapes[-1])
        levels = range(len(self.splits) - 1, -1, -1)
        if not self.splits:
            return image
        self._classes()
        kernels = {
            (level, phase): self._setup(level, phase)
            for level in levels
            for phase in self._phases(level)
        }
        self._tables()
        errors = np.zeros_like(image)
        for level in levels:
            image, errors = self._level(level, image, errors, kernels)
        return image

    def _splits(self) -> None:
        departs = min(self.shapes[0]) >= 8 and self.bits.take(1)
        while min(self.shapes[-1]) >= 8:
            split = BOTH
            if departs and self.bits.take(1):
                split = ROWS + self.bits.take(1)
            rows, columns = self.shapes[-1]
            rows = rows if split == COLUMNS else (rows + 1) // 2
            columns = columns if split == ROWS else (columns + 1) // 2
            self.shapes.append((rows, columns))
            self.splits.append(split)
            if self.references:
                row_step, column_step = 1 + (split != COLUMNS), 1 + (split != ROWS)
                self.references.append(self.references[-1][::row_step, ::column_step])

    def _phases(self, level: int) -> tuple[int, ...]:
        return (1, 2, 3) if self.splits[level] == BOTH else (4,)

    def _base(self, shape: tuple[int, int]) -> I64:
        image = np.zeros(shape, np.int64)
        total, count = (self.limit >> 4) + 1, 1
        for y in range(shape[0]):
            for x in range(shape[1]):
                k = 0
                while count << k < total and k < 17:
                    k += 1
                quotient = 0
                while quotient < 24 and self.bits.take(1):
                    quotient += 1
                symbol = quotient << k | self.bits.take(k) if quotient < 24 else self.bits.take(17)
                residual = (symbol + 1) // 2 if symbol % 2 else -(symbol // 2)
                before = self.references[-1] if self.references else None
                known = self._median_edge(image, y, x) if before is None else before[y, x]
                image[y, x] = known + residual
                total, count = total + symbol, count + 1
                if count == 65:
                    total, count = total >> 1, count >> 1
        return image

    def _median_edge(self, image: I64, y: int, x: int) -> int:
        if y == 0:
            return int(image[y, x - 1]) if x else (self.limit + 1) // 2
        if x == 0:
            return int(image[y - 1, x])
        left, above, corner = (int(image[p]) for p in ((y, x - 1), (y - 1, x), (y - 1, x - 1)))
        if corner >= max(left, above):
            return min(left, above)
        if corner <= min(left, above):
            return max(left, above)
        return left + above - corner

    def _classes(self) -> None:
        self.labels, self.classes = np.zeros((1, 1), np.int64), 1
        if self.references or len(self.splits) < 3 or self.splits[:2] != [BOTH, BOTH]:
            return
        self.classes = self.bits.take(4) + 1
        if self.classes == 1:
            return
        rows, columns = (-(-side // 32) for side in self.shapes[0])
        bits = (self.classes - 1).bit_length()
        labels = [self.bits.take(bits) for _ in range(rows * columns)]
        self.labels = np.array(labels, np.int64).reshape(rows, columns)

    def _classes_of(self, level: int, phase: int, image: I64) -> I64:
        """The class of each sample of a phase, flat."""
        if self.classes == 1 or level > 1:
            return np.zeros(around(image, phase, (0, 0)).size, np.int64)
        rows = np.arange(PARITIES[phase][0], image.shape[0], 2) >> (5 - level)
        columns = np.arange(PARITIES[phase][1], image.shape[1], 2) >> (5 - level)
        return np.asarray(self.labels[rows[:, None], columns[None, :]].reshape(-1))

    def _setup(self, level: int, phase: int) -> Setup:
        pairs = len(neighbours(phase)) // 2
        extra = 4 if self.references else 0
        defaults = self.model.kernels[extra // 4, min(level, 2), phase - 1, :, : pairs + extra]
        rows, columns = self.shapes[level]
        if self.splits[level] == COLUMNS:
            rows, columns = columns, rows
        size = around(np.zeros((rows, columns), np.int64), phase, (0, 0)).size
        if size < 256:
            return defaults[:1], 4, 0
        kernels = [self._kernel(defaults[self.bits.take(3)])]
        for _ in range(1, self.classes if level < 2 else 1):
            kernels.append(self._kernel(kernels[0]))
        if not self.bits.take(1):
            return np.stack(kernels), 4, 0
        return np.stack(kernels), self.bits.take(3), self.bits.take(7) - 64

    def _kernel(self, expected: I64) -> I64:
        if not self.bits.take(1):
            return expected
        kernel, unit, k = expected.copy(), 1 << self.bits.take(3), self.bits.take(3)
        for i in range(1, len(kernel)):
            quotient = 0
            while self.bits.take(1):
                quotient += 1
            value = quotient << k | self.bits.take(k)
            kernel[i] += unit * (-(value + 1) // 2 if value % 2 else value // 2)
        own = len(kernel) - 4 if self.references else len(kernel)
        kernel[0] = 256 - kernel[1:own].sum()
        return kernel

    def _tables(self) -> None:
        first = 60 * self.bits.take(3)
        self.groupings = [int(g) for g in self.model.groupings[first : first + 60]]
        lengths = [[int(n) for n in row] for row in self.model.lengths[first : first + 60]]
        if self.bits.take(1):
            for context in range(60):
                if not self.bits.take(1):
                    continue
                own = self.bits.take(1)
                number = self.bits.take(9)
                self.groupings[context] = int(self.model.groupings[number])
                lengths[context] = [int(n) for n in self.model.lengths[number]]
                if own:
                    lengths[context] = self._own_lengths(lengths[context])
        self.codes = [Code(row) for row in lengths]

    def _own_lengths(self, reference: list[int]) -> list[int]:
        count = self.bits.take(8) + 1
        lengths = []
        for length in reference[:count]:
            ones = 0
            while ones < 3 and self.bits.take(1):
                ones += 1
            if ones == 3:
                lengths.append(self.bits.take(5))
            elif ones == 0:
                lengths.append(length)
            else:
                lengths.append(length - ones if self.bits.take(1) else length + ones)
        return lengths + [0] * (256 - count)

    def _level(
        self,
        level: int,
        coarser: I64,
        coarser_errors: I64,
        kernels: dict[tuple[int, int], Setup],
    ) -> tuple[I64, I64]:
        split = self.splits[level]
        whole_image = np.zeros(self.shapes[level], np.int64)
        whole_errors = np.zeros(self.shapes[level], np.int64)
        image, errors = upright(whole_image, split), upright(whole_errors, split)
        step = 2 if split == BOTH else 1
        image[::2, ::step] = upright(coarser, split)
        errors[::2, ::step] = upright(coarser_errors, split)
        total, known = int(np.abs(coarser_errors).sum()), coarser.size
        for phase in self._phases(level):
            of_classes, strength, scale = kernels[level, phase]
            of_samples = of_classes[self._classes_of(level, phase, image)]
            reference = upright(self.references[level], split) if self.references else None
            linear = self._linear(image, phase, of_samples, reference)
            columns, exponent = features(image, errors, phase, linear, 16 * total // known)
            correction, log_scale = network(self.model, phase, columns)
            means = linear + (((correction << exponent) + 1024) >> 11)
            means = np.clip(means, 0, 16 * self.limit)
            means = np.clip(linear + ((strength * (means - linear) + 2) >> 2), 0, 16 * self.limit)
            contexts = _contexts(means, log_scale + 8 * exponent + scale, exponent)
            samples = self._phase(image, phase, means, contexts)
            rows = slice(PARITIES[phase][0], None, 2)
            columns_ = slice(PARITIES[phase][1], None, column_step(phase))
            shape = image[rows, columns_].shape
            residuals = samples - ((linear + 8) >> 4)
            image[rows, columns_] = samples.reshape(shape)
            errors[rows, columns_] = residuals.reshape(shape)
            total, known = total + int(np.abs(residuals).sum()), known + samples.size
        return whole_image, whole_errors

    def _linear(self, image: I64, phase: int, kernels: I64, reference: I64 | None) -> I64:
        """With ``kernels`` of each sample, (samples, pairs)."""
        offsets = neighbours(phase)
        total = np.full(around(image, phase, offsets[0]).shape, 16, np.int64)
        for i, offset in enumerate(offsets):
            total += kernels[:, i // 2] * around(image, phase, offset)
        if reference is not None and kernels.shape[1] > len(offsets) // 2:
            centre = around(reference, phase, (0, 0))
            for i, (dy, dx) in enumerate(((0, 1), (1, -1), (1, 0), (1, 1)), len(offsets) // 2):
                pair = around(reference, phase, (dy, dx)) + around(reference, phase, (-dy, -dx))
                total += kernels[:, i] * (pair - 2 * centre)
        return np.asarray(np.clip(total >> 5, 0, 16 * self.limit))

    def _phase(self, image: I64, phase: int, means: I64, contexts: I64) -> I64:
        samples = np.zeros(len(means), np.int64)
        unknown = np.ones(len(means), np.bool_)
        if self.clip is not None:
            equal = [around(image, phase, o) == self.clip for o in neighbours(phase)[:12]]
            closest, further = np.sum(equal[:4], axis=0), np.sum(equal[4:], axis=0)
            asked = closest + further > 0
            clip_contexts = 45 + 3 * closest + np.minimum(further // 3, 2)
            surprising = self._symbols(clip_contexts[asked]) > 0
            clipped = np.zeros(len(means), np.bool_)
            clipped[asked] = surprising != (closest[asked] >= 3)
            samples[clipped] = self.clip
            unknown = ~clipped
        symbols = self._symbols(contexts[unknown])
        samples[unknown] = [
            self._unfold(int(s), int(m)) for s, m in zip(symbols, means[unknown], strict=True)
        ]
        return samples

    def _unfold(self, symbol: int, mean: int) -> int:
        whole = (mean + 8) >> 4
        room = min(whole, self.limit - whole)
        if symbol > 2 * room:
            beyond = symbol - room
            return whole + beyond if whole < self.limit - whole else whole - beyond
        residual = (symbol + 1) // 2 if symbol % 2 else -(symbol // 2)
        return whole - residual if mean < 16 * whole else whole + residual

    def _symbols(self, contexts: I64) -> I64:
        symbols = np.zeros(len(contexts), np.int64)
        for context in range(60):
            where = np.flatnonzero(contexts == context)
            if len(where):
                symbols[where] = self._segment(context, len(where))
        return symbols

    def _segment(self, context: int, count: int) -> list[int]:
        symbols: list[int] = []
        while len(symbols) < count:
            token = self.codes[context].read(self.bits)
            grouping = self.groupings[context]
            if grouping == 0:
                symbols.append(self._single(token))
            elif grouping == 3:
                symbols += self._run(token, count - len(symbols))
            else:
                width, members = (4, 2) if grouping == 1 else (2, 4)
                top = (1 << width) - 1
                for member in range(min(members, count - len(symbols))):
                    symbol = token >> (width * (members - 1 - member)) & top
                    symbols.append(symbol + self._excess() if symbol == top else symbol)
        return symbols

    def _single(self, token: int) -> int:
        if token < 32:
            return token
        low = (token - 32) // 4 + 3
        return (4 + token % 4) << low | self.bits.take(low)

    def _run(self, token: int, left: int) -> list[int]:
        run = token >> 2
        if run >= 16:
            low = (run - 16) // 2 + 3
            run = (2 + run % 2) << low | self.bits.take(low)
        if run >= left:
            return [0] * left
        symbol = token % 4 + 1
        return [0] * run + [symbol + self._excess() if symbol == 4 else symbol]

    def _excess(self) -> int:
        zeros = 0
        while self.bits.take(1) == 0:
            zeros += 1
        return (1 << (zeros + 2) | self.bits.take(zeros + 2)) - 4


def _contexts(means: I64, log_scale: I64, exponent: I64) -> I64:
    scale = np.clip((log_scale - 8) >> 2, 0, 27)
    fraction = np.abs(means - 16 * ((means + 8) >> 4))
    phased = 1 + 3 * scale + (fraction > 1) + (fraction > 4)
    contexts = np.where(scale < 8, phased, 17 + scale)
    return np.asarray(np.where(exponent == 0, 0, contexts))
