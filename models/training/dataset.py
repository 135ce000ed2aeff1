"""What the network learns from: features and residuals, drawn from images by the codec's own steps.

Features depend on the linear predictions alone, not on the network, so they are extracted once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

import numpy as np
import torch
from numpy.typing import NDArray

from codec.kernels import fit_kernel
from codec.lattice import PHASES, PREDICTED, level_shapes
from codec.levels import Level
from codec.linear import predict
from codec.predictor import Predictor
from models.training.images import Samples

_DRAWN = 8000
"""Samples drawn from one phase of one level of one image: all of a 128 x 128 image's finest level,
an eighth of a 512 x 512 one's, so that pooled size and the mean over files both count."""

_LEVELS = 4
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


def is_held_back(frame: Samples) -> bool:
    """Whether a frame's group is kept from training."""
    return sha256(frame.group.encode()).digest()[0] % _HELD_BACK == 0


def draw(frames: Sequence[Samples], predictor: Predictor, seed: int) -> dict[int, Drawn]:
    """Samples of each phase, from all frames."""
    generator = np.random.default_rng(seed)
    found: dict[int, list[tuple[NDArray[np.generic], ...]]] = {phase: [] for phase in PREDICTED}
    for frame in frames:
        for phase, sample in _draw_frame(frame, predictor, generator):
            found[phase].append(sample)
    return {phase: _joined(parts) for phase, parts in found.items()}


def _joined(parts: list[tuple[NDArray[np.generic], ...]]) -> Drawn:
    columns = (np.concatenate(column) for column in zip(*parts, strict=True))
    return Drawn(*(torch.from_numpy(column) for column in columns))


def _draw_frame(
    frame: Samples, predictor: Predictor, generator: np.random.Generator
) -> list[tuple[int, tuple[NDArray[np.generic], ...]]]:
    coarsest = len(level_shapes(*frame.samples.shape)) - 1
    errors = np.zeros_like(frame.samples[:: 1 << coarsest, :: 1 << coarsest])
    drawn = []
    for number in range(coarsest - 1, -1, -1):
        image = frame.samples[:: 1 << number, :: 1 << number]
        shape = (image.shape[0], image.shape[1])
        level = Level(shape, image[::2, ::2], errors, frame.span.limit, predictor)
        for phase in PREDICTED:
            row_parity, column_parity = PHASES[phase]
            target = np.ascontiguousarray(image[row_parity::2, column_parity::2])
            kernel = fit_kernel(level.values, number, phase, target, predictor.kernels)
            linear = predict(level.values, phase, kernel, frame.span.limit)
            if number < _LEVELS:
                drawn.append((phase, _draw_phase(frame, level, phase, target, linear, generator)))
            level.complete(phase, target, linear)
        errors = level.errors.join()
    return drawn


def _draw_phase(
    frame: Samples,
    level: Level,
    phase: int,
    target: NDArray[np.int32],
    linear: NDArray[np.int32],
    generator: np.random.Generator,
) -> tuple[NDArray[np.generic], ...]:
    features, exponents = level.features(phase, linear, 0)
    usable = exponents > 0
    if frame.span.clip is not None:
        near = level.clip_contexts(phase, frame.span.clip) > 0
        usable &= ~(near & (target.reshape(-1) == frame.span.clip))
    chosen = np.flatnonzero(usable)
    if len(chosen) > _DRAWN:
        chosen = generator.choice(chosen, _DRAWN, replace=False)
    residuals = ((target << 4) - linear).reshape(-1)[chosen]
    return (
        features[:, chosen].T.astype(np.int8),
        residuals.astype(np.float32),
        exponents[chosen].astype(np.float32),
    )
