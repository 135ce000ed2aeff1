"""The audit: every row has its sound object or journal entry, and every object or entry its row.

It reads and decodes, compares, names what is wrong, and changes nothing. A service may run at the
same time: what it moved between two looks is looked at again before it counts as a fault.

For the command: :func:`audit`.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

import structlog
from pydicom.dataset import Dataset

from codec import Predictor
from dicom.attributes import read_attributes
from service import errors
from service.errors import DataFault, JournalFault, StoreFault, Unknown
from service.head import Head
from service.home import Home
from service.index import RevisionFacts
from service.index.tables import ARCHIVED
from service.records import Received
from service.sealing.journal import JournalReader, entry_ids, entry_path
from service.sealing.note import note_ids, read_note
from service.sealing.reader import ObjectReader
from service.sequence import utc_now
from service.upkeep.ledger import Ledger

_log = structlog.get_logger()

YOUNG_S: Final = 600
"""Seconds. An object without a row may be one that a worker has just published."""


class Kind(Enum):
    """The closed list of what can be wrong."""

    MISSING = "missing"
    """A row names an object or a journal entry that is not there, or that the disk withholds."""
    ORPHANED = "orphaned"
    """An object or journal entry that no row names."""
    TRUNCATED = "truncated"
    ALTERED = "altered"
    """Bytes are not those that were sealed; the detail says in which part, or which frame."""
    SWAPPED = "swapped"
    """A part stands where another belongs, or comes from another object."""
    WRONG_INSTANCE = "wrong-instance"
    """A sound object, but not the one that its name or its row says."""
    WRONG_KEY = "wrong-key"
    UNDECODABLE = "undecodable"
    STALE = "stale"
    """Object and row agree, but the trail knows of a later state: both were set back."""
    ROW_MISMATCH = "row-mismatch"
    """The row says otherwise than what is sealed in the object."""


_KINDS: Final[Mapping[type[DataFault], Kind]] = {
    errors.Missing: Kind.MISSING,
    errors.Truncated: Kind.TRUNCATED,
    errors.Altered: Kind.ALTERED,
    errors.Swapped: Kind.SWAPPED,
    errors.WrongInstance: Kind.WRONG_INSTANCE,
    errors.WrongKey: Kind.WRONG_KEY,
    errors.Undecodable: Kind.UNDECODABLE,
}


@dataclass(frozen=True, slots=True)
class Scope:
    """What is looked at."""

    sample: float = 1.0
    """Share of the revisions to read, between 0 and 1, drawn anew each time."""
    since: int = 0
    """Only what was received at or after this time (microseconds since 1970 UTC)."""

    @property
    def is_whole(self) -> bool:
        """Whether everything is looked at; only then can anything be called orphaned."""
        return self.sample >= 1 and not self.since


@dataclass(frozen=True, slots=True)
class AuditFault:
    """One thing that is wrong."""

    sop_instance_uid: str
    """Empty where it is not known."""
    object: str
    """Object id in hexadecimal, or ``journal/`` or ``notes/`` and the id of that."""
    kind: str
    """A value of :class:`Kind`."""
    detail: str


@dataclass(slots=True)
class Audited:
    """What the audit found."""

    checked: int = 0
    """Revisions read and decoded."""
    faults: list[AuditFault] = field(default_factory=list)


Progress = Callable[[int, int], None]
"""Told the revisions looked at, and how many there are in all."""


def audit(
    home: Home,
    predictors: Mapping[bytes, Predictor],
    scope: Scope | None = None,
    progress: Progress = lambda _, __: None,
) -> Audited:
    """Audit an archive.

    Args:
        home: the archive.
        predictors: ``models.registry.all_models()``.
        scope: what to look at; everything by default.
        progress: told each revision done.

    Raises:
        IoFault: the index, the keyring or the store as a whole cannot be read.
    """
    scope = scope or Scope()
    return _Audit(home, predictors, scope).run(progress)


class _Audit:
    def __init__(self, home: Home, predictors: Mapping[bytes, Predictor], scope: Scope) -> None:
        self._home = home
        self._predictors = predictors
        self._scope = scope
        self._audited = Audited()
        self._ledger = Ledger(home.index.trail)

    def run(self, progress: Progress) -> Audited:
        total = self._home.index.statistics().revisions
        revisions = self._home.index.revisions.all(since=self._scope.since)
        for seen, revision in enumerate(revisions, start=1):
            if random.random() < self._scope.sample:  # noqa: S311 - a sample, not a secret
                self._check(revision)
            progress(seen, total)
        if self._scope.is_whole:
            self._audited.faults += self._orphans()
            self._audited.faults += self._lost()
        self._audited.faults += self._notes()
        return self._audited

    def _check(self, revision: RevisionFacts) -> None:
        """Read one revision. A fault counts if the row is still the same afterwards."""
        fault = self._fault(revision)
        while fault is not None:
            again = self._home.index.revisions.get(revision.servable.revision_id)
            if again.servable == revision.servable:
                self._audited.faults.append(fault)
                break
            revision = again
            fault = self._fault(revision)
        self._audited.checked += 1

    def _fault(self, revision: RevisionFacts) -> AuditFault | None:
        try:
            found = self._read(revision)
        except DataFault as fault:
            return _named(revision, _kind(fault), str(fault))
        except (StoreFault, JournalFault) as fault:
            return _named(revision, Kind.MISSING, f"cannot be read: {fault}")
        return None if found is None else _named(revision, *found)

    def _read(self, revision: RevisionFacts) -> tuple[Kind, str] | None:
        """Read and decode a revision; give what the row or the trail has against it."""
        servable = revision.servable
        if servable.object_id is None:
            path = entry_path(self._home.journal, servable.entry_id)
            with JournalReader(path, self._home.keys) as entry:
                attributes = _read_through(entry.chunks(), entry.received)
                return self._against(revision, entry.received, attributes)
        with self._home.store.open(servable.object_id) as file:
            reader = ObjectReader(file, self._home.keys, servable.object_id, self._predictors)
            attributes = _read_through(reader.pieces(), reader.received)
            hint = reader.check_hints()
        if hint is not None:
            return Kind.ALTERED, str(hint)
        if reader.received.entry_id != servable.entry_id:
            return Kind.WRONG_INSTANCE, f"it holds reception {reader.received.entry_id.hex()}"
        facts = (revision.key_id, revision.size, revision.model, revision.coding)
        sealed = (reader.facts.key_id, reader.facts.size, reader.facts.model, reader.facts.coding)
        if facts != sealed or reader.header.revision != revision.number:
            return Kind.ROW_MISMATCH, "key, size, model, coding or revision"
        return self._against(revision, reader.received, attributes)

    def _against(
        self, revision: RevisionFacts, received: Received, attributes: Dataset
    ) -> tuple[Kind, str] | None:
        """Give what the index or the trail has against a sound object or entry."""
        differing = self._differing(revision.servable.revision_id, received, attributes)
        if differing:
            return Kind.ROW_MISMATCH, ", ".join(differing)
        said = self._ledger.stale(revision.servable)
        return None if said is None else (Kind.STALE, said)

    def _differing(self, number: int, received: Received, attributes: Dataset) -> list[str]:
        """Compare with the rows; what had to be indexed without its attributes, in the same way."""
        try:
            return self._home.index.revisions.differing(number, received, attributes)
        except errors.Fault:
            raise
        except Exception as fault:  # noqa: BLE001 - as service.receive.add: a fault of ours
            _log.critical("attributes not compared", revision=number, exc_info=fault)
            return self._home.index.revisions.differing(number, received, Dataset())

    def _orphans(self) -> Iterator[AuditFault]:
        """Name objects and journal entries without a row, if they are not just being made."""
        named = set(self._home.index.revisions.object_ids())
        for object_id in self._home.store.ids():
            if object_id not in named and self._is_orphan(object_id):
                detail = "no row names this object"
                yield AuditFault("", object_id.hex(), Kind.ORPHANED.value, detail)
        for entry_id in entry_ids(self._home.journal):
            if not self._has_row(entry_id):
                name = f"journal/{entry_id.hex()}"
                detail = "no row names this journal entry; serve indexes it when it starts"
                yield AuditFault("", name, Kind.ORPHANED.value, detail)

    def _is_orphan(self, object_id: bytes) -> bool:
        try:
            self._home.index.revisions.by_object(object_id)
        except Unknown:
            return self._is_old(object_id)
        return False

    def _is_old(self, object_id: bytes) -> bool:
        try:
            with self._home.store.open(object_id) as file:
                sealed_at = ObjectReader(file, self._home.keys, object_id).facts.sealed_at
        except errors.Missing:
            return False
        except (DataFault, StoreFault):
            return True
        return utc_now() - sealed_at > YOUNG_S * 1_000_000

    def _notes(self) -> Iterator[AuditFault]:
        """Name what administrators decided that cannot be read any more."""
        for note_id in note_ids(self._home.notes):
            try:
                read_note(self._home.notes, self._home.keys, note_id)
            except DataFault as fault:
                yield AuditFault("", f"notes/{note_id.hex()}", _kind(fault).value, str(fault))

    def _has_row(self, entry_id: bytes) -> bool:
        try:
            self._home.index.revisions.by_entry(entry_id)
        except Unknown:
            return not entry_path(self._home.journal, entry_id).exists()
        return True

    def _lost(self) -> Iterator[AuditFault]:
        """Name receptions that the trail knows and no row does: the index was set back."""
        for entry_id, sop_instance_uid in self._ledger.stored.items():
            try:
                self._home.index.revisions.by_entry(entry_id)
            except Unknown:
                detail = "the trail has this reception, the index does not: it was set back"
                name = f"journal/{entry_id.hex()}"
                yield AuditFault(sop_instance_uid, name, Kind.STALE.value, detail)


def _read_through(pieces: Iterator[bytes], received: Received) -> Dataset:
    """Read and decode a whole dataset; give its head attributes."""
    head = Head(received.transfer_syntax)
    for piece in pieces:
        head.write(piece)
    return read_attributes(head.taken, received.transfer_syntax)


def _kind(fault: DataFault) -> Kind:
    listed = (_KINDS[kind] for kind in type(fault).__mro__ if kind in _KINDS)
    return next(listed, Kind.UNDECODABLE)


def _named(revision: RevisionFacts, kind: Kind, detail: str) -> AuditFault:
    servable = revision.servable
    is_archived = revision.state == ARCHIVED and servable.object_id is not None
    name = servable.object_id.hex() if is_archived and servable.object_id else ""
    name = name or f"journal/{servable.entry_id.hex()}"
    return AuditFault(servable.sop_instance_uid, name, kind.value, detail)
