"""The housekeeper: delivers storage commitment reports nobody waits for online, and purges.

What is deleted goes when its grace period is over (:mod:`service.upkeep.deletion`). The trail's
head is anchored (:mod:`service.upkeep.anchoring`), and in a thread of its own every object is
verified again and again (:mod:`service.upkeep.scrub`); in another, the trail is sent to a syslog
receiver (:mod:`service.syslog.sender`).
"""

from __future__ import annotations

import time
from threading import Event, Thread
from typing import Final

import structlog

from config.settings import Settings
from dicom.archive import Commitment
from dicom.commitment import send_commitment_report
from dicom.server import ServerOptions
from service.commitment import Commitments
from service.errors import Fault
from service.home import Home
from service.options import server_options
from service.processes.lifeline import follow
from service.syslog.sender import Sender
from service.upkeep.anchoring import ANCHOR_S, Anchoring
from service.upkeep.deletion import purge_due

POLL_S: Final = 1.0
HEAD_START_S: Final = 5.0
"""Seconds that the requesting association has to deliver a report before the housekeeper does. It
looks four times a second; modalities that keep it open expect the report there."""

_log = structlog.get_logger()


def keep_house(settings: Settings, end: int) -> None:
    """Keep house until the lifeline ``end`` says to stop."""
    # It brings the codec's tables, which no other fork of the supervisor needs.
    from service.upkeep.scrub import Scrubber

    stop = follow(end)
    with Home(settings) as home:
        home.keys.open()
        threads = [
            Thread(target=Scrubber(home).run, args=[stop], name="scrub"),
            Thread(target=Sender(home).run, args=[stop], name="syslog"),
        ]
        for thread in threads:
            thread.start()
        Housekeeper(home, server_options(settings)).run(stop)
        for thread in threads:
            thread.join()


class Housekeeper:
    """Delivers the storage commitment reports of one archive, and purges what is deleted."""

    def __init__(
        self, home: Home, options: ServerOptions, head_start_s: float = HEAD_START_S
    ) -> None:
        self._home = home
        self._options = options
        self._head_start_s = head_start_s
        self._commitments = Commitments(home)
        self._seen: dict[tuple[str, str], float] = {}
        self._next_purge = self._next_anchor = 0.0
        self._anchoring = Anchoring(home)

    def run(self, stop: Event) -> None:
        """Work until asked to stop."""
        while not stop.wait(POLL_S):
            try:
                self.work()
                self.purge()
                self.anchor()
            except Fault as fault:
                _log.error("house not kept", exc_info=fault)

    def work(self) -> int:
        """Deliver what is due, and was so for the head start; give how many were tried."""
        due = {(one.peer.calling_ae, one.transaction_uid): one for one in self._commitments.due()}
        now = time.monotonic()
        self._seen = {name: self._seen.get(name, now) for name in due}
        ready = [due[name] for name, seen in self._seen.items() if now - seen >= self._head_start_s]
        claimed = [commitment for commitment in ready if self._commitments.claim(commitment)]
        for commitment in claimed:
            self._commitments.reported(commitment, self._deliver(commitment))
        return len(claimed)

    def purge(self) -> None:
        """Destroy what is deleted and whose grace is over, every ``deletion.poll_s`` seconds."""
        if time.monotonic() >= self._next_purge:
            self._next_purge = time.monotonic() + self._home.settings.deletion.poll_s
            purge_due(self._home)

    def anchor(self) -> None:
        """Anchor the trail's head, once a minute."""
        if time.monotonic() >= self._next_anchor:
            self._next_anchor = time.monotonic() + ANCHOR_S
            self._anchoring.work()

    def _deliver(self, commitment: Commitment) -> bool:
        ae_title = commitment.peer.calling_ae
        node = self._home.index.nodes.get(ae_title)
        if node is None:
            _log.warning("no node to report a commitment to", ae_title=ae_title)
            return False
        delivered = send_commitment_report(commitment, node, self._options)
        _log.info("commitment reported", ae_title=ae_title, delivered=delivered)
        return delivered
