"""An archive that is loaded by eight senders and killed, again and again."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from service.demo.scratch import ScratchArchive
from service.failpoints import Step
from tests.fault.failing import arrived, killed_at
from tests.fault.load import AE_TITLE, Account, Images, Senders, require_all
from tests.service.served import kill, supervisor
from tests.waiting import wait_for

REFUSED = "Refused: OutOfResources"
"""0xA700, as storescu calls it (PS3.4 B.2.3)."""

SOON = "[worker]\nretry_s = 1.0\n[index]\nbusy_timeout_s = 2.0\n"
"""Settings of an archive that looks soon whether a fault has gone."""

REACHED_S = 1800
"""A worker comes to its first step when it has tested its models: seconds, on
a busy machine minutes."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Kill:
    """When to kill, and whom."""

    step: Step | None = None
    """At one arrival at a named step, or else at a time."""
    nth: int = 1
    after_s: float = 0.0
    """Seconds after the senders began."""
    kills: Literal["service", "process"] = "service"
    """At a step: the process that comes to it, and all others or not."""


class Victim:
    """An archive that is killed again and again."""

    def __init__(self, folder: Path, storescu: str, home: Path | None = None) -> None:
        self._folder = folder
        self._storescu = storescu
        sending = folder / "sending"
        sending.mkdir(parents=True)
        self._images = Images(sending)
        self.account = Account()
        self.archive = ScratchArchive(home or folder / "home")
        self.archive.home.mkdir()
        self.archive.run("init")
        self.archive.run("nodes", "add", AE_TITLE, "127.0.0.1", "104")

    def load(self, associations: int = 3, files: int = 2) -> Senders:
        """Start eight senders, each with a share that ends within seconds."""
        senders = Senders(self._storescu, self.archive, self._images, self.account)
        senders.start(associations, files)
        return senders

    def suffer(self, number: int, one: Kill) -> None:
        """Start, load, kill."""
        arrivals = self._folder / f"arrivals-{number}"
        armed: AbstractContextManager[None] = nullcontext()
        if one.step is not None:
            armed = killed_at(one.step, arrivals, one.nth, one.kills)
        with armed:
            self.archive.start()
            senders = self.load(associations=1, files=2)
            if one.step is None:
                time.sleep(one.after_s)
            else:
                arrivals.touch()
                wait_for(lambda: arrived(arrivals) >= one.nth, REACHED_S)
            self._end(one)
            senders.stop()

    def _end(self, one: Kill) -> None:
        if one.step is not None and one.kills == "service":
            supervisor(self.archive).wait(30)
            self.archive.process = None
        else:
            kill(self.archive)

    def require_all(self) -> None:
        """Start for a last time, and look at everything."""
        self.archive.start()
        try:
            require_all(self.archive, self.account, self._folder / "exported")
        finally:
            kill(self.archive)


def attack(folder: Path, storescu: str, kills: Sequence[Kill]) -> Account:
    """Kill one archive in so many ways; give the account of what it had promised."""
    victim = Victim(folder, storescu)
    for number, one in enumerate(kills):
        victim.suffer(number, one)
        _log.info("%d of %d: %s, %s", number + 1, len(kills), one, victim.account)
    victim.require_all()
    return victim.account


@contextmanager
def serving(
    folder: Path, storescu: str, settings: str = "", home: Path | None = None
) -> Iterator[Victim]:
    """Serve an archive with settings of its own inside the block."""
    victim = Victim(folder / "victim", storescu, home)
    (victim.archive.home / "radiolith.toml").write_text(settings)
    victim.archive.start()
    try:
        yield victim
    finally:
        if victim.archive.process is not None:
            kill(victim.archive)


def send_eight(victim: Victim) -> Account:
    """Send eight instances from eight senders; give the account of these alone."""
    whole, victim.account = victim.account, Account()
    victim.load(associations=1, files=1).join()
    part, victim.account = victim.account, whole
    whole.merge(part)
    return part
