"""What the network learns from: features and residuals, drawn from images by the codec's own steps.

Features depend on the linear predictions alone, not on the network, so they are extracted once.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256

import numpy as np
import torch
from numpy.typing import NDArray

from codec.contexts import LEFT_OUT
from codec.features import feature_count
from codec.fitting import Fitting
from codec.lattice import MIN_SIDE, PREDICTED, Split, pyramid, turned, turned_shape
from codec.levels import Level
from codec.linear import predict
from codec.predictor import Predictor
from codec.setup import levels_of
from codec.splits import choose_splits
from models.training.images import Samples

_DRAWN = (12_000, 6_000, 3_000, 1_500)
"""Samples drawn at most from one phase of each level of one image, the finest first: all of a
128 x 128 image's, a fifth of a 512 x 512 one's, so that pooled size and the mean over files both
count."""

_DRAWN_REFERENCED = (6_000, 3_000, 1_500, 750)
"""Likewise from a frame that refers to the one before."""

_DRAWN_HALVES = (2_000,)
"""Samples drawn from a frame's finest level halved along one axis, though it may not be coded so:
few frames are, and their network should know more than them."""

_HELD_BACK = 12
"""One group in so many is held back to watch over-fitting."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """Samples of one phase.

    Attributes:
        features: int8 (samples, features).
        residuals: sample - linear prediction, in sixteenths, float32.
        exponents: log2 of each sample's normalisation, float32.
    """

    features: torch.Tensor
    residuals: torch.Tensor
    exponents: torch.Tensor

    def to(self, device: torch.device) -> Drawn:
        """The same, where a network runs."""
        return Drawn(self.features.to(device), self.residuals.to(device), self.exponents.to(device))


@dataclass(frozen=True, slots=True)
class Draw:
    """How to draw: at most so many samples of one phase of each level."""

    generator: np.random.Generator
    most: tuple[int, ...]


def held_back_groups(groups: Iterable[str]) -> frozenset[str]:
    """The groups that are kept from training: about one in twelve, and one at the least."""
    digests = {sha256(group.encode()).digest(): group for group in groups}
    chosen = [group for digest, group in digests.items() if digest[0] % _HELD_BACK == 0]
    return frozenset(chosen or [digests[min(digests)]])


def draw(frames: Sequence[Samples], predictor: Predictor, seed: int) -> dict[int, Drawn]:
    """Samples of each phase, from all frames; there may be none."""
    generator = np.random.default_rng(seed)
    found: dict[int, list[tuple[NDArray[np.generic], ...]]] = {phase: [] for phase in PREDICTED}
    for frame in frames:
        for phase, sample in _draw_frame(frame, predictor, generator):
            found[phase].append(sample)
    return {phase: _joined([_none(phase), *parts]) for phase, parts in found.items()}


def _none(phase: int) -> tuple[NDArray[np.generic], ...]:
    features = np.empty((0, feature_count(phase)), np.int8)
    return features, np.empty(0, np.float32), np.empty(0, np.float32)


def _joined(parts: list[tuple[NDArray[np.generic], ...]]) -> Drawn:
    columns = (np.concatenate(column) for column in zip(*parts, strict=True))
    return Drawn(*(torch.from_numpy(column) for column in columns))


def _draw_frame(
    frame: Samples, predictor: Predictor, generator: np.random.Generator
) -> list[tuple[int, tuple[NDArray[np.generic], ...]]]:
    """Samples of a frame as it is coded, by itself and with the frame before.

    And of its finest level halved along one axis.
    """
    alone, splits = replace(frame, reference=None), choose_splits(frame.samples)
    drawn = _draw_levels(alone, splits, predictor, Draw(generator, _DRAWN))
    if frame.reference is not None:
        drawn += _draw_levels(frame, splits, predictor, Draw(generator, _DRAWN_REFERENCED))
    for split in (Split.ROWS, Split.COLUMNS):
        if min(frame.samples.shape) >= MIN_SIDE:
            drawn += _draw_levels(alone, [split], predictor, Draw(generator, _DRAWN_HALVES))
    return drawn


def _draw_levels(
    frame: Samples,
    splits: Sequence[Split],
    predictor: Predictor,
    draw: Draw,
) -> list[tuple[int, tuple[NDArray[np.generic], ...]]]:
    *levels, image = pyramid(frame.samples, splits)
    errors = np.zeros_like(image)
    is_referenced = frame.reference is not None
    fitting = Fitting(frame.samples, splits, predictor.kernels, is_referenced=is_referenced)
    references = levels_of(frame.reference, splits)
    drawn = []
    for number in range(len(levels) - 1, -1, -1):
        split = splits[number]
        upright = turned(levels[number], split)
        shape = turned_shape(levels[number].shape, split)
        level = Level(shape, split, frame.span.limit, predictor, references[number])
        level.start(turned(image, split), turned(errors, split))
        for phase in level.layout.predicted:
            target = np.ascontiguousarray(level.layout.take(upright, phase))
            kernels = fitting.kernels(level.values, number, phase, target)
            places = fitting.tiling.at(number)
            linear = predict(level.values, phase, kernels.classes, places, frame.span.limit)
            if number < len(draw.most):
                usable = _usable(frame, level, phase, target)
                wanted = (draw.generator, draw.most[number])
                drawn.append((phase, _draw_phase(level, phase, target, linear, usable, wanted)))
            level.complete(phase, target, linear)
        image, errors = levels[number], turned(level.errors.join(), split)
    return drawn


def _usable(
    frame: Samples, level: Level, phase: int, target: NDArray[np.int32]
) -> NDArray[np.bool_]:
    """Which samples are coded as residuals at all: not those known to equal the clip value."""
    if frame.span.clip is None:
        return np.ones(target.size, np.bool_)
    near = level.clip_contexts(phase, frame.span.clip) != LEFT_OUT
    usable: NDArray[np.bool_] = ~(near & (target.reshape(-1) == frame.span.clip))
    return usable


def _draw_phase(
    level: Level,
    phase: int,
    target: NDArray[np.int32],
    linear: NDArray[np.int32],
    usable: NDArray[np.bool_],
    wanted: tuple[np.random.Generator, int],
) -> tuple[NDArray[np.generic], ...]:
    generator, most = wanted
    features, exponents = level.features(phase, linear)
    chosen = np.flatnonzero(usable & (exponents > 0))
    if len(chosen) > most:
        chosen = generator.choice(chosen, most, replace=False)
    residuals = ((target << 4) - linear).reshape(-1)[chosen]
    return (
        np.ascontiguousarray(features[:, chosen].T),
        residuals.astype(np.float32),
        exponents[chosen].astype(np.float32),
    )
