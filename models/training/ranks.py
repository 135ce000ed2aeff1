"""The processes that train one model together: torchrun starts them, and each is one rank.

Images are shared out by rank, gradients averaged by DistributedDataParallel, and what is made of
all images is made from all ranks' parts, so every rank ends with the same model. A process by
itself is the only rank. See https://pytorch.org/docs/stable/elastic/run.html.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar, cast

import torch
from torch import distributed

from models.training.errors import TrainingError

T = TypeVar("T")

_PATIENCE = timedelta(hours=2)
"""How long a rank waits for a slower one; gradients take milliseconds, but the slowest rank's share
of images is longer in preparation than the fastest one's."""

DEVICES = ("auto", "cpu", "cuda")


@dataclass(frozen=True, slots=True)
class Ranks:
    """This process among those that train together.

    Attributes:
        rank: its number; 0 alone writes files and tells of progress.
        count: how many there are, on all nodes.
        device: where this one's network runs.
    """

    rank: int
    count: int
    device: torch.device

    @property
    def is_first(self) -> bool:
        """Whether this one writes files and tells of progress."""
        return self.rank == 0

    def share(self, items: Sequence[T]) -> Sequence[T]:
        """This rank's part of what all have."""
        return items[self.rank :: self.count]

    def whole(self, part: Sequence[T]) -> list[T]:
        """What all have, of each rank's :meth:`share`; every rank must ask at once."""
        if self.count == 1:
            return list(part)
        parts: list[list[T]] = [[]] * self.count
        distributed.all_gather_object(parts, list(part))
        items = cast("list[T]", [None] * sum(map(len, parts)))
        for rank, found in enumerate(parts):
            items[rank :: self.count] = found
        return items

    def all(self, value: T) -> list[T]:
        """Every rank's value, by rank."""
        return self.whole([value])

    def of_first(self, value: T) -> T:
        """Rank 0's value."""
        return self.all(value if self.is_first else cast("T", None))[0]

    def average_gradients(self, network: torch.nn.Module) -> torch.nn.Module:
        """The network as it is to be called in training."""
        if self.count == 1:
            return network
        return torch.nn.parallel.DistributedDataParallel(network)


@contextmanager
def joined(device: str) -> Iterator[Ranks]:
    """Join the processes that torchrun started this one with, if it did.

    Args:
        device: one of ``DEVICES``; ``auto`` is a GPU where there is one.

    Raises:
        TrainingError: no such device is here.
    """
    found = _device(device)
    if not distributed.is_torchelastic_launched():
        yield Ranks(0, 1, found)
        return
    backend = "cpu:gloo,cuda:nccl" if found.type == "cuda" else "gloo"
    distributed.init_process_group(backend, timeout=_PATIENCE)
    try:
        yield Ranks(distributed.get_rank(), distributed.get_world_size(), found)
    finally:
        distributed.destroy_process_group()


def _device(name: str) -> torch.device:
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda" and not torch.cuda.is_available():
        raise TrainingError("no GPU that PyTorch can use is here")
    if name != "cuda":
        return torch.device(name)
    device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
    torch.cuda.set_device(device)
    return device
