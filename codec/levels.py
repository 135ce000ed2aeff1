"""One level of the lattice, predicted phase by phase: the same steps in encoder and decoder."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from codec.arrays import Bytes, Ints, Longs, Shorts, Whole
from codec.contexts import LEFT_OUT, SCALE_CONTEXTS, told_scales
from codec.features import extract, refine
from codec.lattice import NEIGHBOURHOODS, Lie, Planes, Split, fill, layout_of_split
from codec.linear import FRACTION_BITS, predict_band
from codec.predictor import Predictor
from codec.tiles import Places

BAND_POSITIONS = 8192
"""Positions whose features are held at a time, 0.4 MB: they stay in a core's second-level cache."""


FULL_STRENGTH = 4
"""Quarters of a network's correction that are taken where a stream says nothing else."""


@dataclass(frozen=True, slots=True)
class Prediction:
    """What is known of a phase before its samples.

    Attributes:
        linear: the linear prediction in sixteenths, of the phase's shape.
        refined: the network's prediction in sixteenths, flat.
        scales: of each sample in eighths of an octave (int16), flat, or FLAT_SCALE.
        ceiling: what no prediction exceeds, in sixteenths.
    """

    linear: NDArray[np.int32]
    refined: NDArray[np.int32]
    scales: NDArray[np.int16]
    ceiling: int

    def means(self, strength: int = FULL_STRENGTH) -> NDArray[np.int32]:
        """The prediction to use, in sixteenths, flat: so many quarters on the way to refined."""
        if strength == FULL_STRENGTH:
            return self.refined
        means = np.empty_like(self.refined)
        go_towards(self.linear.reshape(-1), self.refined, strength, self.ceiling, means)
        return means


class Level:
    """The samples of one level known so far, with their linear residuals."""

    def __init__(
        self,
        shape: tuple[int, int],
        split: Split,
        limit: int,
        predictor: Predictor,
        reference: NDArray[np.int32] | None = None,
    ) -> None:
        self.layout = layout_of_split(split)
        self.values = Planes(shape, self.layout, reference)
        self.errors = Planes(shape, self.layout)
        self._limit = limit
        self._predictor = predictor
        self._error_total = 0
        self._known = 0

    def start(self, coarser: NDArray[np.int32], coarser_errors: NDArray[np.int32]) -> None:
        """Set phase 0, the next coarser level, and its linear residuals."""
        self.values.put(0, coarser)
        self.errors.put(0, coarser_errors)
        self._error_total = int(_magnitude(coarser_errors))
        self._known = coarser.size

    def predict(self, phase: int, kernels: NDArray[np.int32], places: Places) -> Prediction:
        """Predict a phase from the ones before it, each sample by its class's kernel."""
        rows, columns = self.layout.shape(self.values.shape, phase)
        linear, means = np.empty((2, rows, columns), np.int32)
        scales = np.empty((rows, columns), np.int16)
        ceiling, stride = self._limit << FRACTION_BITS, self.values.stride
        step = max(1, BAND_POSITIONS // stride)
        for row in range(0, rows, step):
            band = slice(row, min(row + step, rows))
            predicted = predict_band(self.values, phase, kernels, places, self._limit, band)
            features, exponents = self._features(phase, predicted, row)
            outputs = self._predictor.refine(phase, features)
            found = (linear[band], means[band], scales[band])
            _take_band(predicted, outputs, exponents, stride, ceiling, found)
        return Prediction(linear, means.reshape(-1), scales.reshape(-1), ceiling)

    def _features(
        self, phase: int, predicted: NDArray[np.int32], row: int
    ) -> tuple[NDArray[np.int8], NDArray[np.int32]]:
        level_error = (self._error_total << FRACTION_BITS) // self._known
        return extract(self.values, self.errors, phase, predicted, row, level_error)

    def features(
        self, phase: int, linear: NDArray[np.int32]
    ) -> tuple[NDArray[np.int8], NDArray[np.int32]]:
        """Features (features, samples) and exponents (samples,) of a phase, for training."""
        positions = self.values.positions(phase)
        predicted = np.zeros(positions[-1] + 1, np.int32)
        predicted[positions] = linear.reshape(-1)
        features, exponents = self._features(phase, predicted, 0)
        return features[:, positions], exponents[positions]

    def complete(self, phase: int, samples: NDArray[np.int32], linear: NDArray[np.int32]) -> None:
        """Set a phase's samples, now that they are known."""
        planes = (self.values.plane(phase), self.errors.plane(phase))
        self._error_total += _complete(planes, samples, linear, self.values.lie(phase))
        self._known += samples.size

    def clip_contexts(self, phase: int, clip: int) -> NDArray[np.uint8]:
        """Context of each sample's "equals the clip value"; LEFT_OUT where no near one does."""
        rows, columns = self.layout.shape(self.values.shape, phase)
        contexts = np.empty(rows * columns, np.uint8)
        near = NEIGHBOURHOODS[phase]
        _clip_contexts(self.values.values, near, clip, contexts.reshape(rows, columns))
        return contexts


@njit(cache=True)
def go_towards(start: Ints, goal: Ints, strength: int, ceiling: int, means: Ints) -> None:
    """Fill in means, within [0, ceiling]."""
    for i in range(len(means)):
        step = (strength * (goal[i] - start[i]) + FULL_STRENGTH // 2) // FULL_STRENGTH
        means[i] = min(max(start[i] + step, 0), ceiling)


@njit(cache=True)
def _complete(planes: tuple[Ints, Ints], samples: Ints, linear: Ints, lie: Lie) -> int:
    """Set a phase's samples and their linear residuals; the sum of these' magnitudes."""
    errors = np.empty(samples.shape, np.int32)
    for y in range(samples.shape[0]):
        for x in range(samples.shape[1]):
            errors[y, x] = samples[y, x] - ((linear[y, x] + np.int32(8)) >> np.int32(FRACTION_BITS))
    fill(planes[0], samples, lie)
    fill(planes[1], errors, lie)
    return int(_magnitude(errors))


@njit(cache=True)
def _magnitude(errors: Ints) -> Whole:
    """The sum of all magnitudes."""
    total = np.int64(0)
    for y in range(errors.shape[0]):
        for x in range(errors.shape[1]):
            total += abs(errors[y, x])
    return total


@njit(cache=True)
def _take_band(
    predicted: Ints,
    outputs: Ints,
    exponents: Ints,
    stride: int,
    ceiling: int,
    found: tuple[Ints, Ints, Shorts],
) -> None:
    """Fill in a band's predictions, linear and refined, and its scales, without the border."""
    linear, means, scales = found
    width = linear.shape[1]
    for y in range(len(linear)):
        here = slice(y * stride, y * stride + width)
        linear[y] = predicted[here]
        refine(predicted[here], outputs[0, here], exponents[here], ceiling, means[y])
        told_scales(outputs[1, here], exponents[here], scales[y])


@njit(cache=True)
def _clip_contexts(values: Ints, places: Longs, clip: int, contexts: Bytes) -> None:
    height, width = contexts.shape
    closest = np.empty(width, np.uint8)
    further = np.empty(width, np.uint8)
    for y in range(height):
        closest[:] = 0
        further[:] = 0
        for k in range(12):
            row = values[places[0, k], y + places[1, k], places[2, k] : places[2, k] + width]
            counter = closest if k < 4 else further
            for x in range(width):
                counter[x] += row[x] == clip
        for x in range(width):
            context = SCALE_CONTEXTS + 3 * closest[x] + min(further[x] // np.uint8(3), 2)
            contexts[y, x] = context if closest[x] | further[x] else LEFT_OUT
