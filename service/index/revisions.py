"""Stored revisions: looked up, walked through, re-sealed, quarantined."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from pydicom.dataset import Dataset
from sqlalchemy import Connection, func, select, update

from service.errors import Conflict, Unknown
from service.index import comparison, decided, trail, visibility
from service.index.attributes import Attributes, attributes_of, from_json
from service.index.claims import object_values
from service.index.coverage import Servable, servable
from service.index.database import AnyRow, AnySelect, Database
from service.index.identity import Identity
from service.index.intake import place
from service.index.tables import Instance, Revision, StoredObject
from service.records import ObjectFacts, Received

_PAGE: Final = 500


@dataclass(frozen=True, slots=True)
class RevisionFacts:
    """What the index knows of one revision, besides its attributes."""

    servable: Servable
    number: int
    state: str
    served: bool
    hidden: bool
    """Whether its instance is deleted or rejected: no peer gets it then."""
    quarantined: str | None
    rejected: bool
    command_sop_class_uid: str
    command_sop_instance_uid: str
    study_uid: str
    series_uid: str
    calling_ae: str
    called_ae: str
    address: str
    received_at: int
    sequence: int
    attempts: int
    failure: str | None
    verified_at: int | None
    """When its object was last read and found sound, or damaged; None while in the journal."""
    damage: str | None
    """What was wrong then."""
    key_id: bytes | None
    """Of the object, as are the next four; None while it is in the journal."""
    size: int | None
    model: bytes | None
    coding: str | None
    sealed_at: int | None


class Revisions:
    """The revisions of one index."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, revision_id: int) -> RevisionFacts:
        """Look one up.

        Raises:
            Unknown: there is no such row.
        """
        return self._one(_facts().where(Revision.id == revision_id), "no such revision")

    def by_object(self, object_id: bytes) -> RevisionFacts:
        """Look up what an object holds.

        Raises:
            Unknown: no row names the object.
        """
        wanted = _facts().where(StoredObject.object_id == object_id)
        return self._one(wanted, f"no row names object {object_id.hex()}")

    def by_entry(self, entry_id: bytes) -> RevisionFacts:
        """Look up a reception.

        Raises:
            Unknown: no row names the journal entry.
        """
        wanted = _facts().where(Revision.entry_id == entry_id)
        return self._one(wanted, f"no row names entry {entry_id.hex()}")

    def differing(self, revision_id: int, received: Received, attributes: Dataset) -> list[str]:
        """Name what the rows of a revision say otherwise than its sealed values.

        Raises:
            Unknown: no such row, or none of what it is placed under.
        """
        with self._database.read() as connection:
            kept = attributes_of(attributes)
            return comparison.differing(connection, revision_id, received, kept)

    def of_instance(self, sop_instance_uid: str) -> list[RevisionFacts]:
        """Give all revisions of an instance, the first received first."""
        wanted = _facts().where(Instance.sop_instance_uid == sop_instance_uid)
        with self._database.read() as connection:
            rows = connection.execute(wanted.order_by(Revision.number)).all()
        return [_read(row) for row in rows]

    def all(
        self, after: int = 0, since: int = 0, key_id: bytes | None = None
    ) -> Iterator[RevisionFacts]:
        """Walk through all revisions in the order of their rows, in short transactions.

        Args:
            after: row to start behind, for resuming.
            since: leave out what was received before (microseconds since 1970 UTC).
            key_id: only those sealed under this archive key.
        """
        wanted = _facts().where(Revision.received_at >= since).order_by(Revision.id).limit(_PAGE)
        if key_id is not None:
            wanted = wanted.where(StoredObject.key_id == key_id)
        while True:
            with self._database.read() as connection:
                rows = connection.execute(wanted.where(Revision.id > after)).all()
            yield from map(_read, rows)
            if len(rows) < _PAGE:
                return
            after = rows[-1].id

    def count(self, since: int = 0) -> int:
        """Count what :meth:`all` walks through."""
        statement = select(func.count()).select_from(Revision).where(Revision.received_at >= since)
        with self._database.read() as connection:
            return connection.execute(statement).scalar_one()

    def attributes(self, revision_id: int) -> Attributes:
        """Give the head attributes of a revision, without bulk.

        Raises:
            Unknown: there is no such row.
        """
        statement = select(Revision.attributes).where(Revision.id == revision_id)
        with self._database.read() as connection:
            written = connection.scalars(statement).one_or_none()
        if written is None:
            raise Unknown(f"no revision {revision_id}")
        return from_json(written)

    def replace_object(self, revision_id: int, old_id: bytes, facts: ObjectFacts) -> None:
        """Name the object that holds a revision from now on; the old one may go then.

        Raises:
            Conflict: the row names another object than ``old_id`` meanwhile.
        """
        with self._database.write() as connection:
            changed = connection.execute(
                update(StoredObject)
                .where(StoredObject.revision_id == revision_id, StoredObject.object_id == old_id)
                .values(**object_values(facts))
            )
            if changed.rowcount != 1:
                raise Conflict(f"object {old_id.hex()} was replaced meanwhile")
            connection.execute(
                update(Revision)
                .where(Revision.id == revision_id)
                .values(verified_at=facts.sealed_at, damage=None)
            )
            details = {"object": facts.object_id.hex(), "before": old_id.hex()}
            trail.append(connection, "resealed", details | {"key": facts.key_id.hex()})

    def count_by_key(self) -> Mapping[bytes, int]:
        """Count the objects sealed under each archive key."""
        statement = select(StoredObject.key_id, func.count()).group_by(StoredObject.key_id)
        with self._database.read() as connection:
            return {row[0]: row[1] for row in connection.execute(statement)}

    def object_ids(self, after: bytes = b"") -> Iterator[bytes]:
        """Walk through the ids of all objects that rows name, in order."""
        wanted = select(StoredObject.object_id).order_by(StoredObject.object_id).limit(_PAGE)
        while True:
            with self._database.read() as connection:
                page = list(connection.scalars(wanted.where(StoredObject.object_id > after)))
            yield from page
            if len(page) < _PAGE:
                return
            after = page[-1]

    def quarantined(self) -> list[RevisionFacts]:
        """Give the revisions that wait for an administrator's decision."""
        wanted = _facts().where(Revision.quarantined.is_not(None), ~Revision.rejected)
        with self._database.read() as connection:
            rows = connection.execute(wanted.order_by(Revision.id)).all()
        return [_read(row) for row in rows]

    def accept(self, revision_id: int, by: str, reason: str, sequence: int | None = None) -> None:
        """Serve a quarantined revision from now on, where it says that it belongs.

        Args:
            revision_id: its row.
            by: who decides.
            reason: why.
            sequence: of the note of this decision, where it has one.

        Raises:
            Unknown: no such revision is quarantined.
        """
        with self._database.write() as connection:
            row = _quarantined(connection, revision_id)
            identity = Identity(
                row.patient_key, row.study_uid, row.series_uid, row.sop_instance_uid
            )
            attributes = from_json(row.attributes)
            place(connection, identity, attributes, row.sequence, row.instance_id)
            connection.execute(
                update(Revision)
                .where(Revision.id == revision_id)
                .values(quarantined=None, rejected=False, served=True, placed=True)
            )
            visibility.refresh(connection, [row.instance_id])
            decided.enter(connection, sequence, "accept")
            trail.append(connection, "quarantine accepted", _decision(row, by, reason))

    def reject(self, revision_id: int, by: str, reason: str, sequence: int | None = None) -> None:
        """Decide that a quarantined revision is never served; it stays stored.

        Args as :meth:`accept` has them.

        Raises:
            Unknown: no such revision is quarantined.
        """
        with self._database.write() as connection:
            row = _quarantined(connection, revision_id)
            connection.execute(
                update(Revision).where(Revision.id == revision_id).values(rejected=True)
            )
            decided.enter(connection, sequence, "reject")
            trail.append(connection, "quarantine rejected", _decision(row, by, reason))

    def _one(self, wanted: AnySelect, unknown: str) -> RevisionFacts:
        with self._database.read() as connection:
            row = connection.execute(wanted).one_or_none()
        if row is None:
            raise Unknown(unknown)
        return _read(row)


_IS_HIDDEN: Final = Instance.series_id.is_(None).label("hidden")

_OTHERS: Final = (
    Revision.number, Revision.state, Revision.served, _IS_HIDDEN, Revision.quarantined,
    Revision.rejected,
    Revision.command_sop_class_uid, Revision.command_sop_instance_uid, Revision.study_uid,
    Revision.series_uid, Revision.calling_ae, Revision.called_ae, Revision.address,
    Revision.received_at, Revision.sequence, Revision.attempts, Revision.failure,
    Revision.verified_at, Revision.damage,
    StoredObject.key_id, StoredObject.size, StoredObject.model, StoredObject.coding,
    StoredObject.sealed_at,
)  # fmt: skip


def _facts() -> AnySelect:
    return servable().add_columns(*_OTHERS)


def _read(row: AnyRow) -> RevisionFacts:
    values = row._asdict()
    one = Servable(*row[: len(row) - len(_OTHERS)])
    others = {column.key: values[column.key] for column in _OTHERS}
    others["command_sop_instance_uid"] = others["command_sop_instance_uid"] or one.sop_instance_uid
    return RevisionFacts(one, **others)


def _quarantined(connection: Connection, revision_id: int) -> AnyRow:
    statement = (
        select(
            Instance.sop_instance_uid, Revision.instance_id, Revision.patient_key,
            Revision.study_uid, Revision.series_uid, Revision.sequence, Revision.attributes,
            Revision.number, Revision.sha256,
        )
        .join(Instance, Instance.id == Revision.instance_id)
        .where(Revision.id == revision_id, Revision.quarantined.is_not(None))
    )  # fmt: skip
    row = connection.execute(statement).one_or_none()
    if row is None:
        raise Unknown(f"no revision {revision_id} is quarantined")
    return row


def _decision(row: AnyRow, by: str, reason: str) -> dict[str, Any]:
    return {
        "sop_instance_uid": row.sop_instance_uid,
        "revision": row.number,
        "sha256": row.sha256.hex(),
        "by": by,
        "reason": reason,
    }
