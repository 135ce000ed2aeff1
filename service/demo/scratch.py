"""An archive in a folder of its own, run as the command `radiolith` in real processes.

The demo and the interoperability tests meet the archive as its users do: through the command line
and over associations, never through its Python code.
"""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

HOST: Final = "127.0.0.1"
AE_TITLE: Final = "RADIOLITH"
START_SECONDS: Final = 120
"""A first start compiles the codec's loops and runs the golden vectors; later ones take seconds."""
STOP_SECONDS: Final = 60
LOG: Final = "serve.log"

READY = re.compile(r"listening on (?P<host>\S+):(?P<port>\d+) as (?P<ae>.+)")


class ScratchFault(Exception):
    """The archive's command or service did not do what was asked of it."""


@dataclass(slots=True)
class ScratchArchive:
    """A served archive: where it is, and its command line."""

    home: Path
    host: str = HOST
    port: int = 0
    ae_title: str = AE_TITLE
    process: subprocess.Popen[str] | None = field(default=None, repr=False)

    def run(self, *arguments: str | Path, exits: tuple[int, ...] = (0,)) -> str:
        """Run one `radiolith` verb and give what it printed.

        Raises:
            ScratchFault: it exited with another code than one of ``exits``.
        """
        done = subprocess.run(  # noqa: S603 - our own command, no shell
            [*command(), *map(str, arguments)],
            env=self.environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode not in exits:
            verb = " ".join(map(str, arguments[:2]))
            raise ScratchFault(f"radiolith {verb} exited {done.returncode}: {done.stderr.strip()}")
        return done.stdout

    def ask(self, *arguments: str | Path, exits: tuple[int, ...] = (0,)) -> Any:
        """Run one verb with ``--json`` and give the parsed answer."""
        return json.loads(self.run(*arguments, "--json", exits=exits))

    def environment(self) -> Mapping[str, str]:
        """Give the environment in which `radiolith` finds this archive and no other."""
        kept = {
            name: text for name, text in os.environ.items() if not name.startswith("RADIOLITH_")
        }
        return kept | {"RADIOLITH_HOME": str(self.home)}

    def start(self, *options: str) -> None:
        """Start `radiolith serve` and wait for its one line."""
        with (self.home / LOG).open("a") as log:
            self.process = subprocess.Popen(  # noqa: S603 - our own command, no shell
                [*command(), "serve", "--host", HOST, "--port", str(self.port),
                 "--ae-title", self.ae_title, *options],
                env=self.environment(), stdout=subprocess.PIPE, stderr=log, text=True,
            )  # fmt: skip
        self.port = int(self._ready_line()["port"])

    def stop(self) -> None:
        """Stop the service as an administrator does, by SIGTERM.

        Raises:
            ScratchFault: it did not end in time (it is killed then), or not with exit code 0.
        """
        if self.process is None:
            return
        process, self.process = self.process, None
        process.send_signal(signal.SIGTERM)
        try:
            code = process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            raise ScratchFault(f"serve was still there {STOP_SECONDS} s after SIGTERM") from None
        if code != 0:
            raise ScratchFault(f"serve exited {code} after SIGTERM")

    def wait_archived(self, seconds: float) -> int:
        """Wait until nothing is left in the journal, at most so long; give what is left."""
        deadline = time.monotonic() + seconds
        while (left := int(self.ask("status")["journal"])) and time.monotonic() < deadline:
            time.sleep(0.5)
        return left

    def _ready_line(self) -> re.Match[str]:
        """Read standard output up to the line that says the service is ready."""
        if self.process is None or self.process.stdout is None:
            raise ScratchFault("serve was not started")
        with _limit(self.process, START_SECONDS):
            for line in self.process.stdout:
                if found := READY.match(line.strip()):
                    return found
        log = (self.home / LOG).read_text()
        raise ScratchFault(f"serve ended before it was ready; its log ends with:\n{log[-2000:]}")


def unused_port() -> int:
    """Name a TCP port of loopback that nothing listens on now."""
    with socket.create_server((HOST, 0)) as listener:
        return int(listener.getsockname()[1])


def command() -> list[str]:
    """Name the `radiolith` of the environment that runs this module."""
    return [str(Path(sys.executable).with_name("radiolith"))]


@contextmanager
def _limit(process: subprocess.Popen[str], seconds: float) -> Iterator[None]:
    """Kill the process if the block takes longer, so that reading its output ends."""
    alarm = threading.Timer(seconds, process.kill)
    alarm.start()
    try:
        yield
    finally:
        alarm.cancel()


@contextmanager
def scratch_archive(home: Path, *options: str) -> Iterator[ScratchArchive]:
    """Make an archive in ``home``, serve it inside the block, stop it afterwards."""
    archive = ScratchArchive(home)
    home.mkdir(parents=True, exist_ok=True)
    archive.run("init")
    try:
        archive.start(*options)
        yield archive
    finally:
        archive.stop()
