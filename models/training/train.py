"""Training a model from images: kernels, then the networks, then Huffman tables."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from hashlib import sha256
from pathlib import Path

import numpy as np
import torch

from codec import encode_frame
from codec.contexts import CONTEXTS
from codec.features import feature_count
from codec.huffman import SYMBOLS
from codec.lattice import PREDICTED
from codec.predictor import Predictor, Tables
from models.exact import LayerWeights
from models.network import Model, NetworkPredictor
from models.training.dataset import draw, held_back_groups
from models.training.errors import TrainingError
from models.training.fit import Measured, Schedule, evaluate, fit_network
from models.training.images import TrainingImage, analysed, interpolated
from models.training.kernels import trained_kernels
from models.training.quantised import QuantisedNetwork
from models.training.ranks import Ranks, joined
from models.training.record import Record
from models.training.tables import count_all, default_tables


@dataclass(frozen=True, slots=True)
class TrainOptions:
    """What to train on, how long, and where to.

    Attributes:
        images: all frames, on every rank; one group in twelve is held back.
        out: folder for the model, its manifest entry, the log and checkpoints; a training that was
            interrupted goes on from them.
        id: the model's name.
        schedule: for each phase's network.
        threads: torch threads of each process.
        device: one of :data:`models.training.ranks.DEVICES`.
        progress: told one line after each step, by rank 0.
    """

    images: Sequence[TrainingImage]
    out: Path
    id: str
    schedule: Schedule = field(default_factory=lambda: Schedule(16, 8192, 4e-3, 1))
    threads: int = 1
    device: str = "auto"
    progress: Callable[[str], None] = lambda line: None


@dataclass(frozen=True, slots=True)
class Trained:
    """The outcome of a training.

    Attributes:
        weights: the model's file.
        entry: its lines for ``models/MANIFEST.toml``.
        bits: held-back bits per sample of each phase's network.
        bits_per_pixel: what the held-back frames take, each by itself, with everything counted.
    """

    weights: Path
    entry: str
    bits: dict[int, float]
    bits_per_pixel: float


def train(options: TrainOptions) -> Trained | None:
    """Train a model; the same images, schedule, machine and number of processes give the same.

    Under torchrun, every process must call it, with the same options; each returns when the model
    is written, rank 0 with it and the others with None.

    Raises:
        TrainingError: the images are too few, no such device is here, or ``out`` holds another
            training.
    """
    if not options.images:
        raise TrainingError("no grayscale images of 8 or 16 bits")
    torch.set_num_threads(options.threads)
    with joined(options.device) as ranks:
        return _Training(options, ranks).run()


class _Training:
    def __init__(self, options: TrainOptions, ranks: Ranks) -> None:
        self._options = options
        self._ranks = ranks
        kept = held_back_groups(image.group for image in options.images)
        self._watched = [image for image in options.images if image.group in kept]
        frames = analysed(options.images)
        frames += interpolated(frames, options.schedule.seed)
        self._learning = [frame for frame in frames if frame.group not in kept]
        self._held_back = [frame for frame in frames if frame.group in kept]

    def run(self) -> Trained | None:
        self._begin()
        start = _untrained(trained_kernels(self._learning, self._ranks))
        networks, bits = self._fit_networks(start)
        layers = {phase: network.exported() for phase, network in networks.items()}
        return self._finish(self._with_tables(layers, start), bits)

    def _begin(self) -> None:
        if not self._learning:
            raise TrainingError("too few series: one is held back, and none is left to learn from")
        if self._ranks.is_first:
            options = self._options
            self._record.begin(options.schedule, options.images, self._ranks.count)
        self._tell(f"{len(self._learning)} frames to learn from, {len(self._held_back)} held back")

    def _with_tables(self, layers: Mapping[int, tuple[LayerWeights, ...]], start: Model) -> Model:
        self._tell("counting tokens for the default tables")
        predictor = NetworkPredictor(Model(layers, start.kernels, start.tables).to_bytes())
        counted = count_all(self._learning, predictor, self._ranks)
        return Model(layers, start.kernels, default_tables(counted))

    def _finish(self, model: Model, bits: dict[int, float]) -> Trained | None:
        options, data = self._options, model.to_bytes()
        if len(set(self._ranks.all(sha256(data).digest()))) > 1:
            raise TrainingError("the processes came to different models")
        pooled = self._bits_per_pixel(NetworkPredictor(data))
        if not self._ranks.is_first:
            return None
        self._record.log_result(pooled)
        weights, entry = self._record.store(options.id, data, options.images)
        return Trained(weights, entry, bits, pooled)

    @property
    def _record(self) -> Record:
        return Record(self._options.out)

    def _tell(self, line: str) -> None:
        if self._ranks.is_first:
            self._options.progress(line)

    def _fit_networks(self, start: Model) -> tuple[dict[int, QuantisedNetwork], dict[int, float]]:
        ranks, schedule = self._ranks, self._options.schedule
        predictor = NetworkPredictor(start.to_bytes())
        seed = schedule.seed + ranks.rank
        drawn = draw(ranks.share(self._learning), predictor, seed)
        watched = draw(ranks.share(self._held_back), predictor, seed)
        networks = {
            phase: fit_network(
                drawn[phase],
                watched[phase],
                schedule,
                self._options.out / f"phase{phase}.checkpoint",
                partial(self._report, phase),
                ranks,
            )
            for phase in PREDICTED
        }
        bits = {
            p: evaluate(networks[p], watched[p].to(ranks.device), ranks).bits for p in PREDICTED
        }
        return networks, bits

    def _report(self, phase: int, epoch: int, learnt: Measured, held_back: Measured) -> None:
        if self._ranks.is_first:
            self._tell(self._record.log(phase, epoch, learnt, held_back))

    def _bits_per_pixel(self, predictor: Predictor) -> float:
        """What the held-back frames take with the model."""
        bits = [
            8 * len(encode_frame(image.words, predictor, image.hints))
            for image in self._ranks.share(self._watched)
        ]
        pixels = sum(image.words.size for image in self._watched)
        return sum(self._ranks.whole(bits)) / pixels


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
