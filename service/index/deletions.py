"""Deletions: marked and hidden at once, undone within the grace period, or purged after it.

A deletion covers revisions, by the receptions that they came by: those that were there when it was
decided. What comes later is none of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, delete, func, insert, select, update

from service.errors import Conflict, Unknown
from service.index import decided, holds, named, trail
from service.index.corrections import Author
from service.index.database import Database
from service.index.hiding import MARKED, PURGED, PURGING, UNDONE
from service.index.holds import Place
from service.index.pages import pages
from service.index.tables import (
    CommandUid,
    DeletedRevision,
    Deletion,
    Instance,
    PurgedObject,
    Revision,
    StoredObject,
)
from service.index.visibility import refresh
from service.sequence import utc_now

_TOLD: Final = 1000
"""Revisions that one trail entry names: some 200 bytes each."""


@dataclass(frozen=True, slots=True)
class Doomed:
    """A revision that a deletion covers, or would."""

    entry_id: bytes
    sop_instance_uid: str
    number: int
    sha256: bytes


@dataclass(frozen=True, slots=True)
class Covered:
    """What a deletion would cover."""

    revisions: Sequence[Doomed]
    instances: int
    bytes: int
    """As received."""
    holds: Sequence[int]
    """Numbers of the holds that forbid it."""


@dataclass(frozen=True, slots=True)
class Deleted:
    """One deletion."""

    id: int
    state: str
    """``marked``, ``undone``, ``purging`` or ``purged``."""
    by: str
    at: int
    reason: str
    due: int
    """When it is purged, microseconds since 1970 UTC."""
    revisions: int
    instances: int


@dataclass(frozen=True, slots=True)
class Leftover:
    """Files of purged revisions that may still be there."""

    objects: Sequence[bytes]
    entries: Sequence[bytes]


class Deletions:
    """The deletions of one index."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def covering(self, level: str, uid: str, patient_key: str | None = None) -> Covered:
        """Say what a deletion of a study, a series or an instance would cover: every revision.

        Args:
            level: ``study``, ``series`` or ``instance``.
            uid: its UID.
            patient_key: the patient's (:func:`service.index.patient`), needed where several have
                a study of that UID.

        Raises:
            Unknown: nothing of that name, or nothing that is not deleted already.
            Conflict: it is in studies of several patients.
        """
        with self._database.read() as connection:
            rows = _revisions(connection, named.instances(connection, level, uid))
            patients = {row.patient_key for row in rows if row.served}
            if patient_key is None and len(patients) > 1:
                raise Conflict(f"several patients have a {level} of that UID: name the patient too")
            if patient_key is not None:
                kept = {row.instance_id for row in rows if row.patient_key == patient_key}
                rows = [row for row in rows if row.instance_id in kept]
            return _covered(connection, rows, f"no such {level}, or it is deleted already")

    def covering_rows(self, revisions: Iterable[int]) -> Covered:
        """Say what a deletion of single revisions would cover, by their rows.

        Raises:
            Unknown: none of them is there, or not deleted already.
        """
        with self._database.read() as connection:
            rows = [
                row
                for page in pages(revisions)
                for row in connection.execute(_FACTS.where(Revision.id.in_(page)))
            ]
            return _covered(connection, rows, "nothing of that is there")

    def enter(self, revisions: Sequence[Doomed], author: Author, due: int) -> int:
        """Mark revisions as deleted: they are hidden from now on. Gives the deletion's number.

        Raises:
            Held: a hold covers one of them.
        """
        at = utc_now() if author.at is None else author.at
        values = {"state": MARKED, "by": author.by, "at": at, "reason": author.reason, "due": due}
        with self._database.write() as connection:
            rows = _by_entry(connection, [one.entry_id for one in revisions])
            holds.require_free(connection, map(_place, rows))
            decided.enter(connection, author.at, "delete")
            number: int = connection.execute(
                insert(Deletion).values(**values).returning(Deletion.id)
            ).scalar_one()
            _cover(connection, number, revisions)
            refresh(connection, {row.instance_id for row in rows})
            _tell(connection, "deleted", number, revisions, author)
        return number

    def undo(self, deletion: int, author: Author) -> None:
        """Bring back what a deletion hides.

        Raises:
            Unknown: no such deletion.
            Conflict: it is undone or purged already.
        """
        with self._database.write() as connection:
            _move(connection, deletion, (MARKED,), UNDONE)
            decided.enter(connection, author.at, "undelete")
            rows = _by_entry(connection, _entries(connection, deletion))
            refresh(connection, {row.instance_id for row in rows})
            details = {"deletion": deletion, "by": author.by, "reason": author.reason}
            trail.append(connection, "deletion undone", details)

    def purge(self, deletion: int, author: Author) -> None:
        """Remove the rows of what a deletion covers; :meth:`leftover` names the files that may go.

        Raises:
            Unknown: no such deletion.
            Conflict: it is undone, or purged already.
            Held: a hold covers something of it.
        """
        with self._database.write() as connection:
            _move(connection, deletion, (MARKED,), PURGING)
            rows = _by_entry(connection, _entries(connection, deletion))
            holds.require_free(connection, map(_place, rows))
            decided.enter(connection, author.at, "purge")
            for page in pages(rows):
                _remove(connection, deletion, [row.id for row in page])
            _remove_empty(connection, {row.instance_id for row in rows})
            _tell(connection, "purged", deletion, _doomed(connection, deletion), author)

    def leftover(self, deletion: int) -> Leftover:
        """Name the files of a purged deletion that may still be there."""
        named_objects = select(PurgedObject.object_id).where(PurgedObject.deletion_id == deletion)
        with self._database.read() as connection:
            objects = list(connection.scalars(named_objects))
            return Leftover(objects, _entries(connection, deletion))

    def purged(self, deletion: int) -> None:
        """Say that no file of a purged deletion is left."""
        with self._database.write() as connection:
            connection.execute(delete(PurgedObject).where(PurgedObject.deletion_id == deletion))
            _move(connection, deletion, (PURGING,), PURGED)

    def purged_entries(self) -> dict[bytes, int]:
        """Give the receptions whose revisions are purged, with the number of the deletion."""
        statement = (
            select(DeletedRevision.entry_id, DeletedRevision.deletion_id)
            .join(Deletion, Deletion.id == DeletedRevision.deletion_id)
            .where(Deletion.state.in_((PURGING, PURGED)))
        )
        with self._database.read() as connection:
            return {row.entry_id: row.deletion_id for row in connection.execute(statement)}

    def found(self, deletion: int, object_id: bytes) -> None:
        """Say that an object of a purged revision is in the store: it is to go."""
        with self._database.write() as connection:
            _move(connection, deletion, (PURGING, PURGED), PURGING)
            connection.execute(
                insert(PurgedObject).values(object_id=object_id, deletion_id=deletion)
            )

    def due(self, now: int) -> list[int]:
        """Name the deletions that may be purged by now, and those whose purge was interrupted."""
        late = (Deletion.state == MARKED) & (Deletion.due <= now)
        statement = select(Deletion.id).where(late | (Deletion.state == PURGING))
        with self._database.read() as connection:
            return list(connection.scalars(statement.order_by(Deletion.at)))

    def state(self, deletion: int) -> str:
        """Give the state of a deletion.

        Raises:
            Unknown: there is none of that number.
        """
        with self._database.read() as connection:
            return _state(connection, deletion)

    def made_at(self, deletion: int) -> int:
        """Give the receive sequence of a deletion's note.

        Raises:
            Unknown: there is none of that number.
        """
        return self._column(Deletion.at, Deletion.id == deletion)

    def by_sequence(self, sequence: int) -> int:
        """Find a deletion by the receive sequence of its note: numbers change where notes are lost.

        Raises:
            Unknown: none was made by such a note.
        """
        return self._column(Deletion.id, Deletion.at == sequence)

    def _column(self, wanted: Any, where: Any) -> int:
        with self._database.read() as connection:
            found: int | None = connection.scalar(select(wanted).where(where))
        if found is None:
            raise Unknown("no such deletion")
        return found

    def list(self) -> list[Deleted]:
        """Give all deletions, in the order they were decided."""
        statement = (
            select(
                Deletion.__table__,
                func.count(),
                func.count(DeletedRevision.sop_instance_uid.distinct()),
            )
            .join(DeletedRevision, DeletedRevision.deletion_id == Deletion.id)
            .group_by(Deletion.id)
            .order_by(Deletion.at)
        )
        with self._database.read() as connection:
            return [Deleted(*row) for row in connection.execute(statement)]


_FACTS: Final = select(
    Revision.id, Revision.instance_id, Revision.entry_id, Revision.number, Revision.sha256,
    Revision.length, Revision.served, Revision.patient_key, Revision.study_uid,
    Revision.series_uid, Instance.sop_instance_uid,
).join(Instance, Instance.id == Revision.instance_id)  # fmt: skip


def _revisions(connection: Connection, instances: Sequence[int]) -> list[Any]:
    return [
        row
        for page in pages(instances)
        for row in connection.execute(_FACTS.where(Revision.instance_id.in_(page)))
    ]


def _by_entry(connection: Connection, entries: Sequence[bytes]) -> list[Any]:
    return [
        row
        for page in pages(entries)
        for row in connection.execute(_FACTS.where(Revision.entry_id.in_(page)))
    ]


def _covered(connection: Connection, rows: Sequence[Any], nothing: str) -> Covered:
    marked = _marked(connection, [row.entry_id for row in rows])
    left = sorted(
        (row for row in rows if row.entry_id not in marked),
        key=lambda row: (row.instance_id, row.id),
    )
    if not left:
        raise Unknown(nothing)
    return Covered(
        revisions=[_doomed_of(row) for row in left],
        instances=len({row.sop_instance_uid for row in left}),
        bytes=sum(row.length for row in left),
        holds=holds.holding(connection, map(_place, left)),
    )


def _marked(connection: Connection, entries: Sequence[bytes]) -> set[bytes]:
    statement = (
        select(DeletedRevision.entry_id)
        .join(Deletion, Deletion.id == DeletedRevision.deletion_id)
        .where(Deletion.state == MARKED)
    )
    return {
        entry_id
        for page in pages(entries)
        for entry_id in connection.scalars(statement.where(DeletedRevision.entry_id.in_(page)))
    }


def _place(row: Any) -> Place:
    return Place(row.patient_key, row.study_uid, row.series_uid, row.sop_instance_uid)


def _doomed_of(row: Any) -> Doomed:
    return Doomed(row.entry_id, row.sop_instance_uid, row.number, row.sha256)


def _cover(connection: Connection, deletion: int, revisions: Iterable[Doomed]) -> None:
    for page in pages(revisions):
        rows = [
            {
                "deletion_id": deletion,
                "entry_id": one.entry_id,
                "sop_instance_uid": one.sop_instance_uid,
                "number": one.number,
                "sha256": one.sha256,
            }
            for one in page
        ]
        connection.execute(insert(DeletedRevision), rows)


def _entries(connection: Connection, deletion: int) -> list[bytes]:
    statement = select(DeletedRevision.entry_id).where(DeletedRevision.deletion_id == deletion)
    return list(connection.scalars(statement.order_by(DeletedRevision.entry_id)))


def _doomed(connection: Connection, deletion: int) -> list[Doomed]:
    statement = select(
        DeletedRevision.entry_id,
        DeletedRevision.sop_instance_uid,
        DeletedRevision.number,
        DeletedRevision.sha256,
    ).where(DeletedRevision.deletion_id == deletion)
    return [Doomed(*row) for row in connection.execute(statement)]


def _state(connection: Connection, deletion: int) -> str:
    state = connection.scalar(select(Deletion.state).where(Deletion.id == deletion))
    if state is None:
        raise Unknown(f"there is no deletion {deletion}")
    return state


def _move(connection: Connection, deletion: int, before: Sequence[str], after: str) -> None:
    state = _state(connection, deletion)
    if state not in before:
        raise Conflict(f"deletion {deletion} is {state}")
    connection.execute(update(Deletion).where(Deletion.id == deletion).values(state=after))


def _remove(connection: Connection, deletion: int, revisions: Sequence[int]) -> None:
    """Remove the rows of revisions, after noting their objects."""
    held = select(StoredObject.object_id).where(StoredObject.revision_id.in_(revisions))
    objects = [
        {"object_id": object_id, "deletion_id": deletion} for object_id in connection.scalars(held)
    ]
    if objects:
        connection.execute(insert(PurgedObject), objects)
    for table in (StoredObject, CommandUid):
        connection.execute(delete(table).where(table.revision_id.in_(revisions)))
    connection.execute(delete(Revision).where(Revision.id.in_(revisions)))


def _remove_empty(connection: Connection, instances: Iterable[int]) -> None:
    """Remove instances without revisions."""
    left = select(Revision.id).where(Revision.instance_id == Instance.id).exists()
    for page in pages(instances):
        connection.execute(delete(Instance).where(Instance.id.in_(page), ~left))


def _tell(
    connection: Connection,
    event: str,
    deletion: int,
    revisions: Sequence[Doomed],
    author: Author,
) -> None:
    """Enter in the trail who, why, and which bytes: by reception and hash."""
    for page in pages(revisions, _TOLD):
        told = [
            {
                "entry": one.entry_id.hex(),
                "sop_instance_uid": one.sop_instance_uid,
                "revision": one.number,
                "sha256": one.sha256.hex(),
            }
            for one in page
        ]
        details = {"deletion": deletion, "by": author.by, "reason": author.reason}
        trail.append(connection, event, details | {"revisions": told})
