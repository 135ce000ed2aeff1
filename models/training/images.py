"""The images to train on: arrays handed in by whoever can read them (``models`` knows no DICOM)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

import numpy as np
import torch
from numpy.typing import NDArray

from codec.analyse import Hints, analyse
from codec.differences import Differences, differences
from codec.references import reference_samples
from codec.setup import Range

_INTERPOLATED = 6


@dataclass(frozen=True, slots=True)
class TrainingImage:
    """One frame.

    Attributes:
        name: where it came from, for the log.
        sha256: of the file it came from, hexadecimal, for the manifest.
        group: frames of one group (a series) look alike and are trained on or held back together.
        words: allocated words, uint8 or uint16 (rows, columns).
        hints: what the dataset says of them.
    """

    name: str
    sha256: str
    group: str
    words: NDArray[np.uint8] | NDArray[np.uint16]
    hints: Hints


@dataclass(frozen=True, slots=True)
class Samples:
    """A frame after analysis, as the codec's learned path sees it.

    Attributes:
        group: as of its image.
        samples: int32 (rows, columns).
        span: their range.
        reference: the frame before it in its group, in its samples' units, if they are alike.
    """

    group: str
    samples: NDArray[np.int32]
    span: Range
    reference: NDArray[np.int32] | None = None


def analysed(images: Sequence[TrainingImage]) -> list[Samples]:
    """The samples of all images that are not constant."""
    frames = []
    before: dict[str, TrainingImage] = {}
    for image in images:
        plan, samples = analyse(image.words, image.hints)
        last = before.get(image.group)
        before[image.group] = image
        if plan.span.limit:
            known = last is not None and _are_alike(last.words, image.words)
            reference = reference_samples(plan, last.words) if last and known else None
            frames.append(Samples(image.group, samples, plan.span, reference))
    return frames


def interpolated(frames: Sequence[Samples], seed: int) -> list[Samples]:
    """Some of the frames as a scanner that interpolates along one axis would have made them.

    Few scanners do, so that the networks would know too few such images. One frame in six is
    enlarged 2 to 8 times along its rows or columns (bicubic) and rounded; its differences, by which
    such a frame may be coded, follow it.
    """
    generator = np.random.default_rng(seed)
    return [made for frame in frames[::_INTERPOLATED] for made in _enlarged(frame, generator)]


def _enlarged(frame: Samples, generator: np.random.Generator) -> list[Samples]:
    axis = Differences.COLUMNS if generator.random() < 0.5 else Differences.ROWS
    upright = frame.samples.T if axis == Differences.COLUMNS else frame.samples
    kept = max(1, int(len(upright) / generator.uniform(2, 8)))
    first = int(generator.integers(0, len(upright) - kept + 1))
    part = torch.from_numpy(upright[first : first + kept].astype(np.float64))[None, None]
    smooth = torch.nn.functional.interpolate(part, upright.shape, mode="bicubic")[0, 0]
    limit = frame.span.limit
    samples = smooth.round().clamp(0, limit).numpy().astype(np.int32)
    turned = samples.T if axis == Differences.COLUMNS else samples
    image = np.ascontiguousarray(turned)
    changes = differences(image, limit, axis)
    return [Samples(frame.group, made, Range(limit)) for made in (image, changes)]


def _are_alike(one: NDArray[np.generic], other: NDArray[np.generic]) -> bool:
    return one.shape == other.shape and one.dtype == other.dtype


def set_digest(images: Sequence[TrainingImage]) -> str:
    """SHA-256 over the images' digests in sorted order: names the training set."""
    return sha256("\n".join(sorted(image.sha256 for image in images)).encode()).hexdigest()
