"""Repair: what one of the two stores has lost or damaged comes back from the other.

Nothing else is a source, and nothing is replaced by what was not opened, decoded and compared with
the SHA-256 of what was received. The new copy takes the damaged one's place at once
(:meth:`service.store.Draft.publish`), which stays until then. A service may run.

For the command: :func:`repair`.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

import structlog

from codec import Predictor
from service.errors import DataFault, Fault, Missing, StoreFault
from service.home import Home
from service.index import RevisionFacts
from service.index.replication import Kind
from service.sealing.note import note_ids
from service.store import ObjectStore
from service.store.notes import LocalNotes, NoteStore
from service.upkeep.anchor import ANCHOR, drop_anchor, read_anchor
from service.upkeep.replication import catch_up
from service.upkeep.sound import note_fault, object_fault, verify

_COPY_BYTES: Final = 1 << 20
_ALL: Final = 1 << 31

_log = structlog.get_logger()

Found = Fault | OSError
"""What is wrong with a copy."""


@dataclass(frozen=True, slots=True)
class NotRepaired:
    """An object or note of which no sound copy is left, or none that could be put in place."""

    sop_instance_uid: str
    """Empty for a note."""
    object: str
    """Object id in hexadecimal, or ``notes/`` and the note id."""
    kind: str
    detail: str


@dataclass(slots=True)
class Repaired:
    """What a repair did."""

    checked: int = 0
    """Objects of which both copies were opened."""
    restored: int = 0
    """Objects of the store that came back from the replica."""
    mirrored: int = 0
    """Objects of the replica that came back from the store."""
    notes: int = 0
    """Notes, either way."""
    strays: list[str] = field(default_factory=list)
    """Objects of the replica that no row names: left there by a crash, or newer than the index.
    ``rebuild-index`` brings those back that the store lacks."""
    faults: list[NotRepaired] = field(default_factory=list)


Progress = Callable[[int, int], None]
"""Told the objects looked at, and how many there are."""


def repair(
    home: Home,
    predictors: Mapping[bytes, Predictor],
    progress: Progress = lambda _, __: None,
) -> Repaired:
    """Repair store and replica from each other.

    Args:
        home: the archive.
        predictors: ``models.registry.all_models()``.
        progress: told each object done.

    Raises:
        Conflict: the settings name no replica.
        IoFault: the replica, the store as a whole or the index cannot be used.
    """
    catch_up(home)
    return _Repair(home, predictors).run(progress)


class _Repair:
    def __init__(self, home: Home, predictors: Mapping[bytes, Predictor]) -> None:
        self._home = home
        self._predictors = predictors
        self._replica = home.require_replica()
        self._repaired = Repaired()

    def run(self, progress: Progress) -> Repaired:
        self._notes()
        total = self._home.index.statistics().objects
        for revision in self._home.index.revisions.all():
            if revision.servable.object_id is not None:
                self._object(revision, revision.servable.object_id)
                progress(self._repaired.checked, total)
        self._repaired.strays = self._strays()
        self._anchor()
        return self._repaired

    def _anchor(self) -> None:
        """Anchor the trail again, where the anchor was lost with the store."""
        home, store = self._home, self._home.settings.store.path
        try:
            read_anchor(home.keys, store)
        except Missing as fault:
            drop_anchor(home.index.trail, home.keys, store)
            self._tell(ANCHOR, fault, "store")
        except DataFault:
            return  # One that is there and wrong is for the audit to tell: it may be evidence.

    def _object(self, revision: RevisionFacts, object_id: bytes) -> None:
        keys, objects = self._home.keys, self._replica.objects
        own = object_fault(self._home.store, keys, object_id)
        other = object_fault(objects, keys, object_id)
        self._repaired.checked += 1
        if (own or other) and self._has_moved(revision):
            return
        if own is None and other is None:
            self._replica.queue.repaired(object_id)
        elif own is not None and other is None:
            self._repaired.restored += self._put(revision, own, objects, self._home.store)
        elif own is None and other is not None:
            self._repaired.mirrored += self._put(revision, other, self._home.store, objects)
        elif own is not None:
            self._fault(revision, own)

    def _has_moved(self, revision: RevisionFacts) -> bool:
        now = self._home.index.revisions.get(revision.servable.revision_id)
        return now.servable != revision.servable

    def _put(
        self, revision: RevisionFacts, fault: Found, source: ObjectStore, target: ObjectStore
    ) -> bool:
        """Put a verified copy in the place of a faulty one; give whether it is there."""
        object_id = revision.servable.object_id or b""
        try:
            with source.open(object_id) as file, target.draft(object_id) as draft:
                shutil.copyfileobj(file, draft.file, _COPY_BYTES)
                verify(draft.file, self._home.keys, self._predictors, revision)
                draft.publish(replace=True)
        except (Fault, OSError) as failed:
            self._fault(revision, failed)
            return False
        self._replica.queue.done([object_id])
        self._replica.queue.repaired(object_id)
        self._tell(object_id.hex(), fault, "store" if target is self._home.store else "replica")
        return True

    def _notes(self) -> None:
        own, other = LocalNotes(self._home.notes), self._replica.notes
        leaving = {
            one.file_id for one in self._replica.queue.removals(_ALL) if one.kind is Kind.NOTE
        }
        for note_id in ({*note_ids(self._home.notes), *other.ids()}) - leaving:
            self._note(note_id, own, other)

    def _note(self, note_id: bytes, own: NoteStore, other: NoteStore) -> None:
        name, keys = f"notes/{note_id.hex()}", self._home.keys
        faults = note_fault(own, keys, note_id), note_fault(other, keys, note_id)
        match faults:
            case None, None:
                return
            case DataFault() as fault, None:
                own.write(note_id, other.read(note_id))
                self._tell(name, fault, "store")
            case None, DataFault() as fault:
                other.write(note_id, own.read(note_id))
                self._tell(name, fault, "replica")
            case DataFault() as fault, _:
                self._repaired.faults.append(NotRepaired("", name, _kind(fault), str(fault)))
                return
        self._repaired.notes += 1

    def _strays(self) -> list[str]:
        named = set(self._home.index.revisions.object_ids())
        strays = [one for one in self._replica.objects.ids() if one not in named]
        again = set(self._home.index.revisions.object_ids()) if strays else named
        return [one.hex() for one in strays if one not in again]

    def _tell(self, name: str, fault: Found, where: str) -> None:
        _log.info("repaired", object=name, kind=_kind(fault), source=where)
        self._home.index.trail.append(
            "repaired", {"object": name, "kind": _kind(fault), "where": where}
        )

    def _fault(self, revision: RevisionFacts, fault: Found) -> None:
        servable = revision.servable
        name = servable.object_id.hex() if servable.object_id else ""
        self._repaired.faults.append(
            NotRepaired(servable.sop_instance_uid, name, _kind(fault), str(fault))
        )


def _kind(fault: Found) -> str:
    return type(fault).__name__ if isinstance(fault, Fault) else StoreFault.__name__
