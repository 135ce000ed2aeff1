"""Samples to bits: the lattice, predicted by kernels and network, Huffman-coded.

In order: how the levels are halved, the base level, the frame's linear kernels, its Huffman tables,
then each level from coarse to fine, phase by phase. A phase is written as one segment for each
context in use: the decoder knows every context of a phase before it reads the first of its symbols.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from codec import tables as frame_tables
from codec.base import base_before, base_room, write_base
from codec.bitstream import flush, new_state
from codec.choose import choose, offered_groupings
from codec.contexts import CONTEXTS, clip_surprises
from codec.fitting import Fitting
from codec.kernels import Kernels, default_kernels, may_be_own, write_kernels
from codec.lattice import (
    Split,
    layout_of_split,
    pyramid,
    turned,
)
from codec.levels import Level, Prediction
from codec.predictor import Predictor
from codec.scales import Correction, choose_correction, write_correction
from codec.segments import Segments
from codec.setup import Range, Setup, Setups, levels_of
from codec.splits import choose_splits, write_splits
from codec.tiles import may_be_tiled, write_tiling
from codec.tokens import GROUPINGS, count_segments, write_segments

_HEADER_ROOM = 20_000
"""Bytes that kernels and tables take at most: 60 tables of 256 lengths of 8 bits, and more."""

_KERNEL_ROOM = 2 * 3 * 200
"""Bytes that one class's kernels take at most."""


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
        self._splits = choose_splits(samples) if splits is None else splits
        told = 1 if span.clip is None else 2
        phases = sum(len(layout_of_split(split).predicted) for split in self._splits)
        self._segments = Segments(told * samples.size, told * phases)
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
        self._joined = self._segments.joined()

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
            prediction = level.predict(phase, kernels.classes, places)
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
        symbols, left = np.empty(len(target), np.int32), np.empty(len(target), np.bool_)
        clip_surprises(target, clip, contexts, symbols, left)
        self._segments.add(symbols, contexts)
        return left

    def _add_left(
        self,
        number: int,
        phase: int,
        kernels: Kernels,
        samples: NDArray[np.int32],
        prediction: Prediction,
        left: NDArray[np.bool_],
    ) -> None:
        correction = Correction()
        if may_be_own(prediction.linear.shape):
            correction = choose_correction(samples, left, prediction)
            self._setups[number, phase] = Setup(kernels, correction)
        self._segments.add_samples(samples, prediction, correction, left, self._span.limit)

    def count(self, groupings: NDArray[np.bool_]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Tokens and raw bits under the wanted groupings of each context."""
        counts = np.zeros((CONTEXTS, GROUPINGS, 256), np.int64)
        raw_totals = np.zeros((CONTEXTS, GROUPINGS), np.int64)
        count_segments(*self._joined, groupings, counts, raw_totals)
        return counts, raw_totals

    def write(self) -> bytes:
        tables = self._predictor.tables
        choice = choose(*self.count(offered_groupings(tables)), tables)
        room = base_room(self._base) + _HEADER_ROOM + (choice.bits + 7) // 8
        tiling = self._fitting.tiling
        room += tiling.labels.size + _KERNEL_ROOM * tiling.classes
        buffer, state = np.zeros(room, np.uint8), new_state()
        write_splits(self._splits, buffer, state)
        write_base(self._base, base_before(self._references[-1]), self._span.limit, buffer, state)
        if may_be_tiled(self._splits) and self._references[0] is None:
            write_tiling(tiling, buffer, state)
        for (number, phase), setup in self._setups.items():
            is_referenced = self._references[number] is not None
            defaults = default_kernels(self._predictor.kernels, number, phase, is_referenced)
            write_kernels(setup.kernels, defaults, buffer, state)
            write_correction(setup.correction, buffer, state)
        symbols, starts = self._joined
        if len(starts):
            frame_tables.write(choice, tables, buffer, state)
            write_segments(symbols, starts, choice.groupings, choice.lengths, buffer, state)
        return buffer[: flush(buffer, state)].tobytes()
