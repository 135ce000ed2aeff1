"""One revision examined: its object or journal entry read and decoded, and compared with its row.

The audit (:mod:`service.upkeep.audit`) and the scrubber (:mod:`service.upkeep.scrub`) share it. It
names what is wrong, and changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final

import structlog
from pydicom.dataset import Dataset

from codec import Predictor
from dicom.attributes import read_attributes
from service import errors
from service.errors import DataFault, JournalFault, StoreFault
from service.head import Head
from service.home import Home
from service.index import RevisionFacts
from service.index.tables import ARCHIVED, JOURNALLED
from service.records import ObjectFacts, Received
from service.sealing.journal import JournalReader, entry_path
from service.sealing.reader import NO_PREDICTORS, ObjectReader
from service.upkeep.kinds import Kind, kind_of
from service.upkeep.ledger import Ledger

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class AuditFault:
    """One thing that is wrong."""

    sop_instance_uid: str
    """Empty where it is not known."""
    object: str
    """Object id in hexadecimal; or ``journal/`` or ``notes/`` and the id of that; or a table and a
    row of it; or ``trail/`` and a position; or the name of a file."""
    kind: str
    """A value of :class:`Kind`."""
    detail: str


@dataclass(frozen=True, slots=True)
class Examined:
    """What a revision turned out to be."""

    fault: AuditFault | None = None
    received: Received | None = None
    """As sealed; None where that could not be read."""
    attributes: Dataset | None = None
    number: int | None = None
    """Of the revision, as sealed with its object; a journal entry has none."""


Pieces = Callable[[ObjectReader], Iterator[bytes | memoryview]]
"""Gives the dataset of an opened object in order, verified against its SHA-256."""


class Examiner:
    """Examines the revisions of one archive. A service may run.

    Args:
        home: the archive.
        ledger: what its trail says; None to leave that out.
        predictors: ``models.registry.all_models()``, where objects are decoded in this process.
        pieces: how objects are decoded.
    """

    def __init__(
        self,
        home: Home,
        ledger: Ledger | None = None,
        predictors: Mapping[bytes, Predictor] = NO_PREDICTORS,
        pieces: Pieces = ObjectReader.pieces,
    ) -> None:
        self._home = home
        self._ledger = ledger
        self._predictors = predictors
        self._pieces = pieces

    def examine(self, revision: RevisionFacts) -> Examined:
        """Examine one revision. A fault counts if its row is still the same afterwards.

        Raises:
            Unknown: the row is gone meanwhile.
            IoFault: index or keyring cannot be read.
        """
        while True:
            examined = self._look(revision)
            if examined.fault is None:
                return examined
            again = self._home.index.revisions.get(revision.servable.revision_id)
            if (again.servable, again.state) == (revision.servable, revision.state):
                return examined
            revision = again

    def _look(self, revision: RevisionFacts) -> Examined:
        try:
            if revision.servable.object_id is None:
                return self._journalled(revision)
            return self._archived(revision, revision.servable.object_id)
        except DataFault as fault:
            return Examined(named(revision, kind_of(fault), str(fault)))
        except (StoreFault, JournalFault) as fault:
            return Examined(named(revision, Kind.MISSING, f"cannot be read: {fault}"))

    def _journalled(self, revision: RevisionFacts) -> Examined:
        if revision.state != JOURNALLED:
            detail = "not journalled, but no object is named"
            return Examined(named(revision, Kind.ROW_MISMATCH, detail))
        path = entry_path(self._home.journal, revision.servable.entry_id)
        with JournalReader(path, self._home.keys) as entry:
            attributes = _read_through(entry.chunks(), entry.received)
        return self._against(revision, entry.received, attributes, None)

    def _archived(self, revision: RevisionFacts, object_id: bytes) -> Examined:
        with self._home.store.open(object_id) as file:
            reader = ObjectReader(file, self._home.keys, object_id, self._predictors)
            attributes = _read_through(self._pieces(reader), reader.received)
            hint = reader.check_hints()
        if reader.received.entry_id != revision.servable.entry_id:
            detail = f"it holds reception {reader.received.entry_id.hex()}"
            return Examined(named(revision, Kind.WRONG_INSTANCE, detail))
        found = (Kind.ALTERED, str(hint)) if hint else _unlike(revision, reader)
        examined = self._against(revision, reader.received, attributes, found)
        return replace(examined, number=reader.header.revision)

    def _against(
        self,
        revision: RevisionFacts,
        received: Received,
        attributes: Dataset,
        found: tuple[Kind, str] | None,
    ) -> Examined:
        """Add what the index or the trail has against a sound object or entry."""
        if self._ledger is not None and (said := self._ledger.stale(revision.servable)):
            found = Kind.STALE, said
        if found is None:
            differing = self._differing(revision.servable.revision_id, received, attributes)
            found = (Kind.ROW_MISMATCH, ", ".join(differing)) if differing else None
        fault = None if found is None else named(revision, *found)
        return Examined(fault, received, attributes)

    def _differing(self, number: int, received: Received, attributes: Dataset) -> list[str]:
        """Compare with the rows; what had to be indexed without its attributes, in the same way."""
        try:
            return self._home.index.revisions.differing(number, received, attributes)
        except errors.Fault:
            raise
        except Exception as fault:  # noqa: BLE001 - as service.receive.add: a fault of ours
            _log.critical("attributes not compared", revision=number, exc_info=fault)
            return self._home.index.revisions.differing(number, received, Dataset())


def named(revision: RevisionFacts, kind: Kind, detail: str) -> AuditFault:
    """Name a fault of one revision."""
    servable = revision.servable
    is_archived = revision.state == ARCHIVED and servable.object_id is not None
    name = servable.object_id.hex() if is_archived and servable.object_id else ""
    name = name or f"journal/{servable.entry_id.hex()}"
    return AuditFault(servable.sop_instance_uid, name, kind.value, detail)


def _unlike(revision: RevisionFacts, reader: ObjectReader) -> tuple[Kind, str] | None:
    """Compare a row with the object that it names."""
    sealed = {**_facts(reader.facts), "number": reader.header.revision, "state": ARCHIVED}
    names = [name for name, value in sealed.items() if getattr(revision, name) != value]
    return (Kind.ROW_MISMATCH, ", ".join(names)) if names else None


def _facts(facts: ObjectFacts) -> dict[str, object]:
    return {name: getattr(facts, name) for name in _OBJECT_FACTS}


_OBJECT_FACTS: Final = ("key_id", "size", "model", "coding", "sealed_at")


def _read_through(pieces: Iterator[bytes | memoryview], received: Received) -> Dataset:
    """Read and decode a whole dataset; give its head attributes."""
    head = Head(received.transfer_syntax)
    for piece in pieces:
        head.write(piece)
    return read_attributes(head.taken, received.transfer_syntax)
