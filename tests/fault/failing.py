"""Kill a service or a command at a named step: what :mod:`tests.fault.armed` is told."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import pytest

from service.failpoints import Step

ARMED = Path(__file__).with_name("armed")


@contextmanager
def killed_at(
    step: Step,
    arrivals: Path,
    nth: int = 1,
    kills: Literal["service", "process"] = "service",
) -> Iterator[None]:
    """Let each process that is started inside the block be killed at its step.

    Args:
        step: where.
        arrivals: a file in which all processes together count their arrivals, from the moment that
            the caller makes it.
        nth: which arrival is killed; the others go on.
        kills: of a service's process also its supervisor, and with it all others, or it alone.
    """
    told = {"step": step, "nth": nth, "kills": kills, "arrivals": str(arrivals)}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ARMED_FAILPOINT", json.dumps(told))
        patch.setenv("PYTHONPATH", str(ARMED), prepend=os.pathsep)
        yield


def arrived(arrivals: Path) -> int:
    """Give how often the step was reached."""
    return arrivals.stat().st_size if arrivals.exists() else 0
