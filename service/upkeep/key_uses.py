"""What is sealed under which archive key: counted, and named where it stops a key's retirement.

For the command: :func:`count_keys` and :func:`retire`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Final

import structlog

from service.errors import DataFault, KeyNeeded, Missing, Unknown
from service.home import Home
from service.keys import ArchiveKey, KeyringBackups
from service.keys.limits import advice, count_sealings
from service.sealing.clear import read_clear
from service.sealing.journal import JournalReader, entry_ids, entry_path
from service.sealing.note import note_ids, note_key
from service.store import ObjectStore
from service.store.notes import LocalNotes, NoteStore
from service.upkeep.anchor import drop_anchor

_UNREADABLE: Final = b""
"""Stands for the key of a file that does not say under which key it is: it may need any."""

_log = structlog.get_logger()


class Sealed(Enum):
    """What may be sealed under a key."""

    OBJECT = "object"
    ENTRY = "journal entry"
    NOTE = "note"
    REPLICA = "file of the replica"
    """One that the replica alone has: of the rest, the store has the same bytes."""
    ROW = "object that is not there"
    """Named by a row and missing: a backup that brings it back needs its key."""


@dataclass(frozen=True, slots=True)
class Use:
    """One thing that is sealed."""

    what: Sealed
    id: bytes
    """Of the object, entry or note."""
    key_id: bytes
    """The key it is under; empty where that cannot be read."""


@dataclass(frozen=True, slots=True)
class Holder:
    """Something that needs a key, told so that it can be found."""

    what: str
    id: str
    sop_instance_uid: str
    """Empty where no row names it."""
    revision: int
    """Number of the revision that it holds; 0 where no row names it."""
    readable: bool
    """Whether it says that it needs the key; what does not may need any."""

    @property
    def is_orphan(self) -> bool:
        """Whether it is an object that no row names, as a killed re-encryption leaves one."""
        return self.what == Sealed.OBJECT.value and not self.sop_instance_uid


class StillNeeded(KeyNeeded):
    """A key cannot be retired, and what for."""

    def __init__(self, key_id: bytes, holders: list[Holder]) -> None:
        readable = [one for one in holders if one.readable]
        told = [
            f"{count} × {what} under it"
            for what, count in Counter(one.what for one in readable).items()
        ]
        if unreadable := len(holders) - len(readable):
            told.append(f"{unreadable} that cannot be read and may need it (run radiolith audit)")
        orphaned = sum(one.is_orphan for one in readable)
        if len(readable) > orphaned:
            told.append("run radiolith keys rotate --reencrypt first")
        if orphaned:
            told.append(f"{orphaned} without a row: run radiolith orphans --settle")
        super().__init__(f"key {key_id.hex()}: {'; '.join(told)}")
        self.holders = holders


@dataclass(frozen=True, slots=True)
class KeyUse:
    """What is sealed under one key, and what was."""

    key_id: bytes
    state: str
    created_at: int
    objects: int
    """Counted in the store itself: also those that no row names."""
    entries: int
    """Journal entries."""
    notes: int
    """Notes of decisions."""
    replica: int
    """Objects and notes that only the replica has: some of them are still to leave it."""
    sealings: int
    """How often something was sealed under it, as far as the trail tells."""
    advice: str
    """Why it should be rotated out; empty where nothing speaks for it."""


@dataclass(frozen=True, slots=True)
class Retired:
    """A key that was destroyed."""

    key: ArchiveKey
    backups: list[Path]
    """Versions of the keyring's backup that still hold it, or may."""


def count_keys(home: Home) -> list[KeyUse]:
    """Count, for each key of the keyring, what is sealed under it: every file is looked at.

    Raises:
        IoFault: the store, the journal or the replica cannot be read.
    """
    counts = Counter((use.what, use.key_id) for use in _files(home))
    keys = home.keys.keyring.keys
    sealings = count_sealings(home.index.trail.entries(), keys[0].key_id)
    return [
        KeyUse(
            key.key_id,
            key.state.value,
            key.created_at,
            counts[Sealed.OBJECT, key.key_id],
            counts[Sealed.ENTRY, key.key_id],
            counts[Sealed.NOTE, key.key_id],
            counts[Sealed.REPLICA, key.key_id],
            sealings[key.key_id],
            advice(key, sealings[key.key_id]),
        )
        for key in keys
    ]


def retire(home: Home, name: str, backups: KeyringBackups | None = None) -> Retired:
    """Destroy a key that nothing needs any more.

    All files are looked at first. What comes under the key meanwhile was begun before it was
    rotated out: that is held off then, rows, journal and notes are looked at again, and the key is
    destroyed. Receptions and sealings that were held off are refused after that; their senders keep
    the instance. Backups of objects may still need the key: that is the caller's to warn of.

    Raises:
        StillNeeded: something is sealed under it.
        KeyNeeded: it is active.
        Unknown: no key, or several, begin with ``name``.
        IoFault: the replica, or another of them, cannot be read.
    """
    key = home.keys.keyring.find(name)
    _require_unused(home, key.key_id, _files(home))
    with home.retiring():
        _require_unused(home, key.key_id, _journal_and_notes(home))
        _require_unused(home, key.key_id, _rows(home, key.key_id))
        # The anchor is no file that could hold a key up: it is written anew at any time.
        drop_anchor(home.index.trail, home.keys, home.settings.store.path)
        home.keys.retire(key.key_id, backups)
    home.index.trail.append("key retired", {"key": key.key_id.hex()})
    return Retired(key, [] if backups is None else home.keys.holding(key.key_id, backups))


def _require_unused(home: Home, key_id: bytes, uses: Iterable[Use]) -> None:
    needed = [use for use in uses if use.key_id in (key_id, _UNREADABLE)]
    if needed:
        raise StillNeeded(key_id, [_holder(home, use) for use in needed])


def _holder(home: Home, use: Use) -> Holder:
    """Tell a use by its row, where it has one."""
    revisions = home.index.revisions
    find = revisions.by_entry if use.what is Sealed.ENTRY else revisions.by_object
    uid, number = "", 0
    try:
        facts = find(use.id)
        uid, number = facts.servable.sop_instance_uid, facts.number
    except Unknown:
        pass  # An orphan, or a note.
    return Holder(use.what.value, use.id.hex(), uid, number, use.key_id != _UNREADABLE)


def _files(home: Home) -> Iterator[Use]:
    yield from _objects(Sealed.OBJECT, home.store, home.store.ids())
    yield from _journal_and_notes(home)
    if home.replica is not None:
        own = set(home.store.ids())
        objects = home.replica.objects
        yield from _objects(
            Sealed.REPLICA, objects, (one for one in objects.ids() if one not in own)
        )
        own, notes = set(note_ids(home.notes)), home.replica.notes
        yield from _notes(Sealed.REPLICA, notes, (one for one in notes.ids() if one not in own))


def _journal_and_notes(home: Home) -> Iterator[Use]:
    yield from _entries(home)
    yield from _notes(Sealed.NOTE, LocalNotes(home.notes), note_ids(home.notes))


def _rows(home: Home, key_id: bytes) -> Iterator[Use]:
    """Name the objects that rows say are under a key: those not looked at yet, and missing ones."""
    for revision in home.index.revisions.all(key_id=key_id):
        object_id = revision.servable.object_id
        if object_id is not None:
            what = Sealed.OBJECT if home.store.exists(object_id) else Sealed.ROW
            yield Use(what, object_id, key_id)


def _objects(what: Sealed, store: ObjectStore, ids: Iterable[bytes]) -> Iterator[Use]:
    for object_id in ids:
        try:
            with store.open(object_id) as file:
                yield Use(what, object_id, read_clear(file).key_id)
        except Missing:
            continue  # Replaced since it was listed.
        except DataFault as fault:
            _log.error("object unreadable", object=object_id.hex(), exc_info=fault)
            yield Use(what, object_id, _UNREADABLE)


def _notes(what: Sealed, store: NoteStore, ids: Iterable[bytes]) -> Iterator[Use]:
    for note_id in ids:
        try:
            yield Use(what, note_id, note_key(store.read(note_id)))
        except Missing:
            continue  # Sealed again since it was listed.
        except DataFault as fault:
            _log.error("note unreadable", entry=note_id.hex(), exc_info=fault)
            yield Use(what, note_id, _UNREADABLE)


def _entries(home: Home) -> Iterator[Use]:
    for entry_id in entry_ids(home.journal):
        try:
            with JournalReader(entry_path(home.journal, entry_id), home.keys) as entry:
                yield Use(Sealed.ENTRY, entry_id, entry.key_id)
        except Missing:
            continue  # Archived since it was listed.
        except DataFault as fault:
            _log.error("journal entry unreadable", entry=entry_id.hex(), exc_info=fault)
            yield Use(Sealed.ENTRY, entry_id, _UNREADABLE)
