"""Jobs over the whole archive that change how it is sealed, and never what.

For the command: :func:`reencrypt`, :func:`count_keys`, :func:`retire`.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Final

import structlog

from service.encode import Codec, reseal
from service.errors import DataFault, KeyNeeded, Missing, Unknown
from service.home import Home
from service.index import RevisionFacts
from service.keys import ArchiveKey
from service.sealing.clear import read_clear
from service.sealing.journal import JournalReader, entry_ids, entry_path
from service.sealing.note import note_ids, note_key, read_note, write_note
from service.sealing.reader import ObjectReader
from service.store import ObjectStore
from service.store.notes import LocalNotes, NoteStore

_UNREADABLE: Final = b""
"""Stands for the key of a file that does not say under which key it is."""

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class NotResealed:
    """An object or note that could not be sealed again; it stays as it is."""

    sop_instance_uid: str
    object: str
    """Object id in hexadecimal, or ``notes/`` and the note id."""
    kind: str
    detail: str


@dataclass(slots=True)
class Reencrypted:
    """What a re-encryption did."""

    resealed: int = 0
    bytes: int = 0
    """Of the new objects."""
    notes: int = 0
    """Decisions (:mod:`service.upkeep.decisions`) sealed again."""
    removed: int = 0
    """Old objects, left by an earlier run that was interrupted, that went now."""
    faults: list[NotResealed] = field(default_factory=list)


Progress = Callable[[int, int], None]
"""Told the objects done, and how many there were to do."""


def reencrypt(
    home: Home, codec: Codec, pause_s: float = 0.0, progress: Progress = lambda _, __: None
) -> Reencrypted:
    """Seal every object again that is under another key than the active one.

    Resumable at any point: what is done is what rows say. Each new object is decoded and compared
    before its row changes, and the old one goes after that.

    Args:
        home: the archive; a service may run.
        codec: the models.
        pause_s: seconds of rest after each object, to leave disk and processor to others.
        progress: told each object done.

    Raises:
        IoFault: the store or the index failed; run it again.
    """
    done = Reencrypted(removed=_remove_replaced(home))
    active = home.keys.keyring.active.key_id
    total = sum(n for key, n in home.index.revisions.count_by_key().items() if key != active)
    for number, revision in enumerate(_under_other_keys(home, active), start=1):
        try:
            done.bytes += _reseal(home, codec, revision)
            done.resealed += 1
        except DataFault as fault:
            done.faults.append(_fault(revision, fault))
        progress(number, total)
        time.sleep(pause_s)
    for note_id in list(note_ids(home.notes)):
        try:
            done.notes += _reseal_note(home, active, note_id)
        except DataFault as fault:
            name = f"notes/{note_id.hex()}"
            done.faults.append(NotResealed("", name, type(fault).__name__, str(fault)))
    return done


def _reseal_note(home: Home, active: bytes, note_id: bytes) -> bool:
    """Seal a note again; one that a crash leaves twice is replayed once, by its sequence."""
    if note_key(LocalNotes(home.notes).read(note_id)) == active:
        return False
    write_note(home.notes, home.keys, read_note(home.notes, home.keys, note_id))
    home.remove_note(note_id)
    return True


def _under_other_keys(home: Home, active: bytes) -> Iterator[RevisionFacts]:
    for key_id in home.index.revisions.count_by_key():
        if key_id != active:
            yield from home.index.revisions.all(key_id=key_id)


def _reseal(home: Home, codec: Codec, revision: RevisionFacts) -> int:
    servable = revision.servable
    old_id = servable.object_id
    if old_id is None:
        raise Missing(f"revision {servable.revision_id} has no object")
    commit = partial(home.index.revisions.replace_object, servable.revision_id, old_id)
    with home.store.open(old_id) as file:
        old = ObjectReader(file, home.keys, old_id, codec.predictors)
        facts = reseal(home, codec, old, commit)
    home.remove_object(old_id)
    return facts.size


def _fault(revision: RevisionFacts, fault: DataFault) -> NotResealed:
    servable = revision.servable
    name = "" if servable.object_id is None else servable.object_id.hex()
    return NotResealed(servable.sop_instance_uid, name, type(fault).__name__, str(fault))


def _remove_replaced(home: Home) -> int:
    """Remove objects whose replacement got its row, but which a crash left in the store."""
    removed = 0
    for entry in home.index.trail.entries():
        if entry.event == "resealed":
            old_id, new_id = (
                bytes.fromhex(str(entry.details[name])) for name in ("before", "object")
            )
            if home.store.exists(old_id) and _is_in_place(home, new_id):
                home.remove_object(old_id)
                removed += 1
    return removed


def _is_in_place(home: Home, object_id: bytes) -> bool:
    """Whether a row names an object that is there: an older one may have been restored for it."""
    try:
        home.index.revisions.by_object(object_id)
    except Unknown:
        return False
    return home.store.exists(object_id)


@dataclass(frozen=True, slots=True)
class KeyUse:
    """What is sealed under one key."""

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


def count_keys(home: Home) -> list[KeyUse]:
    """Count, for each key of the keyring, what is sealed under it: every file is looked at.

    Raises:
        IoFault: the store, the journal or the replica cannot be read.
    """
    objects, entries, notes, replica = (Counter(keys) for keys in _all_keys(home).values())
    return [
        KeyUse(
            key.key_id,
            key.state.value,
            key.created_at,
            objects[key.key_id],
            entries[key.key_id],
            notes[key.key_id],
            replica[key.key_id],
        )
        for key in home.keys.keyring.keys
    ]


def retire(home: Home, name: str) -> ArchiveKey:
    """Destroy a key that nothing needs any more.

    Receptions and sealings under way that began under it wait until this is done, and are refused
    then; their senders keep the instance. Backups of objects may still need the key: that is the
    caller's to warn of.

    Raises:
        KeyNeeded: it is active, or something in the store, the journal or the replica is sealed
            under it.
        Unknown: no key, or several, begin with ``name``.
        IoFault: the replica, or another of them, cannot be read.
    """
    key = home.keys.keyring.find(name)
    with home.retiring():
        for what, keys in _all_keys(home).items():
            _require_unused(key.key_id, what, Counter(keys))
        home.keys.retire(key.key_id)
    home.index.trail.append("key retired", {"key": key.key_id.hex()})
    return key


def _require_unused(key_id: bytes, what: str, keys: Counter[bytes]) -> None:
    if keys[key_id]:
        raise KeyNeeded(
            f"key {key_id.hex()}: {keys[key_id]} {what} are sealed under it; "
            "run radiolith keys rotate --reencrypt first"
        )
    if keys[_UNREADABLE]:
        raise KeyNeeded(
            f"{keys[_UNREADABLE]} {what} cannot be read, and may need the key; "
            "run radiolith audit first"
        )


def _all_keys(home: Home) -> dict[str, Iterator[bytes]]:
    """Give the key of every file, by what the file is."""
    return {
        "objects": _object_keys(home.store, home.store.ids()),
        "journal entries": _entry_keys(home),
        "notes": _note_keys(LocalNotes(home.notes), note_ids(home.notes)),
        "files of the replica": _replica_keys(home),
    }


def _replica_keys(home: Home) -> Iterator[bytes]:
    """Give the keys of what the replica alone has: of the rest, the store has the same bytes."""
    if home.replica is not None:
        objects, notes = home.replica.objects, home.replica.notes
        own = set(home.store.ids())
        yield from _object_keys(objects, (one for one in objects.ids() if one not in own))
        own = set(note_ids(home.notes))
        yield from _note_keys(notes, (one for one in notes.ids() if one not in own))


def _note_keys(store: NoteStore, ids: Iterable[bytes]) -> Iterator[bytes]:
    for note_id in ids:
        try:
            yield note_key(store.read(note_id))
        except Missing:
            continue  # Sealed again since it was listed.
        except DataFault as fault:
            _log.error("note unreadable", entry=note_id.hex(), exc_info=fault)
            yield _UNREADABLE


def _object_keys(store: ObjectStore, ids: Iterable[bytes]) -> Iterator[bytes]:
    for object_id in ids:
        try:
            with store.open(object_id) as file:
                yield read_clear(file).key_id
        except Missing:
            continue  # Replaced since it was listed.
        except DataFault as fault:
            _log.error("object unreadable", object=object_id.hex(), exc_info=fault)
            yield _UNREADABLE


def _entry_keys(home: Home) -> Iterator[bytes]:
    for entry_id in entry_ids(home.journal):
        try:
            with JournalReader(entry_path(home.journal, entry_id), home.keys) as entry:
                yield entry.key_id
        except Missing:
            continue  # Archived since it was listed.
        except DataFault as fault:
            _log.error("journal entry unreadable", entry=entry_id.hex(), exc_info=fault)
            yield _UNREADABLE
