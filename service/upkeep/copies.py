"""The replica's copies of objects, verified while the archive serves.

A copy that rots would be met only when the store's own is lost. Each is opened and authenticated
when its object has its turn (:mod:`service.upkeep.scrub`). What is damaged stays so, and is told in
log, trail and ``status``, until ``radiolith audit --repair`` has put a sound copy in its place.
"""

from __future__ import annotations

import time
from typing import Final

import structlog

from service.errors import DataFault, StoreFault
from service.home import Home
from service.store.replica import Replica
from service.upkeep.alarm import SCRUB, replica_alarm
from service.upkeep.kinds import Kind, kind_of
from service.upkeep.sound import authenticate

_AWAY_S: Final = 600.0
"""Seconds that a replica which cannot be reached is left alone: each attempt may take its whole
``replica.timeout_s``, which the store's own objects would wait for."""
_LOOKS: Final = 2

_log = structlog.get_logger()


class Copies:
    """Verifies the copies of one archive's replica. Use from one thread."""

    def __init__(self, home: Home, replica: Replica) -> None:
        self._home = home
        self._replica = replica
        self._sound: list[bytes] = []
        self._next = 0.0
        """When the replica may be read again, on the monotonic clock."""

    def verify(self, object_id: bytes) -> bool:
        """Verify the copy of an object; give whether the replica could be asked.

        Raises:
            IoFault: index or keyring cannot be read.
        """
        if time.monotonic() < self._next:
            return False
        try:
            kind = self._kind(object_id)
        except StoreFault as fault:
            self._next = time.monotonic() + _AWAY_S
            _log.warning("the replica is not scrubbed", delay=_AWAY_S, exc_info=fault)
            return False
        if kind is None:
            self._sound.append(object_id)
        else:
            replica_alarm(self._home, object_id, kind, SCRUB)
        return True

    def note(self) -> None:
        """Note in the index which copies are sound."""
        if self._sound:
            self._replica.queue.sound(self._sound)
            self._sound.clear()

    def _kind(self, object_id: bytes) -> Kind | None:
        """Say what is wrong with a copy; None where it is sound.

        Raises:
            StoreFault: not the copy, but the whole replica cannot be read.
        """
        for _ in range(_LOOKS):
            try:
                authenticate(self._replica.objects, self._home.keys, object_id)
            except DataFault as fault:
                return kind_of(fault)
            except (StoreFault, OSError):
                self._replica.objects.exists(object_id)
            else:
                return None
        return Kind.MISSING


def copies_of(home: Home) -> Copies | None:
    """Give what verifies an archive's copies; None without a replica, or where that is set off."""
    if home.replica is None or not home.settings.scrub.replica:
        return None
    return Copies(home, home.replica)
