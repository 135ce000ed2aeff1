"""The processes under a supervisor: started, watched, started again when they die.

Two ways to start one. A *forked* process shares the listening socket and starts in milliseconds;
it may only be forked while the supervisor has neither threads nor engines, which is always, since
the supervisor does nothing but watch. A *fresh* interpreter inherits nothing but the descriptors
it is given: workers load the codec and must not carry libraries, or their threads, over a fork.
"""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.process import BaseProcess
from typing import Final, Protocol

import structlog

from service.processes.lifeline import Lifeline

FIRST_DELAY_S: Final = 0.5
LONGEST_DELAY_S: Final = 30.0
SETTLED_S: Final = 60.0
"""A process that ran this long died of something new: its delay starts over."""

_log = structlog.get_logger()


class Running(Protocol):
    """A process that was started."""

    @property
    def pid(self) -> int | None:
        """The process id."""

    def exit_code(self) -> int | None:
        """Give the exit code, None while it runs."""

    def kill(self) -> None:
        """End it at once."""


class Forked:
    """A process forked from the supervisor."""

    def __init__(self, process: BaseProcess) -> None:
        self._process = process

    @property
    def pid(self) -> int | None:
        """The process id."""
        return self._process.pid

    def exit_code(self) -> int | None:
        """Give the exit code, None while it runs."""
        return self._process.exitcode

    def kill(self) -> None:
        """End it at once."""
        self._process.kill()
        self._process.join()


class Fresh:
    """A process in a fresh interpreter."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process

    @property
    def pid(self) -> int | None:
        """The process id."""
        return self._process.pid

    def exit_code(self) -> int | None:
        """Give the exit code, None while it runs."""
        return self._process.poll()

    def kill(self) -> None:
        """End it at once."""
        self._process.kill()
        self._process.wait()


def forked(main: Callable[[int], None], end: int, inherited: Sequence[Lifeline]) -> Running:
    """Fork a process that runs ``main(end)``; lifelines of its siblings are closed in it."""

    def run() -> None:
        for lifeline in inherited:
            lifeline.let_go()
        try:
            main(end)
        except Exception as fault:  # noqa: BLE001 - a process ends with its fault in the log
            _log.critical("process failed", exc_info=fault)
            sys.exit(1)

    process = multiprocessing.get_context("fork").Process(target=run)
    process.start()
    return Forked(process)


def fresh(module: str, given: str, descriptors: Sequence[int], extra: Mapping[str, str]) -> Running:
    """Run a module in a fresh interpreter with descriptors and environment variables passed on.

    ``given`` comes to it on standard input: others may read a command line, and settings can hold a
    database's password.
    """
    process = subprocess.Popen(  # noqa: S603 - our own interpreter
        [sys.executable, "-m", module],
        pass_fds=descriptors,
        env={**os.environ, **extra},
        process_group=0,
        stdin=subprocess.PIPE,
    )
    if process.stdin is not None:
        with suppress(BrokenPipeError), process.stdin as pipe:
            pipe.write(given.encode())
    return Fresh(process)


Start = Callable[[int, Sequence[Lifeline]], Running]
"""Starts a process on the end of its lifeline; the other lifelines are not to be inherited."""


@dataclass(slots=True)
class Child:
    """One process that is to run for as long as the archive serves."""

    process: str
    """What it does, for the log."""
    start: Start
    running: Running | None = None
    lifeline: Lifeline | None = None
    delay: float = FIRST_DELAY_S
    started: float = 0.0
    due: float = field(default=0.0)
    """When to start it again, on the monotonic clock."""


class Children:
    """All processes of one supervisor."""

    def __init__(self) -> None:
        self._children: list[Child] = []

    def add(self, process: str, start: Start) -> None:
        """Start a process, and keep it running from now on."""
        child = Child(process, start)
        self._children.append(child)
        self._launch(child)

    def mend(self) -> None:
        """Start again what died, with a delay that doubles while it keeps dying."""
        for child in self._children:
            if child.running is not None and child.running.exit_code() is not None:
                self._bury(child, child.running)
            if child.running is None and time.monotonic() >= child.due:
                self._launch(child)

    def dead(self) -> list[str]:
        """Name the processes that have died and are not started again yet."""
        return [
            child.process
            for child in self._children
            if child.running is None or child.running.exit_code() is not None
        ]

    def stop(self, grace_s: float) -> bool:
        """Ask all to stop; end those that have not after ``grace_s``. False if any was ended so."""
        for child in self._children:
            if child.lifeline is not None:
                child.lifeline.stop()
        deadline = time.monotonic() + grace_s
        while self._left() and time.monotonic() < deadline:
            time.sleep(0.05)
        late = self._left()
        for child in late:
            _log.warning("process ended by force", process=child.process)
            if child.running is not None:
                child.running.kill()
        return not late

    def _left(self) -> list[Child]:
        return [
            child
            for child in self._children
            if child.running is not None and child.running.exit_code() is None
        ]

    def _launch(self, child: Child) -> None:
        lifeline = Lifeline()
        siblings = [other.lifeline for other in self._children if other.lifeline is not None]
        child.running = child.start(lifeline.end, [*siblings, lifeline])
        lifeline.handed_over()
        child.lifeline, child.started = lifeline, time.monotonic()
        _log.info("process started", process=child.process, pid=child.running.pid)

    def _bury(self, child: Child, running: Running) -> None:
        lived = time.monotonic() - child.started
        child.delay = FIRST_DELAY_S if lived > SETTLED_S else min(child.delay * 2, LONGEST_DELAY_S)
        child.due = time.monotonic() + child.delay
        _log.error(
            "process died", process=child.process, status=running.exit_code(), delay=child.delay
        )
        if child.lifeline is not None:
            child.lifeline.let_go()
        child.running = child.lifeline = None
