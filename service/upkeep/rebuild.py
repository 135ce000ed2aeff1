"""Make the index anew: patients to revisions, states and hashes, from sealed values alone.

Objects, journal entries and what administrators decided are taken in the order of their receive
sequence, so that a rebuild comes out as the index was, whatever order files are found in: whether a
revision is quarantined depends on what was decided before it came. Nothing clear is read. Of an old
index that can still be read, nodes, commitments and trail are taken over, and the UIDs that
commands gave duplicates, of which nothing sealed tells; it is kept beside the new one.

For the command: :func:`rebuild_index`.
"""

from __future__ import annotations

import math
import os
from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import make_url

from config.settings import Settings, load
from dicom.attributes import read_attributes
from service.errors import Conflict, DataFault, IoFault
from service.failpoints import failpoint
from service.files import make_folder, sync_folder
from service.head import Head
from service.home import (
    KEYRING,
    Overrides,
    index_url,
    notes_folder,
    root_secret,
    serving,
)
from service.index import Index, Policy, sqlite_url
from service.index.snapshot import carry_over, fold
from service.keys import KeyStore
from service.receive import add
from service.records import ObjectFacts, Received
from service.sealing.journal import JournalReader, entry_ids, entry_path
from service.sealing.reader import ObjectReader
from service.sequence import utc_now
from service.store import LocalStore, ObjectStore
from service.store.replica import Replica
from service.upkeep.anchor import drop_anchor
from service.upkeep.decisions import Decision, purged_entries, purged_numbers, read_decisions
from service.upkeep.refill import Refill, Refilled


@dataclass(frozen=True, slots=True)
class NotIndexed:
    """An object or journal entry that the new index does not name."""

    name: str
    """Object id in hexadecimal, or ``journal/`` and the entry id."""
    kind: str
    detail: str


@dataclass(slots=True)
class Rebuilt:
    """What the new index holds."""

    objects: int = 0
    entries: int = 0
    quarantined: int = 0
    purged: int = 0
    """Objects and journal entries of purged instances that were still there; they go at the next
    start, or by ``radiolith purge``."""
    renumbered: int = 0
    """Revisions whose number is not the sealed one: another of the instance has that."""
    refilled: Refilled = field(default_factory=Refilled)
    """What the store had lost, and got back from the replica before."""
    faults: list[NotIndexed] = field(default_factory=list)
    carried: bool = False
    """Whether nodes, commitments and trail of the old index could be kept."""
    kept: Path | None = None
    """Where the old index is now."""


Progress = Callable[[int, int], None]
"""Told the files indexed, and how many there are."""


@dataclass(frozen=True, slots=True, order=True)
class _Place:
    """Where a reception is sealed. Ordered as receptions came, the latest sealing of one last."""

    sequence: int
    entry_id: bytes
    sealed_at: int
    """0 for a journal entry."""
    object_id: bytes


def rebuild_index(
    path: Path, overrides: Overrides | None = None, progress: Progress = lambda _, __: None
) -> Rebuilt:
    """Rebuild the index of the archive in a folder; only while nothing serves it.

    Raises:
        Busy: a service runs.
        Conflict: the index is not in a SQLite file.
        Fault: keyring, store or journal cannot be read, or the new index not written.
    """
    settings = load(path, overrides)
    target = _file_of(settings)
    with serving(settings):
        draft = target.with_name(target.name + ".rebuilding")
        _remove(draft)
        index = Index.open(sqlite_url(draft), Policy.of(settings), create=True)
        try:
            rebuilt = _Rebuild(settings, index).run(progress)
        finally:
            index.close()
        rebuilt.carried = target.exists() and carry_over(target, draft)
        _note_rebuild(draft, settings, rebuilt)
        failpoint("index.rebuilt")
        rebuilt.kept = _swap(draft, target)
        _anchor(target, settings)
    return rebuilt


def _note_rebuild(draft: Path, settings: Settings, rebuilt: Rebuilt) -> None:
    index = Index.open(sqlite_url(draft), Policy.of(settings))
    index.deletions.tell_purges()
    counts = {"objects": rebuilt.objects, "entries": rebuilt.entries}
    index.trail.append("index rebuilt", counts | {"serve": settings.duplicates.serve})
    index.close()


def _anchor(target: Path, settings: Settings) -> None:
    """Say that the trail is in order as it is now, be it one that begins anew."""
    index = Index.open(sqlite_url(target), Policy.of(settings))
    keys = KeyStore(settings.home / KEYRING, root_secret(settings))
    drop_anchor(index.trail, keys, settings.store.path)
    index.close()


class _Rebuild:
    def __init__(self, settings: Settings, index: Index) -> None:
        self._settings = settings
        self._index = index
        self._keys = KeyStore(settings.home / KEYRING, root_secret(settings))
        self._store: ObjectStore = LocalStore(settings.store.path)
        self._journal = settings.receive.journal_path
        self._notes = notes_folder(settings)
        self._rebuilt = Rebuilt()
        self._gone: Mapping[str, Collection[int]] = {}

    def run(self, progress: Progress) -> Rebuilt:
        make_folder(self._journal)
        self._refill()
        read = read_decisions(self._keys, self._notes, self._miss)
        purged, self._gone = purged_entries(read), purged_numbers(read)
        found = sorted([*self._objects(), *self._entries()])
        left = [place for place in found if place.entry_id in purged]
        places = self._latest([place for place in found if place.entry_id not in purged])
        decisions = deque(one for one in read if not one.concerns(purged))
        for number, place in enumerate(places, start=1):
            self._decide(decisions, place.sequence)
            self._index_one(place)
            progress(number, len(places))
        self._decide(decisions, math.inf)
        self._let_go(left)
        return self._rebuilt

    def _let_go(self, left: Sequence[_Place]) -> None:
        """Name what a purge has left: the next start removes it, from the journal too."""
        deletions = self._index.deletions.purged_entries() if left else {}
        for place in left:
            deletion = deletions.get(place.entry_id)
            if deletion is None:
                detail = "purged, but not by a deletion that is known"
                name = place.object_id.hex() or f"journal/{place.entry_id.hex()}"
                self._rebuilt.faults.append(NotIndexed(name, "orphaned", detail))
            elif place.object_id:
                self._index.deletions.found(deletion, place.object_id)
        self._rebuilt.purged = len(left)

    def _refill(self) -> None:
        """Bring back what only the replica has: without it, the index would lack instances."""
        if self._settings.replica.is_set:
            queue = self._index.replication
            replica = Replica(self._settings.replica, self._settings.store.path, queue)
            refill = Refill(self._store, self._notes, self._keys, self._fault)
            self._rebuilt.refilled = refill.run(replica)

    def _decide(self, decisions: deque[Decision], before: float) -> None:
        """Repeat what was decided before a reception."""
        while decisions and decisions[0].sequence < before:
            decision = decisions.popleft()
            try:
                decision.repeat(self._index)
            except DataFault as fault:
                self._miss(decision.note_id, fault)

    def _miss(self, note_id: bytes, fault: DataFault) -> None:
        self._fault(f"note {note_id.hex()}", fault)

    def _objects(self) -> Iterator[_Place]:
        for object_id in self._store.ids():
            try:
                received, facts, _, _ = self._open_object(object_id)
                yield _Place(received.sequence, received.entry_id, facts.sealed_at, object_id)
            except DataFault as fault:
                self._fault(object_id.hex(), fault)

    def _entries(self) -> Iterator[_Place]:
        for entry_id in entry_ids(self._journal):
            try:
                with JournalReader(entry_path(self._journal, entry_id), self._keys) as entry:
                    yield _Place(entry.received.sequence, entry_id, 0, b"")
            except DataFault as fault:
                self._fault(f"journal/{entry_id.hex()}", fault)

    def _latest(self, places: list[_Place]) -> list[_Place]:
        """Take the latest sealing of each reception; a crash may have left an earlier one."""
        latest = {place.entry_id: place for place in places}
        for place in places:
            if latest[place.entry_id] is not place and place.object_id:
                other = latest[place.entry_id].object_id.hex()
                replaced = NotIndexed(place.object_id.hex(), "orphaned", f"replaced by {other}")
                self._rebuilt.faults.append(replaced)
        return list(latest.values())

    def _index_one(self, place: _Place) -> None:
        if not place.object_id:
            self._index_entry(place.entry_id)
            return
        received, facts, head, revision = self._open_object(place.object_id)
        attributes = read_attributes(head, received.transfer_syntax)
        others = range(1, revision)
        added = add(self._index, received, attributes, acknowledged=True, others=others)
        if added.duplicate:
            detail = f"the same bytes as revision {added.revision} of its instance"
            self._rebuilt.faults.append(NotIndexed(place.object_id.hex(), "orphaned", detail))
            return
        self._index.archived(added.revision_id, facts)
        self._rebuilt.objects += 1
        self._rebuilt.quarantined += added.quarantined is not None
        self._rebuilt.renumbered += added.revision != revision

    def _index_entry(self, entry_id: bytes) -> None:
        with JournalReader(entry_path(self._journal, entry_id), self._keys) as entry:
            received = entry.received
            head = Head(received.transfer_syntax)
            for chunk in entry.chunks():
                head.write(chunk)
        attributes = read_attributes(head.taken, received.transfer_syntax)
        others = self._gone.get(received.sop_instance_uid.strip(" \0"), ())
        added = add(self._index, received, attributes, acknowledged=True, others=others)
        self._rebuilt.entries += not added.duplicate
        self._rebuilt.quarantined += added.quarantined is not None and not added.duplicate

    def _open_object(self, object_id: bytes) -> tuple[Received, ObjectFacts, memoryview, int]:
        with self._store.open(object_id) as file:
            reader = ObjectReader(file, self._keys, object_id)
            return reader.received, reader.facts, _head(reader), reader.header.revision

    def _fault(self, name: str, fault: DataFault | IoFault) -> None:
        self._rebuilt.faults.append(NotIndexed(name, type(fault).__name__, str(fault)))


def _head(reader: ObjectReader) -> memoryview:
    """Take as much of the dataset as was indexed when it was received."""
    head = Head(reader.received.transfer_syntax)
    head.write(reader.header.head)
    if not reader.frames:
        for piece in reader.body():
            if not head.wants_more:
                break
            head.write(piece)
    return head.taken


def _file_of(settings: Settings) -> Path:
    url = make_url(index_url(settings))
    if url.get_backend_name() != "sqlite" or not url.database:
        raise Conflict("only an index in a SQLite file can be rebuilt in place")
    return Path(url.database)


def _swap(draft: Path, target: Path) -> Path | None:
    """Put the new index in its place, where a crash leaves one of the two; tell the old one's."""
    kept = _keep(target) if target.exists() else None
    draft.replace(target)
    failpoint("index.replaced")
    sync_folder(target.parent)
    return kept


def _keep(target: Path) -> Path:
    """Give an index a second name. No write-ahead log of its own may await the one that follows."""
    kept = target.with_name(f"{target.name}.before-{utc_now()}")
    fold(target)
    os.link(target, kept)
    failpoint("index.kept")
    for suffix in ("-wal", "-shm"):
        left = target.with_name(target.name + suffix)
        if left.exists():
            left.rename(kept.with_name(kept.name + suffix))
    return kept


def _remove(draft: Path) -> None:
    for suffix in ("", "-wal", "-shm"):
        draft.with_name(draft.name + suffix).unlink(missing_ok=True)
