"""Deletions: marked and hidden at once, undone within the grace period, or purged after it.

A deletion covers revisions, by the receptions that they came by: those that were there when it was
decided. What comes later is none of it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, delete, func, insert, select, update

from service.errors import Conflict, Unknown
from service.index import decided, doomed, holds, named, trail
from service.index.corrections import Author
from service.index.database import Database
from service.index.doomed import Covered, Doomed
from service.index.hiding import MARKED, PURGED, PURGING, UNDONE
from service.index.pages import pages
from service.index.tables import (
    DeletedRevision,
    Deletion,
    Patient,
    PurgedObject,
    Study,
    TrailEntry,
)
from service.index.visibility import refresh
from service.sequence import utc_now


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
            instances = named.instances(connection, level, uid)
            rows = doomed.of_instances(connection, instances)
            if patient_key is not None:
                rows = doomed.of_one_patient(rows, patient_key)
            elif len({row.patient_key for row in rows if row.served}) > 1:
                raise Conflict(f"several patients have a {level} of that UID: name the patient too")
            return doomed.covered(connection, rows, f"no such {level}, or it is deleted already")

    def covering_rows(self, revisions: Iterable[int]) -> Covered:
        """Say what a deletion of single revisions would cover, by their rows.

        Raises:
            Unknown: none of them is there, or not deleted already.
        """
        with self._database.read() as connection:
            rows = doomed.by_row(connection, revisions)
            return doomed.covered(connection, rows, "nothing of that is there")

    def covering_instances(self, instances: Iterable[tuple[str, str]]) -> Covered:
        """Say what a deletion of instances would cover, by Study and SOP Instance UID.

        Raises:
            Unknown: none of them is there, or not deleted already.
        """
        studies = {instance: study for study, instance in instances}
        with self._database.read() as connection:
            rows = [
                row
                for row in doomed.of_uids(connection, studies)
                if row.study_uid == studies[row.sop_instance_uid]
            ]
            return doomed.covered(connection, rows, "nothing of that is there")

    def enter(self, revisions: Sequence[Doomed], author: Author, due: int) -> int:
        """Mark revisions as deleted: they are hidden from now on. Gives the deletion's number.

        Raises:
            Held: a hold covers one of them.
            Conflict: corrections show studies under a patient who would have none of its own left.
        """
        at = utc_now() if author.at is None else author.at
        values = {"state": MARKED, "by": author.by, "at": at, "reason": author.reason, "due": due}
        with self._database.write() as connection:
            rows = doomed.by_entry(connection, [one.entry_id for one in revisions])
            holds.require_free(connection, map(doomed.place, rows))
            decided.enter(connection, author.at, "delete")
            number: int = connection.execute(
                insert(Deletion).values(**values).returning(Deletion.id)
            ).scalar_one()
            doomed.note_down(connection, number, revisions)
            refresh(connection, {row.instance_id for row in rows})
            _require_hosts(connection, {row.patient_key for row in rows})
            doomed.tell(connection, "deleted", number, author)
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
            rows = doomed.by_entry(connection, doomed.entries(connection, deletion))
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
            rows = doomed.by_entry(connection, doomed.entries(connection, deletion))
            holds.require_free(connection, map(doomed.place, rows))
            decided.enter(connection, author.at, "purge")
            doomed.remove(connection, deletion, rows)
            doomed.tell(connection, "purged", deletion, author)

    def leftover(self, deletion: int) -> Leftover:
        """Name the files of a purged deletion that may still be there."""
        objects = select(PurgedObject.object_id).where(PurgedObject.deletion_id == deletion)
        with self._database.read() as connection:
            return Leftover(connection.scalars(objects).all(), doomed.entries(connection, deletion))

    def purged(self, deletion: int) -> None:
        """Say that no file of a purged deletion is left; nor is what its rows said, on SQLite."""
        with self._database.write() as connection:
            connection.execute(delete(PurgedObject).where(PurgedObject.deletion_id == deletion))
            _move(connection, deletion, (PURGING,), PURGED)
        self._database.fold_log()

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
        values = {"object_id": object_id, "deletion_id": deletion}
        with self._database.write() as connection:
            _move(connection, deletion, (PURGING, PURGED), PURGING)
            connection.execute(insert(PurgedObject).values(**values))

    def tell_purges(self) -> None:
        """Enter the purges that the trail does not tell of: it may come from an older index."""
        events = select(TrailEntry.details).where(TrailEntry.event == "purged")
        gone = select(Deletion.id, Deletion.at, Deletion.by, Deletion.reason).where(
            Deletion.state.in_((PURGING, PURGED))
        )
        with self._database.write() as connection:
            known = {json.loads(text)["deleted_at"] for text in connection.scalars(events)}
            for number, at, by, reason in connection.execute(gone.order_by(Deletion.at)).all():
                if at not in known:
                    doomed.tell(connection, "purged", number, Author(by, reason))

    def due(self, now: int) -> Sequence[int]:
        """Name the deletions that may be purged by now, and those whose purge was interrupted."""
        late = (Deletion.state == MARKED) & (Deletion.due <= now)
        return self._numbers(late | (Deletion.state == PURGING))

    def purging(self) -> Sequence[int]:
        """Name the deletions whose rows are gone, and files perhaps not."""
        return self._numbers(Deletion.state == PURGING)

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

    def _numbers(self, which: Any) -> Sequence[int]:
        with self._database.read() as connection:
            return connection.scalars(select(Deletion.id).where(which).order_by(Deletion.at)).all()

    def _column(self, wanted: Any, which: Any) -> int:
        with self._database.read() as connection:
            found: int | None = connection.scalar(select(wanted).where(which))
        if found is None:
            raise Unknown("no such deletion")
        return found

    def list(self) -> list[Deleted]:
        """Give all deletions, in the order they were decided."""
        instances = func.count(DeletedRevision.sop_instance_uid.distinct())
        statement = (
            select(Deletion.__table__, func.count(DeletedRevision.entry_id), instances)
            .outerjoin(DeletedRevision, DeletedRevision.deletion_id == Deletion.id)
            .group_by(Deletion.id)
            .order_by(Deletion.at)
        )
        with self._database.read() as connection:
            return [Deleted(*row) for row in connection.execute(statement)]


def _require_hosts(connection: Connection, patient_keys: Iterable[str]) -> None:
    """Refuse to leave a patient with nothing but studies that corrections show there.

    Once the patient's own are purged, nothing sealed would tell a rebuild who it was, and those
    studies would be shown under another name.
    """
    own = select(Study.id).where(Study.patient_id == Patient.id).exists()
    shown = select(Study.id).where(Study.shown_patient_id == Patient.id).exists()
    for page in pages(patient_keys):
        if connection.scalar(select(Patient.id).where(Patient.key.in_(page), ~own, shown)):
            raise Conflict("corrections show other studies under this patient: undo them first")


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
