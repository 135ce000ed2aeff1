"""Fitting one phase's network: Adam on shuffled batches, resumable after each epoch."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from models.training.dataset import Drawn
from models.training.quantised import QuantisedNetwork, code_length


@dataclass(frozen=True, slots=True)
class Schedule:
    """How long and how fast to train one network.

    Attributes:
        epochs: passes over the samples.
        batch: samples per step.
        rate: first learning rate; it falls to nothing along a half cosine.
        seed: of initial weights and shuffling.
    """

    epochs: int
    batch: int
    rate: float
    seed: int


Report = Callable[[int, float, float], None]
"""Told after each epoch: its number, training and held-back bits per sample."""


def fit_network(
    drawn: Drawn, held_back: Drawn, schedule: Schedule, checkpoint: Path, report: Report
) -> QuantisedNetwork:
    """Train, or go on from the checkpoint, and leave the checkpoint at the end."""
    torch.manual_seed(schedule.seed)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    network = QuantisedNetwork(drawn.features.shape[1]).to(device)
    optimiser = torch.optim.Adam(network.parameters(), lr=schedule.rate, betas=(0.9, 0.98))
    first = _resume(network, optimiser, checkpoint)
    for epoch in range(first, schedule.epochs):
        loss = _epoch(network, optimiser, drawn, schedule, epoch)
        report(epoch, loss, evaluate(network, held_back))
        _save(network, optimiser, epoch + 1, checkpoint)
    return network


def _epoch(
    network: QuantisedNetwork,
    optimiser: torch.optim.Optimizer,
    drawn: Drawn,
    schedule: Schedule,
    epoch: int,
) -> float:
    device = next(network.parameters()).device
    order = torch.randperm(
        len(drawn.residuals), generator=torch.Generator().manual_seed(schedule.seed + epoch)
    )
    batches = torch.split(order, schedule.batch)
    total = 0.0
    for step, batch in enumerate(batches):
        progress = (epoch + step / len(batches)) / schedule.epochs
        for group in optimiser.param_groups:
            group["lr"] = schedule.rate * 0.5 * (1 + math.cos(math.pi * progress))
        loss = _loss(network, drawn, batch, device)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        total += float(loss.detach()) * len(batch)
    return total / max(len(order), 1)


def _loss(
    network: QuantisedNetwork, drawn: Drawn, batch: torch.Tensor, device: torch.device
) -> torch.Tensor:
    features = drawn.features[batch].to(device).float()
    correction, log_scale = network(features, drawn.exponents[batch].to(device))
    return code_length(drawn.residuals[batch].to(device), correction, log_scale).mean()


def evaluate(network: QuantisedNetwork, drawn: Drawn, batch: int = 1 << 16) -> float:
    """Mean bits per sample."""
    device = next(network.parameters()).device
    indices = torch.split(torch.arange(len(drawn.residuals)), batch)
    with torch.no_grad():
        total = sum(float(_loss(network, drawn, part, device)) * len(part) for part in indices)
    return total / max(len(drawn.residuals), 1)


def _resume(network: QuantisedNetwork, optimiser: torch.optim.Optimizer, checkpoint: Path) -> int:
    if not checkpoint.exists():
        return 0
    saved = torch.load(checkpoint, weights_only=True)
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
