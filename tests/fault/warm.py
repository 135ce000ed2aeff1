"""Receivers and a worker as ``radiolith serve`` runs them, forked from a process that is warm.

A service's start takes seconds, most of them to load what archives; here the codec is loaded once,
so that hundreds of starts and kills take minutes. What is forked is the service's own code: its
recovery, two receivers on one socket, one worker. Only the supervisor is not the real one: it does
not start again what dies alone, and all processes of one run are killed in one instant.

Run as ``python -m tests.fault.warm HOME``; each line on standard input is one run.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from config.settings import Settings, load
from dicom.server import Listener, bind
from service import logs
from service.demo.scratch import unused_port
from service.encode import Codec
from service.failpoints import Step, arm
from service.home import Home
from service.processes.receiver import receive
from service.processes.worker import Worker, load_codec
from service.upkeep.recovery import recover

HOST = "127.0.0.1"
RECEIVERS = 2


def main(path: Path) -> None:
    """Serve one run for each line; say ``ready`` and the process group, then ``ended``."""
    settings = load(path)
    logs.configure(settings.log.level, settings.log.format, settings.log.phi)
    codec, port = load_codec(), unused_port()
    print(port, flush=True)  # noqa: T201 - the other side reads it
    for line in sys.stdin:
        # A socket for each run: whoever still waits to be accepted is turned away at its end.
        with bind(HOST, port) as socket:
            _run(settings, codec, Listener(socket), json.loads(line))
        print("ended", flush=True)  # noqa: T201 - the other side reads it


def _run(settings: Settings, codec: Codec, listener: Listener, told: Mapping[str, Any]) -> None:
    alive, held = os.pipe()
    if (leader := os.fork()) == 0:
        os.close(alive)
        _lead(settings, codec, listener, told)
    os.close(held)
    os.read(alive, 1)  # until the last process of the run is gone
    os.close(alive)
    os.waitpid(leader, 0)


def _lead(settings: Settings, codec: Codec, listener: Listener, told: Mapping[str, Any]) -> None:
    os.setsid()
    arm(_killer(told))
    os.waitpid(_forked(lambda: _recover(settings)), 0)
    ready, tell = os.pipe()
    follow, _held = os.pipe()
    for _ in range(RECEIVERS):
        _forked(lambda: receive(settings, [listener], follow, tell))
    _forked(lambda: _work(settings, codec))
    for _ in range(RECEIVERS):
        os.read(ready, 1)
    print(f"ready {os.getpid()}", flush=True)  # noqa: T201 - the other side reads it
    while True:
        signal.pause()


def _forked(run: Callable[[], None]) -> int:
    pid = os.fork()
    if pid == 0:
        try:
            run()
        finally:
            os._exit(1)
    return pid


def _recover(settings: Settings) -> None:
    with Home(settings) as home:
        recover(home)


def _work(settings: Settings, codec: Codec) -> None:
    with Home(settings) as home:
        Worker(home, codec, "warm").run(threading.Event())


def _killer(told: Mapping[str, Any]) -> Callable[[Step], None]:
    """Kill all of the run, or the process alone, at one arrival of any process at the step."""
    arrivals = Path(told["arrivals"])

    def reached(at: Step) -> None:
        if at != told["step"] or not arrivals.exists():
            return
        with arrivals.open("ab") as file:
            file.write(b".")
            file.flush()
            mine = file.tell()
        if mine == told["nth"]:
            os.kill(0 if told["kills"] == "service" else os.getpid(), signal.SIGKILL)

    return reached


class Warm:
    """The other side of :func:`main`."""

    def __init__(self, home: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.fault.warm", str(home)],
            env={**os.environ, "OMP_NUM_THREADS": "1"}, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=(home / "warm.log").open("a"),
        )  # fmt: skip
        self.port = int(self._line())

    def start(self, **told: object) -> int:
        """Start one run; give its process group."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(told) + "\n")
        self._process.stdin.flush()
        said = self._line().split()
        assert said[0] == "ready", said
        return int(said[1])

    def wait(self) -> None:
        """Wait until every process of the run is gone."""
        assert self._line() == "ended"

    def close(self) -> None:
        """End."""
        self._process.kill()
        self._process.wait()

    def _line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
