"""Training: a small run makes a model that codes its images, resumes, and repeats."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from codec import decode_frame, encode_frame
from models.network import NetworkPredictor
from models.training import Loss, Schedule, Trained, TrainingError, TrainOptions, train
from models.training.dataset import held_back_groups
from models.training.record import read_log
from tests.models.tiny import images, run
from tests.waiting import wait_for

ROOT = Path(__file__).resolve().parents[2]
TORCHRUN = Path(sys.executable).with_name("torchrun")


def finished(out: Path, loss: Loss = Loss.CODE_LENGTH) -> Trained:
    trained = run(out, loss)
    assert trained is not None
    return trained


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    return finished(tmp_path_factory.mktemp("training"))


def codes_its_images(weights: Path) -> bool:
    predictor = NetworkPredictor(weights.read_bytes())
    models = {predictor.digest: predictor}
    for image in images()[:3]:
        stream = encode_frame(image.words, predictor, image.hints)
        assert stream[0] == 2
        decoded = decode_frame(stream, image.words.shape, np.uint16, models)
        assert np.array_equal(decoded, image.words)
    return True


def test_a_trained_model_codes_frames(trained: Trained) -> None:
    assert codes_its_images(trained.weights)


def test_finished_training_resumes_to_the_same_model(trained: Trained) -> None:
    before = trained.weights.read_bytes()
    assert finished(trained.weights.parent).weights.read_bytes() == before


def test_training_repeats(trained: Trained, tmp_path: Path) -> None:
    assert finished(tmp_path).weights.read_bytes() == trained.weights.read_bytes()


def test_a_killed_training_goes_on_to_the_same_model(trained: Trained, tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    killed = subprocess.Popen([sys.executable, "-m", "tests.models.tiny", tmp_path], cwd=ROOT)
    wait_for(lambda: log.exists() and log.read_text().count("\n") >= 3, 120)
    killed.kill()
    killed.wait()
    assert not (tmp_path / "tiny.safetensors").exists(), "killed too late to tell anything"
    assert finished(tmp_path).weights.read_bytes() == trained.weights.read_bytes()


def test_a_folder_takes_one_training_alone(trained: Trained) -> None:
    out = trained.weights.parent
    with pytest.raises(TrainingError, match="another training"):
        train(TrainOptions(images(), out, "tiny", Schedule(3, 512, 4e-3, 1)))
    with pytest.raises(TrainingError, match="another training"):
        train(TrainOptions(images()[1:], out, "tiny", Schedule(2, 512, 4e-3, 1)))


def test_one_group_at_the_least_is_held_back(tmp_path: Path) -> None:
    for count in range(1, 40):
        groups = [f"series {number}" for number in range(count)]
        assert 0 < len(held_back_groups(groups)) <= max(1, count // 4)
    alone = [replace(image, group="one") for image in images()]
    with pytest.raises(TrainingError, match="too few"):
        train(TrainOptions(alone, tmp_path, "tiny", Schedule(2, 512, 4e-3, 1)))
    with pytest.raises(TrainingError, match="no grayscale images"):
        train(TrainOptions([], tmp_path, "tiny", Schedule(2, 512, 4e-3, 1)))


def test_squared_errors_train_another_model(trained: Trained, tmp_path: Path) -> None:
    by_error = finished(tmp_path, Loss.MSE)
    assert codes_its_images(by_error.weights)
    first, last = (read_log(tmp_path / "log.jsonl").epochs[place] for place in (0, 1))
    assert last["mse"] < first["mse"]
    assert by_error.weights.read_bytes() != trained.weights.read_bytes()


def test_the_log_tells_every_epoch_and_what_held_back_frames_take(trained: Trained) -> None:
    log = read_log(trained.weights.parent / "log.jsonl")
    assert [(line["phase"], line["epoch"]) for line in log.epochs] == [
        (phase, epoch) for phase in (1, 2, 3, 4) for epoch in (0, 1)
    ]
    assert log.bits_per_pixel == trained.bits_per_pixel
    kept = held_back_groups(image.group for image in images())
    predictor = NetworkPredictor(trained.weights.read_bytes())
    watched = [image for image in images() if image.group in kept]
    bits = sum(8 * len(encode_frame(image.words, predictor, image.hints)) for image in watched)
    assert trained.bits_per_pixel == bits / sum(image.words.size for image in watched)


def test_what_is_no_log_is_told(tmp_path: Path) -> None:
    for text in ("{}]", "[1]", "1", '{"phase": 1}', ""):
        (tmp_path / "log").write_text(text + "\n")
        with pytest.raises(TrainingError):
            read_log(tmp_path / "log")


def test_the_manifest_names_every_image(trained: Trained) -> None:
    manifest = json.loads((trained.weights.parent / "training.json").read_text())
    assert [image["sha256"] for image in manifest["images"]] == [i.sha256 for i in images()]
    assert 'id = "tiny"' in (trained.weights.parent / "entry.toml").read_text()


@pytest.mark.slow
def test_two_processes_train_one_model(tmp_path: Path) -> None:
    models = []
    for out in (tmp_path / "one", tmp_path / "two"):
        command = [str(TORCHRUN), "--standalone", "--nproc-per-node", "2"]
        command += ["-m", "tests.models.tiny", str(out)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, check=False)
        assert done.returncode == 0, done.stderr.decode()
        assert codes_its_images(out / "tiny.safetensors")
        assert json.loads((out / "training.json").read_text())["processes"] == 2
        assert len((out / "log.jsonl").read_text().splitlines()) == 2 * 4 + 1, "rank 0 alone writes"
        models.append((out / "tiny.safetensors").read_bytes())
    assert models[0] == models[1]
