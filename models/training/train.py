"""Training a model from images: kernels, then the networks, then Huffman tables."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from pathlib import Path

import numpy as np
import torch

from codec.contexts import CONTEXTS
from codec.features import feature_count
from codec.huffman import SYMBOLS
from codec.lattice import PREDICTED
from codec.predictor import Tables
from models.exact import LayerWeights
from models.network import FORMAT_VERSION, Model, NetworkPredictor
from models.training.dataset import draw, is_held_back
from models.training.fit import Schedule, evaluate, fit_network
from models.training.images import Samples, TrainingImage, analysed, interpolated, set_digest
from models.training.kernels import default_kernels
from models.training.quantised import QuantisedNetwork
from models.training.tables import count_all, default_tables


@dataclass(frozen=True, slots=True)
class TrainOptions:
    """What to train on, how long, and where to.

    Attributes:
        images: all frames; one group in twelve is held back.
        out: folder for the model, its manifest entry, the log and checkpoints; a training that was
            interrupted goes on from them.
        id: the model's name.
        schedule: for each of the three networks.
        threads: torch threads.
        progress: told one line after each step.
    """

    images: Sequence[TrainingImage]
    out: Path
    id: str
    schedule: Schedule = field(default_factory=lambda: Schedule(16, 8192, 4e-3, 1))
    threads: int = 1
    progress: Callable[[str], None] = lambda line: None


@dataclass(frozen=True, slots=True)
class Trained:
    """The outcome of a training.

    Attributes:
        weights: the model's file.
        entry: its lines for ``models/MANIFEST.toml``.
        bits: held-back bits per sample of each phase's network.
    """

    weights: Path
    entry: str
    bits: dict[int, float]


def train(options: TrainOptions) -> Trained:
    """Train a model; the same images, seed and machine give the same model."""
    torch.set_num_threads(options.threads)
    options.out.mkdir(parents=True, exist_ok=True)
    frames = analysed(options.images)
    frames += interpolated(frames, options.schedule.seed)
    learning = [frame for frame in frames if not is_held_back(frame)]
    held_back = [frame for frame in frames if is_held_back(frame)]
    options.progress(f"{len(learning)} frames to learn from, {len(held_back)} held back")
    start = _untrained(default_kernels(learning))
    networks, bits = _fit_networks(options, learning, held_back, start)
    options.progress("counting tokens for the default tables")
    layers = {phase: network.exported() for phase, network in networks.items()}
    without_tables = Model(layers, start.kernels, start.tables)
    counts = count_all(learning, NetworkPredictor(without_tables.to_bytes()))
    return _store(options, Model(layers, start.kernels, default_tables(counts)), bits)


def _untrained(kernels: np.ndarray) -> Model:
    """Kernels alone: a network that corrects nothing, and flat tables."""
    layers = {
        phase: (
            LayerWeights(np.zeros((2, feature_count(phase)), np.int8), np.zeros(2, np.int32), 7),
        )
        for phase in PREDICTED
    }
    flat = Tables(np.zeros(CONTEXTS, np.uint8), np.full((CONTEXTS, SYMBOLS), 8, np.uint8))
    return Model(layers, kernels, flat)


def _fit_networks(
    options: TrainOptions, learning: list[Samples], held_back: list[Samples], start: Model
) -> tuple[dict[int, QuantisedNetwork], dict[int, float]]:
    predictor = NetworkPredictor(start.to_bytes())
    drawn = draw(learning, predictor, options.schedule.seed)
    watched = draw(held_back, predictor, options.schedule.seed)
    networks: dict[int, QuantisedNetwork] = {}
    for phase in PREDICTED:

        def report(epoch: int, loss: float, held: float, phase: int = phase) -> None:
            _log(options, {"phase": phase, "epoch": epoch, "bits": loss, "held_back": held})

        networks[phase] = fit_network(
            drawn[phase],
            watched[phase],
            options.schedule,
            options.out / f"phase{phase}.checkpoint",
            report,
        )
    return networks, {p: evaluate(networks[p], watched[p]) for p in PREDICTED}


def _log(options: TrainOptions, line: dict[str, float]) -> None:
    with (options.out / "log.jsonl").open("a") as log:
        log.write(json.dumps(line) + "\n")
    options.progress(" ".join(f"{name} {value:g}" for name, value in line.items()))


def _store(options: TrainOptions, model: Model, bits: dict[int, float]) -> Trained:
    data = model.to_bytes()
    NetworkPredictor(data)
    weights = options.out / f"{options.id}.safetensors"
    weights.write_bytes(data)
    entry = (
        "[[model]]\n"
        f'id = "{options.id}"\n'
        f'file = "{weights.name}"\n'
        f'sha256 = "{sha256(data).hexdigest()}"\n'
        f"format = {FORMAT_VERSION}\n"
        f'training_set = "{set_digest(options.images)}"\n'
    )
    (options.out / "entry.toml").write_text(entry)
    _store_data_manifest(options)
    return Trained(weights, entry, bits)


def _store_data_manifest(options: TrainOptions) -> None:
    manifest = {
        "schedule": asdict(options.schedule),
        "images": [{"name": image.name, "sha256": image.sha256} for image in options.images],
    }
    (options.out / "training.json").write_text(json.dumps(manifest, indent=1))
