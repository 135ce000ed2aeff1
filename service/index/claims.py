"""The journal's side of the index: which revisions wait to be archived, and who works on which."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, delete, func, insert, literal_column, or_, select, update

from service.errors import Unknown
from service.index import trail
from service.index.database import AnyRow, Database
from service.index.tables import ARCHIVED, JOURNALLED, Revision, StoredObject
from service.records import ObjectFacts
from service.sequence import utc_now

_SECOND: Final = 1_000_000
# A literal, so that SQLite can prove that the partial index applies.
_IS_JOURNALLED: Final = Revision.state == literal_column("'journalled'")


@dataclass(frozen=True, slots=True)
class Journalled:
    """A revision that waits in the journal."""

    revision_id: int
    entry_id: bytes
    sop_class_uid: str
    transfer_syntax: str
    length: int
    sha256: bytes
    attempts: int
    """How often archiving it has failed already."""


class Claims:
    """Leases of journalled revisions to workers."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def claim(self, worker: str, limit: int, lease_s: float) -> list[Journalled]:
        """Take up to ``limit`` revisions, the first received first, for ``lease_s`` seconds.

        Those that failed come after the others.
        """
        now = utc_now()
        free = or_(Revision.claimed_until.is_(None), Revision.claimed_until <= now)
        chosen = (
            select(Revision.id)
            .where(_IS_JOURNALLED, free)
            .order_by(Revision.sequence)
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
        taken = (
            update(Revision)
            .where(Revision.id.in_(chosen))
            .values(claimed_by=worker, claimed_until=now + int(lease_s * _SECOND))
            .returning(*_COLUMNS, Revision.sequence)
        )
        with self._database.write() as connection:
            rows = connection.execute(taken).all()
        rows = sorted(rows, key=lambda row: (row.attempts > 0, row.sequence))
        return [_read(row) for row in rows]

    def release(self, revision_id: int) -> None:
        """Give a claim back: the revision can be claimed at once."""
        self._set(revision_id, claimed_by=None, claimed_until=None)

    def release_all(self, worker: str | None = None) -> int:
        """Give back what a worker that no longer runs had claimed; give how many there were.

        Args:
            worker: its name; None for all workers.
        """
        claimed = Revision.claimed_by.is_not(None)
        held = claimed if worker is None else Revision.claimed_by == worker
        with self._database.write() as connection:
            released = connection.execute(
                update(Revision)
                .where(_IS_JOURNALLED, held)
                .values(claimed_by=None, claimed_until=None)
            )
            return released.rowcount

    def failed(self, revision_id: int, reason: str, retry_s: float) -> None:
        """Note why archiving failed; it can be claimed again after ``retry_s`` seconds."""
        self._set(
            revision_id,
            claimed_by=None,
            claimed_until=utc_now() + int(retry_s * _SECOND),
            attempts=Revision.attempts + 1,
            failure=reason,
        )

    def archived(self, revision_id: int, facts: ObjectFacts) -> None:
        """Say that the verified object holds the revision: the journal entry may go.

        Raises:
            Unknown: no such revision waits in the journal.
        """
        with self._database.write() as connection:
            archived(connection, revision_id, facts)

    def rejournal(self, revision_id: int) -> None:
        """Say that the journal has a revision again, whose file was lost."""
        with self._database.write() as connection:
            row = connection.execute(
                update(Revision)
                .where(Revision.id == revision_id)
                .values(state=JOURNALLED, claimed_by=None, claimed_until=None, failure=None)
                .returning(Revision.number, Revision.sha256, Revision.entry_id)
            ).one()
            connection.execute(delete(StoredObject).where(StoredObject.revision_id == revision_id))
            details = {"entry": row.entry_id.hex(), "revision": row.number}
            trail.append(connection, "sent again", details | {"sha256": row.sha256.hex()})

    def count(self) -> int:
        """Count the revisions that still wait."""
        with self._database.read() as connection:
            statement = select(func.count()).select_from(Revision).where(_IS_JOURNALLED)
            return connection.execute(statement).scalar_one()

    def _set(self, revision_id: int, **values: Any) -> None:
        with self._database.write() as connection:
            connection.execute(
                update(Revision).where(Revision.id == revision_id, _IS_JOURNALLED).values(**values)
            )


_COLUMNS: Final = (
    Revision.id,
    Revision.entry_id,
    Revision.sop_class_uid,
    Revision.transfer_syntax,
    Revision.length,
    Revision.sha256,
    Revision.attempts,
)


def _read(row: AnyRow) -> Journalled:
    return Journalled(*row[: len(_COLUMNS)])


def archived(connection: Connection, revision_id: int, facts: ObjectFacts) -> None:
    """Note the object of a revision in the caller's transaction, its trail entry included.

    Raises:
        Unknown: no such revision waits in the journal.
    """
    row = connection.execute(
        update(Revision)
        .where(Revision.id == revision_id, _IS_JOURNALLED)
        .values(
            state=ARCHIVED,
            claimed_by=None,
            claimed_until=None,
            failure=None,
            verified_at=facts.sealed_at,
            damage=None,
        )
        .returning(Revision.number, Revision.sha256, Revision.entry_id)
    ).one_or_none()
    if row is None:
        raise Unknown(f"no revision {revision_id} waits in the journal")
    connection.execute(insert(StoredObject).values(revision_id=revision_id, **object_values(facts)))
    details = {
        "entry": row.entry_id.hex(),
        "object": facts.object_id.hex(),
        "revision": row.number,
        "sha256": row.sha256.hex(),
    }
    trail.append(connection, "archived", details)


def object_values(facts: ObjectFacts) -> dict[str, Any]:
    """Give the columns of an object's row; the replica is yet to get it."""
    return {
        "object_id": facts.object_id,
        "key_id": facts.key_id,
        "size": facts.size,
        "model": facts.model,
        "coding": facts.coding,
        "sealed_at": facts.sealed_at,
        "replicated_at": None,
        "replica_damage": None,
    }
