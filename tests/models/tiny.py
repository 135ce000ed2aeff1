"""Train a model on a few made images: ``python -m tests.models.tiny OUT``, or under torchrun."""

from __future__ import annotations

import sys
from hashlib import sha256
from pathlib import Path

import numpy as np

from codec import Hints
from models.training import Loss, Schedule, Trained, TrainingImage, TrainOptions, train


def images() -> list[TrainingImage]:
    generator = np.random.default_rng(0)
    made = []
    for number in range(12):
        walk = np.cumsum(np.cumsum(generator.normal(0, 1, (40, 44)), axis=0), axis=1)
        words = (np.abs(walk) * 4 + generator.normal(20, 3, walk.shape)).clip(0).astype(np.uint16)
        digest = sha256(words.tobytes()).hexdigest()
        made.append(TrainingImage(f"walk {number}", digest, f"series {number}", words, Hints()))
    return made


def run(out: Path, loss: Loss = Loss.CODE_LENGTH) -> Trained | None:
    return train(TrainOptions(images(), out, "tiny", Schedule(2, 512, 4e-3, 1, loss)))


if __name__ == "__main__":
    run(Path(sys.argv[1]))
