"""Training: a small run makes a model that codes its images, resumes, and repeats."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest

from codec import Hints, decode_frame, encode_frame
from models.network import NetworkPredictor
from models.training import Schedule, TrainingImage, TrainOptions, train


def images() -> list[TrainingImage]:
    generator = np.random.default_rng(0)
    made = []
    for number in range(12):
        walk = np.cumsum(np.cumsum(generator.normal(0, 1, (40, 44)), axis=0), axis=1)
        words = (np.abs(walk) * 4 + generator.normal(20, 3, walk.shape)).clip(0).astype(np.uint16)
        digest = sha256(words.tobytes()).hexdigest()
        made.append(TrainingImage(f"walk {number}", digest, f"series {number}", words, Hints()))
    return made


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, NetworkPredictor]:
    out = tmp_path_factory.mktemp("training")
    options = TrainOptions(images(), out, "tiny", Schedule(2, 512, 4e-3, 1))
    return out, NetworkPredictor(train(options).weights.read_bytes())


def test_a_trained_model_codes_frames(trained: tuple[Path, NetworkPredictor]) -> None:
    predictor = trained[1]
    for image in images()[:3]:
        stream = encode_frame(image.words, predictor, image.hints)
        assert stream[0] == 2
        models = {predictor.digest: predictor}
        assert np.array_equal(
            decode_frame(stream, image.words.shape, np.uint16, models), image.words
        )


def test_finished_training_resumes_to_the_same_model(
    trained: tuple[Path, NetworkPredictor],
) -> None:
    out, predictor = trained
    options = TrainOptions(images(), out, "tiny", Schedule(2, 512, 4e-3, 1))
    assert NetworkPredictor(train(options).weights.read_bytes()).digest == predictor.digest


def test_training_repeats(trained: tuple[Path, NetworkPredictor], tmp_path: Path) -> None:
    options = TrainOptions(images(), tmp_path, "tiny", Schedule(2, 512, 4e-3, 1))
    assert NetworkPredictor(train(options).weights.read_bytes()).digest == trained[1].digest


def test_the_manifest_names_every_image(trained: tuple[Path, NetworkPredictor]) -> None:
    manifest = (trained[0] / "training.json").read_text()
    assert all(image.sha256 in manifest for image in images())
    assert 'id = "tiny"' in (trained[0] / "entry.toml").read_text()
