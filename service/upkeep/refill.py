"""Before an index is rebuilt: bring back what only the replica still has.

What a purge destroyed stays away, and of several sealings of one reception only the latest comes:
the replica may be behind, and still hold what was to leave it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from service.errors import DataFault, IoFault
from service.keys import KeyStore
from service.sealing.note import note_ids, open_note
from service.sealing.reader import ObjectReader
from service.store import ObjectStore
from service.store.notes import LocalNotes
from service.store.replica import Replica, copy
from service.upkeep.decisions import purged_entries, read_decisions
from service.upkeep.sound import authenticate

Missed = Callable[[str, DataFault | IoFault], None]
"""Told the name of a file that cannot be brought back, or ``replica``, and why."""


@dataclass(slots=True)
class Refilled:
    """What came back from the replica."""

    objects: int = 0
    notes: int = 0


@dataclass(frozen=True, slots=True)
class _Sealing:
    sealed_at: int
    object_id: bytes
    entry_id: bytes


class Refill:
    """Fills a store and the folder of its notes from the replica."""

    def __init__(self, store: ObjectStore, notes: Path, keys: KeyStore, missed: Missed) -> None:
        self._store = store
        self._notes = notes
        self._keys = keys
        self._missed = missed
        self._done = Refilled()

    def run(self, replica: Replica) -> Refilled:
        """Bring back what is not here. That the replica is away is told, and no more."""
        try:
            self._bring_notes(replica)
            self._bring_objects(replica)
        except IoFault as fault:
            self._missed("replica", fault)
        return self._done

    def _bring_notes(self, replica: Replica) -> None:
        own = LocalNotes(self._notes)
        for note_id in set(replica.notes.ids()) - set(note_ids(self._notes)):
            sealed = replica.notes.read(note_id)
            try:
                open_note(sealed, self._keys, note_id)
            except DataFault as fault:
                self._missed(f"replica/notes/{note_id.hex()}", fault)
                continue
            own.write(note_id, sealed)
            self._done.notes += 1

    def _bring_objects(self, replica: Replica) -> None:
        own = set(self._store.ids())
        absent = [one for one in replica.objects.ids() if one not in own]
        for object_id in self._wanted(replica.objects, absent) if absent else ():
            try:
                authenticate(replica.objects, self._keys, object_id)
            except DataFault as fault:
                self._missed(f"replica/{object_id.hex()}", fault)
                continue
            copy(object_id, replica.objects, self._store)
            self._done.objects += 1

    def _wanted(self, store: ObjectStore, absent: list[bytes]) -> list[bytes]:
        """Name the latest sealings, of what was not purged."""
        decisions = read_decisions(self._keys, self._notes, lambda *_: None)
        purged = purged_entries(decisions)
        latest = {one.entry_id: one for one in self._sealings(self._store, self._store.ids())}
        wanted = {}
        for one in self._sealings(store, iter(absent)):
            before = latest.get(one.entry_id)
            if one.entry_id not in purged and (before is None or before.sealed_at < one.sealed_at):
                wanted[one.entry_id] = latest[one.entry_id] = one
        return [one.object_id for one in wanted.values()]

    def _sealings(self, store: ObjectStore, ids: Iterator[bytes]) -> Iterator[_Sealing]:
        for object_id in ids:
            try:
                with store.open(object_id) as file:
                    reader = ObjectReader(file, self._keys, object_id)
                    sealed_at, entry_id = reader.facts.sealed_at, reader.received.entry_id
            except DataFault as fault:
                if store is not self._store:  # Those of the store itself the rebuild names.
                    self._missed(f"replica/{object_id.hex()}", fault)
                continue
            yield _Sealing(sealed_at, object_id, entry_id)
