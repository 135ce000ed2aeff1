"""The scrubber: every object verified again and again while the archive serves.

The object that has waited longest comes first, so that no position has to be kept: a restart goes
on where rows say. Every part is opened and authenticated and the row compared with the sealed
header. Frames are not decoded: each object was decoded and compared before it was published, and
the same bytes decode to the same dataset. :func:`service.upkeep.audit.audit` decodes too. The
replica's copy has its turn with its object (:mod:`service.upkeep.copies`).
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from threading import Event
from typing import Final

import structlog

from config.schema import Scrub
from service.errors import Fault, StoreFault, Unknown
from service.home import Home
from service.index import RevisionFacts
from service.sealing.reader import ObjectReader
from service.sequence import utc_now
from service.upkeep.alarm import SCRUB, alarm
from service.upkeep.copies import copies_of
from service.upkeep.examine import Examiner
from service.upkeep.kinds import Kind

_DAY_S: Final = 86_400
_BATCH: Final = 32
"""Objects between two writes to the index, which cost a sync each, some 3 ms."""
_NOTE_S: Final = 5.0
"""Seconds after which a write does not wait for the rest of its batch."""
_LONGEST_REST_S: Final = 3600.0
_UNAVAILABLE_S: Final = 60.0
_LOWEST_PRIORITY: Final = 19

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Pace:
    """How long to rest after an object: to need the set days, and never more than the set share."""

    settings: Scrub
    total_bytes: int
    """Of all objects, and of their copies where these are read too."""
    is_late: bool
    """Whether an object has waited for longer than the set days already."""

    def rest_s(self, size: int, took_s: float) -> float:
        """Give the seconds to rest after ``size`` bytes of an object, which took ``took_s``."""
        most = self.settings.max_bytes_per_s
        pauses = [took_s / self.settings.max_share, size / most if most else 0.0]
        if not self.is_late:
            pauses.append(size / max(1, self.total_bytes) * self.settings.days * _DAY_S)
        return min(max(pauses) - took_s, _LONGEST_REST_S)


class Scrubber:
    """Verifies the objects of one archive, in a thread of its own."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._settings = home.settings.scrub
        self._examiner = Examiner(home, pieces=_authenticated)
        self._copies = copies_of(home)

    def run(self, stop: Event) -> None:
        """Work until asked to stop; ``scrub.days = 0`` has nothing done."""
        if self._settings.days == 0:
            return
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _LOWEST_PRIORITY)
        while not stop.is_set():
            try:
                done = self.batch(stop)
            except Fault as fault:
                _log.error("not scrubbed", exc_info=fault)
                done = 0
            if not done:
                stop.wait(_UNAVAILABLE_S)

    def batch(self, stop: Event) -> int:
        """Verify some of the objects that have waited longest; give how many.

        Raises:
            IoFault: index or keyring cannot be read.
            StoreFault: the store as a whole is not there.
        """
        self._require_store()
        pace = self._pace()
        sound: list[int] = []
        done, noted = 0, time.monotonic()
        for number in self._home.index.verifications.longest_ago(_BATCH):
            rest_s = self._verify(number, pace, sound)
            done += 1
            if rest_s > _NOTE_S or time.monotonic() - noted > _NOTE_S:
                noted = self._note(sound)
            if stop.wait(rest_s):
                break
        self._note(sound)
        return done

    def _verify(self, number: int, pace: Pace, sound: list[int]) -> float:
        """Verify one object; give the seconds to rest after it."""
        began = time.monotonic()
        try:
            revision = self._home.index.revisions.get(number)
            fault = self._examiner.examine(revision).fault
        except Unknown:
            return 0.0  # Purged meanwhile.
        if fault is None:
            sound.append(number)
        else:
            self._require_store()
            alarm(self._home, number, Kind(fault.kind), SCRUB)
        size = (revision.size or 0) * (1 + self._verify_copy(revision))
        return pace.rest_s(size, time.monotonic() - began)

    def _verify_copy(self, revision: RevisionFacts) -> bool:
        object_id = revision.servable.object_id
        return self._copies is not None and object_id is not None and self._copies.verify(object_id)

    def _note(self, sound: list[int]) -> float:
        if sound:
            self._home.index.verifications.sound(sound)
            sound.clear()
        if self._copies is not None:
            self._copies.note()
        return time.monotonic()

    def _pace(self) -> Pace:
        summary = self._home.index.verifications.summary()
        oldest = utc_now() if summary.oldest is None else summary.oldest
        is_late = utc_now() - oldest > self._settings.days * _DAY_S * 1_000_000
        copies = 1 if self._copies is None else 2
        return Pace(self._settings, copies * summary.bytes, is_late)

    def _require_store(self) -> None:
        """Tell a store that is not there, as when its disk is not mounted, from lost objects."""
        if not (self._home.settings.store.path / "drafts").is_dir():
            raise StoreFault("the object store is not there")


def _authenticated(reader: ObjectReader) -> Iterator[bytes | memoryview]:
    """Open every part; give the dataset as far as the index needs it."""
    if not reader.frames:
        yield from reader.pieces()
        return
    yield reader.header.head
    for _ in reader.streams():
        continue
