"""Jobs over the whole archive that change how it is sealed, and never what.

For the command: :func:`reencrypt`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial

import structlog

from service.encode import Codec, reseal
from service.errors import DataFault, Missing, Unknown
from service.home import Home
from service.index import RevisionFacts
from service.sealing.note import note_ids, note_key, read_note, write_note
from service.sealing.reader import ObjectReader
from service.store.notes import LocalNotes

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
