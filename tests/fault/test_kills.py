"""SIGKILL at every named step and at random times, under load from eight senders.

Each run starts the archive that the one before left, loads it, and kills it. At the end everything
that was ever answered with Success is exported and compared with what storescu had sent.
"""

from __future__ import annotations

import random
from pathlib import Path
from typing import Literal

import pytest

from tests.fault.test_failpoints import ARCHIVED, RECEIVED
from tests.fault.victim import Kill, attack


def some_kills(count: int, seed: int, latest_s: float) -> list[Kill]:
    """Draw kills: every step of receive and encode in turn, every second one at a random time."""
    draw = random.Random(seed)
    steps = [*RECEIVED, *ARCHIVED]
    kills: list[Kill] = []
    for number in range(count):
        if number % 2:
            kills.append(Kill(after_s=draw.uniform(0, latest_s)))
        else:
            step = steps[number // 2 % len(steps)]
            whom: Literal["service", "process"] = draw.choice(("service", "service", "process"))
            kills.append(Kill(step, draw.randint(1, 6), kills=whom))
    return kills


@pytest.mark.slow
def test_kills_under_load_lose_and_alter_nothing(tmp_path: Path, storescu: str) -> None:
    kills = [
        Kill("entry.renamed", nth=3),
        Kill(after_s=0.7),
        Kill("object.renamed", nth=2),
        Kill("entry.indexed", nth=5, kills="process"),
    ]
    account = attack(tmp_path, storescu, kills)
    assert account.stored
    assert account.stored < account.sent.keys(), "no kill came while something was being sent"


@pytest.mark.faults
def test_fifty_kills_of_a_whole_service_lose_and_alter_nothing(
    tmp_path: Path, storescu: str
) -> None:
    account = attack(tmp_path, storescu, some_kills(50, seed=1, latest_s=8))
    assert len(account.stored) > 200
