"""Kill a service or a command at a named step: what :mod:`tests.fault.armed` is told."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import pytest

from service.failpoints import Step

ARMED = Path(__file__).with_name("armed")
LIBFIU = Path("/usr/lib/fiu")
PRELOADED = ("fiu_run_preload.so", "fiu_posix_preload.so")


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


class FailingCalls:
    """Calls of the C library that fail in the processes of a service, from now until it is well."""

    def __init__(self, told: Path) -> None:
        self._told = told
        self.be_well()

    @contextmanager
    def armed(self) -> Iterator[None]:
        """Let what is started inside the block be told."""
        libraries = " ".join(str(LIBFIU / name) for name in PRELOADED)
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("FAILING_CALLS", str(self._told))
            patch.setenv("PYTHONPATH", str(ARMED), prepend=os.pathsep)
            patch.setenv("LD_PRELOAD", libraries)
            yield

    def fail(self, code: int, **calls: float) -> None:
        """Let calls fail with an ``errno`` and a probability each, by libfiu's names after io/."""
        named = {f"posix/io/{name.replace('_', '/')}": share for name, share in calls.items()}
        self._tell({"calls": named, "errno": code})

    def be_well(self) -> None:
        """Let nothing fail any more."""
        self._tell({"calls": {}, "errno": 0})

    def _tell(self, told: dict[str, object]) -> None:
        draft = self._told.with_suffix(".draft")
        draft.write_text(json.dumps(told))
        draft.replace(self._told)
        time.sleep(0.3)  # some looks of each process


def arrived(arrivals: Path) -> int:
    """Give how often the step was reached."""
    return arrivals.stat().st_size if arrivals.exists() else 0
