"""The images to train on: arrays handed in by whoever can read them (``models`` knows no DICOM)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

import numpy as np
from numpy.typing import NDArray

from codec.analyse import Hints, analyse
from codec.learned import Range


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
    """A frame after analysis, as the codec's learned path sees it."""

    group: str
    samples: NDArray[np.int32]
    span: Range


def analysed(images: Sequence[TrainingImage]) -> list[Samples]:
    """The samples of all images that are not constant."""
    frames = []
    for image in images:
        plan, samples = analyse(image.words, image.hints)
        if plan.span.limit:
            frames.append(Samples(image.group, samples, plan.span))
    return frames


def set_digest(images: Sequence[TrainingImage]) -> str:
    """SHA-256 over the images' digests in sorted order: names the training set."""
    return sha256("\n".join(sorted(image.sha256 for image in images)).encode()).hexdigest()
