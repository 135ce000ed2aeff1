"""Catching up: the replica gets what waits for it, and loses what left the store.

What the index says is the queue, so this may be stopped at any moment, and run by several
processes: putting an object twice puts the same bytes twice. An object is authenticated, part by
part, before it is copied: damage must not spread.

For the command: :func:`catch_up`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final

import structlog

from service.errors import DataFault, Fault, Missing
from service.home import Home
from service.index.replication import Kind, Waiting
from service.sealing.note import note_ids, open_note
from service.store.notes import LocalNotes
from service.store.replica import Replica
from service.upkeep.sound import authenticate

_PAGE: Final = 50
"""Objects after which the index is told: a transaction costs 3 ms, as much as a small copy."""

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class NotReplicated:
    """An object or note that cannot be copied, as the store's own is damaged or missing."""

    object: str
    """Object id in hexadecimal, or ``notes/`` and the note id."""
    kind: str
    detail: str


@dataclass(slots=True)
class Replicated:
    """What one pass did."""

    copied: int = 0
    bytes: int = 0
    present: int = 0
    """Objects that the replica had already."""
    notes: int = 0
    removed: int = 0
    faults: list[NotReplicated] = field(default_factory=list)


Progress = Callable[[int, int], None]
"""Told the objects done, and how many waited at the start."""


def catch_up(home: Home, progress: Progress = lambda _, __: None) -> Replicated:
    """Bring the replica up to date once.

    Raises:
        Conflict: the settings name no replica.
        IoFault: the replica or the index failed; what was done is done.
    """
    return Replicator(home).work(progress)


class Replicator:
    """Catches up again and again."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._replica: Replica = home.require_replica()
        self._settings = home.settings.replica
        self._postponed: dict[bytes, float] = {}
        """Objects that cannot be copied for now, and until when, on the monotonic clock."""
        self._known_notes: set[bytes] | None = None

    def work(
        self,
        progress: Progress = lambda _, __: None,
        stopping: Callable[[], bool] = lambda: False,
    ) -> Replicated:
        """Do all that waits, but what was postponed.

        Raises:
            IoFault: the replica or the index failed.
        """
        done = Replicated()
        self._remove(done)
        self._copy_notes(done)
        total = self._replica.queue.lag().waiting
        for page in self._pages():
            self._copy_page(page, done)
            progress(done.copied + done.present, total)
            if stopping():
                break
        return done

    def _remove(self, done: Replicated) -> None:
        while removals := self._replica.queue.removals(_PAGE):
            for removal in removals:
                self._replica.remove(removal.kind, removal.file_id)
                if removal.kind is Kind.NOTE and self._known_notes is not None:
                    self._known_notes.discard(removal.file_id)
                done.removed += 1

    def _copy_notes(self, done: Replicated) -> None:
        if self._known_notes is None:
            self._known_notes = set(self._replica.notes.ids())
        own = LocalNotes(self._home.notes)
        for note_id in set(note_ids(self._home.notes)) - self._known_notes:
            try:
                sealed = own.read(note_id)
                open_note(sealed, self._home.keys, note_id)
            except Missing:
                continue  # Sealed again, or taken back, since it was listed.
            except DataFault as fault:
                self._fault(f"notes/{note_id.hex()}", fault, done)
                continue
            self._replica.notes.write(note_id, sealed)
            self._known_notes.add(note_id)
            done.notes += 1

    def _pages(self) -> Iterator[list[Waiting]]:
        after = 0
        while page := self._replica.queue.waiting(after, _PAGE):
            after = page[-1].row
            now = time.monotonic()
            yield [one for one in page if self._postponed.get(one.object_id, 0) <= now]

    def _copy_page(self, page: list[Waiting], done: Replicated) -> None:
        held = {one.object_id for one in page if self._copy(one, done)}
        gone = held - self._replica.queue.done(held)
        for object_id in gone:
            # Its row named another object before this one was copied: it must not stay.
            self._replica.ask_removal(Kind.OBJECT, object_id)

    def _copy(self, waiting: Waiting, done: Replicated) -> bool:
        """Copy one object; give whether the replica holds it."""
        if self._holds(waiting):
            done.present += 1
            return True
        try:
            authenticate(self._home.store, self._home.keys, waiting.object_id)
        except (Fault, OSError) as fault:
            self._postponed[waiting.object_id] = time.monotonic() + self._settings.retry_s
            self._fault(waiting.object_id.hex(), fault, done)
            return False
        self._replica.put(waiting.object_id, self._home.store)
        done.copied += 1
        done.bytes += waiting.size
        return True

    def _holds(self, waiting: Waiting) -> bool:
        try:
            return self._replica.objects.size(waiting.object_id) == waiting.size
        except Missing:
            return False

    def _fault(self, name: str, fault: Exception, done: Replicated) -> None:
        _log.error("not replicated", object=name, exc_info=fault)
        done.faults.append(NotReplicated(name, type(fault).__name__, str(fault)))
