"""Bits to samples: the inverse of :mod:`codec.encoding`."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from codec import tables as frame_tables
from codec.base import base_before, read_base
from codec.bitstream import new_state, overrun, padded
from codec.contexts import (
    clip_settled,
    context_order,
    scale_contexts,
    unfold,
)
from codec.errors import StreamError
from codec.kernels import default_kernels, few_samples_kernels, may_be_own, read_kernels
from codec.lattice import (
    NEIGHBOURHOODS,
    layout_of_split,
    level_shapes,
    turned,
    turned_shape,
)
from codec.levels import Level, Prediction
from codec.predictor import Predictor
from codec.reading import Decoders, read_segments
from codec.scales import Correction, read_correction
from codec.setup import Range, Setup, Setups, levels_of
from codec.splits import read_splits
from codec.tiles import UNTILED, may_be_tiled, read_tiling


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
    decoder = Decoder(stream, shape, span, predictor, reference)
    return decoder.read()


class Decoder:
    """A stream being decoded: read, level by level, from coarse to fine."""

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
        """The samples; raises as :func:`decode_samples` does."""
        image = np.empty(self._shapes[-1], np.int32)
        before = base_before(self._references[-1])
        if not read_base(image, before, self._span.limit, self._buffer, self._state):
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
                prediction = level.predict(phase, setup.kernels.classes, self._tiling.at(number))
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
        is_referenced = self._references[number] is not None
        defaults = default_kernels(self._predictor.kernels, number, phase, is_referenced)
        classes = self._tiling.at(number).classes
        if not may_be_own(shape):
            return Setup(few_samples_kernels(defaults, classes), Correction())
        own = NEIGHBOURHOODS[phase].shape[1] // 2
        kernels = read_kernels(classes, defaults, own, self._buffer, self._state)
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
        means = prediction.means(correction.strength)
        contexts = scale_contexts(means, prediction.scales, correction.scale, left)
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
