"""Fitting one phase's network: Adam on shuffled batches, resumable after each epoch."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from models.training.dataset import Drawn
from models.training.errors import TrainingError
from models.training.losses import Loss, Outputs, Taken, objective, taken
from models.training.quantised import QuantisedNetwork
from models.training.ranks import Ranks


@dataclass(frozen=True, slots=True)
class Schedule:
    """How long, how fast and for what to train one network.

    Attributes:
        epochs: passes over the samples.
        batch: samples per step, of all ranks together.
        rate: first learning rate; it falls to nothing along a half cosine.
        seed: of initial weights and shuffling.
        loss: what is made small.
    """

    epochs: int
    batch: int
    rate: float
    seed: int
    loss: Loss = Loss.CODE_LENGTH


@dataclass(frozen=True, slots=True)
class Measured:
    """Means over samples.

    Attributes:
        bits: code length.
        mse: squared error, in units of the samples' normalisation.
    """

    bits: float
    mse: float


Report = Callable[[int, Measured, Measured], None]
"""Told after each epoch: its number, and what training and held-back samples take."""


def fit_network(
    drawn: Drawn,
    held_back: Drawn,
    schedule: Schedule,
    checkpoint: Path,
    report: Report,
    ranks: Ranks,
) -> QuantisedNetwork:
    """Train, or go on from the checkpoint, and leave the checkpoint at the end.

    Args:
        drawn: this rank's samples.
        held_back: likewise, to watch over-fitting.
        schedule: of all ranks.
        checkpoint: read and written by rank 0.
        report: called on every rank, with what all ranks' samples take.
        ranks: who trains.

    Raises:
        TrainingError: a rank has no samples.
    """
    torch.manual_seed(schedule.seed)
    network = QuantisedNetwork(drawn.features.shape[1]).to(ranks.device)
    optimiser = torch.optim.Adam(network.parameters(), lr=schedule.rate, betas=(0.9, 0.98))
    first = _resume(network, optimiser, checkpoint, ranks)
    drawn, held_back = drawn.to(ranks.device), held_back.to(ranks.device)
    called = ranks.average_gradients(network)
    for epoch in range(first, schedule.epochs):
        learnt = _epoch(called, optimiser, drawn, schedule, epoch, ranks)
        if ranks.is_first:
            _save(network, optimiser, epoch + 1, checkpoint)
        report(epoch, learnt, evaluate(network, held_back, ranks))
    return network


def _epoch(
    network: torch.nn.Module,
    optimiser: torch.optim.Optimizer,
    drawn: Drawn,
    schedule: Schedule,
    epoch: int,
    ranks: Ranks,
) -> Measured:
    batches = _batches(drawn, schedule, epoch, ranks)
    sums = _Sums()
    for step, batch in enumerate(batches):
        progress = (epoch + step / len(batches)) / schedule.epochs
        for group in optimiser.param_groups:
            group["lr"] = schedule.rate * 0.5 * (1 + math.cos(math.pi * progress))
        samples = taken(schedule.loss, _outputs(network, drawn, batch))
        optimiser.zero_grad(set_to_none=True)
        objective(schedule.loss, samples).backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        sums.add(samples)
    return sums.means(ranks)


def _batches(
    drawn: Drawn, schedule: Schedule, epoch: int, ranks: Ranks
) -> tuple[torch.Tensor, ...]:
    """This rank's samples in a new order; as many batches on each rank, or some would wait."""
    least = min(ranks.all(len(drawn.residuals)))
    if not least:
        raise TrainingError("images are too few, or too small, for the processes that train")
    generator = torch.Generator().manual_seed(schedule.seed + epoch)
    order = torch.randperm(len(drawn.residuals), generator=generator)[:least]
    own = max(1, schedule.batch // ranks.count)
    return torch.split(order.to(drawn.residuals.device), own)


def _outputs(network: torch.nn.Module, drawn: Drawn, batch: torch.Tensor) -> Outputs:
    exponents = drawn.exponents[batch]
    corrections, log_scales = network(drawn.features[batch].float(), exponents)
    return Outputs(drawn.residuals[batch], corrections, log_scales, exponents)


class _Sums:
    """Adds up what samples take."""

    def __init__(self) -> None:
        self._count, self._bits, self._mse = 0, 0.0, 0.0

    def add(self, samples: Taken) -> None:
        self._count += len(samples.bits)
        self._bits += float(samples.bits.detach().sum())
        self._mse += float(samples.squares.detach().sum())

    def means(self, ranks: Ranks) -> Measured:
        """Over all ranks' samples."""
        parts = ranks.all((self._count, self._bits, self._mse))
        count, bits, mse = (sum(column) for column in zip(*parts, strict=True))
        return Measured(bits / max(count, 1), mse / max(count, 1))


def evaluate(
    network: QuantisedNetwork, drawn: Drawn, ranks: Ranks, batch: int = 1 << 16
) -> Measured:
    """What the network makes of all ranks' samples."""
    sums = _Sums()
    with torch.no_grad():
        for part in torch.split(torch.arange(len(drawn.residuals)), batch):
            outputs = _outputs(network, drawn, part.to(drawn.residuals.device))
            sums.add(taken(Loss.CODE_LENGTH, outputs))
    return sums.means(ranks)


def _resume(
    network: QuantisedNetwork, optimiser: torch.optim.Optimizer, checkpoint: Path, ranks: Ranks
) -> int:
    saved = None
    if ranks.is_first and checkpoint.exists():
        saved = torch.load(checkpoint, weights_only=True, map_location="cpu")
    saved = ranks.of_first(saved)
    if saved is None:
        return 0
    network.load_state_dict(saved["network"])
    optimiser.load_state_dict(saved["optimiser"])
    return int(saved["epochs"])


def _save(
    network: QuantisedNetwork, optimiser: torch.optim.Optimizer, epochs: int, checkpoint: Path
) -> None:
    temporary = checkpoint.with_suffix(".new")
    state = {"network": network.state_dict(), "optimiser": optimiser.state_dict(), "epochs": epochs}
    torch.save(state, temporary)
    os.replace(temporary, checkpoint)
