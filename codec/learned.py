"""Samples to bits and back: the lattice, predicted by kernels and network, Huffman-coded.

In order: how the levels are halved, the base level, the frame's linear kernels, its Huffman tables,
then each level from coarse to fine, phase by phase. A phase is written as one segment for each
context in use: the decoder knows every context of a phase before it reads the first of its symbols.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from codec import tables as frame_tables
from codec.base import base_room, read_base, write_base
from codec.bitstream import flush, new_state, overrun, padded
from codec.choose import choose, offered_groupings
from codec.contexts import (
    CONTEXTS,
    clip_settled,
    clip_surprises,
    context_order,
    fold,
    scale_contexts,
    sorted_by_context,
    unfold,
)
from codec.errors import StreamError
from codec.fitting import Fitting
from codec.kernels import (
    default_kernel,
    may_be_own,
    read_kernels,
    referenced,
    write_kernels,
)
from codec.lattice import (
    Split,
    layout_of_split,
    level_shapes,
    pyramid,
    turned,
    turned_shape,
)
from codec.levels import Level, Prediction
from codec.predictor import Predictor
from codec.reading import Decoders, read_segments
from codec.scales import Correction, choose_correction, read_correction, write_correction
from codec.splits import choose_splits, read_splits, write_splits
from codec.tiles import UNTILED, may_be_tiled, read_tiling, write_tiling
from codec.tokens import GROUPINGS, count_segments, write_segments

_HEADER_ROOM = 20_000
"""Bytes that kernels and tables take at most: 60 tables of 256 lengths of 8 bits, and more."""

_KERNEL_ROOM = 2 * 3 * 200
"""Bytes that one class's kernels take at most."""


@dataclass(frozen=True, slots=True)
class Range:
    """What values samples take: [0, limit], limit < 2**16; ``clip`` is one that is frequent."""

    limit: int
    clip: int | None = None


@dataclass(frozen=True, slots=True)
class Setup:
    """What a stream tells of one phase: its classes' kernels, and how the network errs."""

    kernels: NDArray[np.int32]
    correction: Correction


Setups = dict[tuple[int, int], Setup]
"""By level (0 is the finest) and phase."""


@dataclass(frozen=True, slots=True)
class Segments:
    """Symbols in context order, and where each context starts."""

    symbols: NDArray[np.int32]
    starts: NDArray[np.int64]


def encode_samples(
    samples: NDArray[np.int32],
    span: Range,
    predictor: Predictor,
    reference: NDArray[np.int32] | None = None,
    splits: list[Split] | None = None,
) -> bytes:
    """Code int32 samples of shape (rows, columns), not empty, within the span.

    The samples of the frame before, if the decoder will know them, are of the same shape and span.
    Splits are chosen here, unless the caller has chosen them.
    """
    encoder = _Encoder(samples, span, predictor, reference, splits)
    return encoder.write()


def count_tokens(
    samples: NDArray[np.int32],
    span: Range,
    predictor: Predictor,
    reference: NDArray[np.int32] | None = None,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """What a frame's tables have to code, for training them.

    Returns:
        Tokens as (CONTEXTS, GROUPINGS, 256) and raw bits as (CONTEXTS, GROUPINGS).
    """
    everything = np.ones((CONTEXTS, GROUPINGS), np.bool_)
    return _Encoder(samples, span, predictor, reference).count(everything)


class _Encoder:
    """A frame being coded: its kernels and segments, collected from coarse to fine."""

    def __init__(
        self,
        samples: NDArray[np.int32],
        span: Range,
        predictor: Predictor,
        reference: NDArray[np.int32] | None = None,
        splits: list[Split] | None = None,
    ) -> None:
        self._span = span
        self._predictor = predictor
        self._setups: Setups = {}
        self._segments: list[Segments] = []
        self._splits = choose_splits(samples) if splits is None else splits
        self._fitting = Fitting(
            samples, self._splits, predictor.kernels, is_referenced=reference is not None
        )
        self._references = levels_of(reference, self._splits)
        *levels, base = pyramid(samples, self._splits)
        self._base = np.ascontiguousarray(base)
        image, errors = base, np.zeros_like(self._base)
        for number in range(len(levels) - 1, -1, -1):
            errors = self._code_level(number, levels[number], image, errors)
            image = levels[number]

    def _code_level(
        self,
        number: int,
        image: NDArray[np.int32],
        coarser: NDArray[np.int32],
        coarser_errors: NDArray[np.int32],
    ) -> NDArray[np.int32]:
        split = self._splits[number]
        upright = turned(image, split)
        reference = self._references[number]
        level = Level(upright.shape, split, self._span.limit, self._predictor, reference)
        level.start(turned(coarser, split), turned(coarser_errors, split))
        for phase in level.layout.predicted:
            target = np.ascontiguousarray(level.layout.take(upright, phase))
            kernels = self._fitting.kernels(level.values, number, phase, target)
            places = self._fitting.tiling.at(number)
            prediction = level.predict(phase, kernels, places)
            samples = target.reshape(-1)
            left = self._add_clipped(level, phase, samples)
            self._add_left(number, phase, kernels, samples, prediction, left)
            if number or phase != level.layout.phases[-1]:
                level.complete(phase, target, prediction.linear)
        return turned(level.errors.join(), split) if number else self._base

    def _add_clipped(
        self, level: Level, phase: int, target: NDArray[np.int32]
    ) -> NDArray[np.bool_]:
        """Code which samples equal the clip value, and return which are left to code."""
        clip = self._span.clip
        if clip is None:
            return np.ones(len(target), np.bool_)
        contexts = level.clip_contexts(phase, clip)
        symbols, left = clip_surprises(target, clip, contexts)
        self._segments.append(Segments(*sorted_by_context(symbols, contexts)))
        return left

    def _add_left(
        self,
        number: int,
        phase: int,
        kernels: NDArray[np.int32],
        samples: NDArray[np.int32],
        prediction: Prediction,
        left: NDArray[np.bool_],
    ) -> None:
        correction = Correction()
        if may_be_own(prediction.linear.shape):
            correction = choose_correction(samples, left, prediction)
            self._setups[number, phase] = Setup(kernels, correction)
        means = prediction.means(correction.linear)
        contexts = scale_contexts(means, prediction.steps, correction.steps, left)
        symbols = fold(samples, means, self._span.limit)
        self._segments.append(Segments(*sorted_by_context(symbols, contexts)))

    def count(self, groupings: NDArray[np.bool_]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Tokens and raw bits under the wanted groupings of each context."""
        counts = np.zeros((CONTEXTS, GROUPINGS, 256), np.int64)
        raw_totals = np.zeros((CONTEXTS, GROUPINGS), np.int64)
        for segments in self._segments:
            count_segments(segments.symbols, segments.starts, groupings, counts, raw_totals)
        return counts, raw_totals

    def write(self) -> bytes:
        tables = self._predictor.tables
        choice = choose(*self.count(offered_groupings(tables)), tables)
        room = base_room(self._base) + _HEADER_ROOM + (choice.bits + 7) // 8
        tiling = self._fitting.tiling
        room += tiling.labels.size + _KERNEL_ROOM * tiling.classes
        buffer, state = np.zeros(room, np.uint8), new_state()
        write_splits(self._splits, buffer, state)
        write_base(self._base, self._span.limit, buffer, state)
        if may_be_tiled(self._splits) and self._references[0] is None:
            write_tiling(tiling, buffer, state)
        for (number, phase), setup in self._setups.items():
            default = default_kernel(self._predictor.kernels, number, phase)
            if self._references[number] is not None:
                default = referenced(default)
            write_kernels(setup.kernels, default, buffer, state)
            write_correction(setup.correction, buffer, state)
        if self._segments:
            frame_tables.write(choice, tables, buffer, state)
        codes = frame_tables.codes(choice)
        for segments in self._segments:
            write_segments(
                segments.symbols,
                segments.starts,
                choice.groupings,
                codes,
                choice.lengths,
                buffer,
                state,
            )
        return buffer[: flush(buffer, state)].tobytes()


def levels_of(
    reference: NDArray[np.int32] | None, splits: Sequence[Split]
) -> list[NDArray[np.int32] | None]:
    """The frame before at each level, as the level is coded; None throughout if there is none."""
    if reference is None:
        return [None] * len(splits)
    levels = pyramid(reference, splits)
    return [turned(level, split) for level, split in zip(levels, splits, strict=False)]


def decode_samples(
    stream: bytes,
    shape: tuple[int, int],
    span: Range,
    predictor: Predictor,
    reference: NDArray[np.int32] | None = None,
) -> NDArray[np.int32]:
    """The samples that :func:`encode_samples` coded.

    Raises:
        StreamError: the stream is truncated or altered in a way that shows.
    """
    decoder = _Decoder(stream, shape, span, predictor, reference)
    return decoder.read()


class _Decoder:
    """A stream being decoded."""

    def __init__(
        self,
        stream: bytes,
        shape: tuple[int, int],
        span: Range,
        predictor: Predictor,
        reference: NDArray[np.int32] | None,
    ) -> None:
        self._buffer = padded(stream)
        self._state = new_state()
        self._span = span
        self._predictor = predictor
        self._splits = read_splits(shape, self._buffer, self._state)
        self._references = levels_of(reference, self._splits)
        self._tiling = UNTILED
        self._shapes = level_shapes(shape, self._splits)

    def read(self) -> NDArray[np.int32]:
        image = np.empty(self._shapes[-1], np.int32)
        if not read_base(image, self._span.limit, self._buffer, self._state):
            raise StreamError("a base sample is out of range")
        if self._splits:
            image = self._read_levels(image)
        if overrun(self._buffer, self._state):
            raise StreamError("the stream ends before its last symbol")
        return image

    def _read_levels(self, image: NDArray[np.int32]) -> NDArray[np.int32]:
        setups = self._read_setups()
        decoders = frame_tables.read(self._predictor.tables, self._buffer, self._state)
        errors = np.zeros_like(image)
        for number in range(len(self._splits) - 1, -1, -1):
            split = self._splits[number]
            shape = turned_shape(self._shapes[number], split)
            reference = self._references[number]
            level = Level(shape, split, self._span.limit, self._predictor, reference)
            level.start(turned(image, split), turned(errors, split))
            for phase in level.layout.predicted:
                setup = setups[number, phase]
                prediction = level.predict(phase, setup.kernels, self._tiling.at(number))
                samples = self._read_phase(level, phase, prediction, setup.correction, decoders)
                level.complete(phase, samples.reshape(prediction.linear.shape), prediction.linear)
            if overrun(self._buffer, self._state):
                raise StreamError("the stream ends before its last symbol")
            image = turned(level.values.join(), split)
            if number:
                errors = turned(level.errors.join(), split)
        return image

    def _read_setups(self) -> Setups:
        if may_be_tiled(self._splits) and self._references[0] is None:
            self._tiling = read_tiling(self._shapes[0], self._buffer, self._state)
        setups: Setups = {}
        for number in range(len(self._splits) - 1, -1, -1):
            split = self._splits[number]
            layout, shape = layout_of_split(split), turned_shape(self._shapes[number], split)
            for phase in layout.predicted:
                phase_shape = layout.shape(shape, phase)
                setups[number, phase] = self._read_setup(number, phase, phase_shape)
        return setups

    def _read_setup(self, number: int, phase: int, shape: tuple[int, int]) -> Setup:
        default = default_kernel(self._predictor.kernels, number, phase)
        classes = self._tiling.at(number).classes
        if not may_be_own(shape):
            return Setup(np.repeat(default[None], classes, axis=0), Correction())
        own = len(default)
        if self._references[number] is not None:
            default = referenced(default)
        kernels = read_kernels(classes, default, own, self._buffer, self._state)
        return Setup(kernels, read_correction(self._buffer, self._state))

    def _read_phase(
        self,
        level: Level,
        phase: int,
        prediction: Prediction,
        correction: Correction,
        decoders: Decoders,
    ) -> NDArray[np.int32]:
        clip = self._span.clip
        left = np.ones(prediction.linear.size, np.bool_)
        samples = np.empty(len(left), np.int32)
        if clip is not None:
            samples[:] = clip
            contexts = level.clip_contexts(phase, clip)
            order, symbols = self._read_symbols(contexts, decoders)
            clip_settled(symbols, contexts, order, left)
        means = prediction.means(correction.linear)
        contexts = scale_contexts(means, prediction.steps, correction.steps, left)
        order, symbols = self._read_symbols(contexts, decoders)
        if not unfold(symbols, means, self._span.limit, order, samples):
            raise StreamError("a sample is out of range")
        return samples

    def _read_symbols(
        self, contexts: NDArray[np.uint8], decoders: Decoders
    ) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """The samples that are coded, in order of context, and their symbols."""
        order, starts = context_order(contexts)
        symbols = np.empty(len(order), np.int32)
        read_segments(symbols, starts, decoders, self._buffer, self._state)
        return order, symbols
