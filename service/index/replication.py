"""The replica's side of the index: what it still lacks, what is to leave it, how often it served.

The queue is in the rows themselves: an object waits from the transaction that names it until the
replica was seen to hold it. So nothing can be forgotten between the two, a restart goes on where
it was, and an archive that gets a replica later queues all it has.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from enum import Enum
from typing import Final

from sqlalchemy import ColumnElement, Connection, and_, delete, func, insert, select, update

from service.index import trail
from service.index.database import Database
from service.index.tables import Instance, ReplicaRead, ReplicaRemoval, Revision, StoredObject
from service.sequence import utc_now


class Kind(Enum):
    """What a store holds files of."""

    OBJECT = "object"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Waiting:
    """An object that the replica is not known to hold."""

    row: int
    """Its place in the queue."""
    object_id: bytes
    size: int


@dataclass(frozen=True, slots=True)
class Removal:
    """A file that is to leave the replica."""

    kind: Kind
    file_id: bytes


@dataclass(frozen=True, slots=True)
class Lag:
    """How far the replica is behind."""

    waiting: int
    """Objects that it is not known to hold."""
    waiting_bytes: int
    oldest: int | None
    """When the first of these was sealed, microseconds since 1970 UTC."""
    removals: int
    """Files that are still to leave it."""
    read_objects: int
    """Objects that had to be read from it since, and are not repaired."""
    reads: int
    """How often, in all."""
    damaged: int
    """Copies in it that were found damaged when they were last read, and are not repaired."""


class Replication:
    """The queue of one archive's replica."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def waiting(self, after: int, limit: int) -> list[Waiting]:
        """Name up to ``limit`` waiting objects behind row ``after``, in order."""
        statement = (
            select(StoredObject.id, StoredObject.object_id, StoredObject.size)
            .where(StoredObject.replicated_at.is_(None), StoredObject.id > after)
            .order_by(StoredObject.id)
            .limit(limit)
        )
        with self._database.read() as connection:
            return [Waiting(*row) for row in connection.execute(statement)]

    def done(self, object_ids: Collection[bytes]) -> set[bytes]:
        """Say that the replica holds objects; give those that a row still names."""
        if not object_ids:
            return set()
        statement = (
            update(StoredObject)
            .where(StoredObject.object_id.in_(object_ids))
            .values(replicated_at=utc_now(), replica_damage=None)
            .returning(StoredObject.object_id)
        )
        with self._database.write() as connection:
            return set(connection.scalars(statement))

    def is_new(self) -> bool:
        """Whether the replica was never seen to hold anything."""
        seen = select(StoredObject.id).where(StoredObject.replicated_at.is_not(None)).limit(1)
        with self._database.read() as connection:
            return connection.scalar(seen) is None

    def renew(self) -> None:
        """Say that the replica is another, empty one: everything waits for it."""
        with self._database.write() as connection:
            connection.execute(update(StoredObject).values(replicated_at=None))
            connection.execute(delete(ReplicaRemoval))

    def lost(self, object_id: bytes) -> None:
        """Say that the replica does not hold a sound object: it waits again."""
        with self._database.write() as connection:
            connection.execute(
                update(StoredObject)
                .where(StoredObject.object_id == object_id)
                .values(replicated_at=None)
            )

    def remove(self, removal: Removal) -> None:
        """Ask that a file leaves the replica; durable on return."""
        values = {"kind": removal.kind.value, "file_id": removal.file_id, "since": utc_now()}
        with self._database.write() as connection:
            connection.execute(delete(ReplicaRemoval).where(_is(removal)))
            connection.execute(insert(ReplicaRemoval).values(**values))

    def removals(self, limit: int) -> list[Removal]:
        """Name up to ``limit`` files that are to leave the replica, the first asked first."""
        statement = select(ReplicaRemoval.kind, ReplicaRemoval.file_id)
        with self._database.read() as connection:
            rows = connection.execute(statement.order_by(ReplicaRemoval.since).limit(limit))
            return [Removal(Kind(row.kind), row.file_id) for row in rows]

    def removed(self, removal: Removal) -> None:
        """Say that a file has left the replica."""
        with self._database.write() as connection:
            connection.execute(delete(ReplicaRemoval).where(_is(removal)))

    def read(self, object_id: bytes, fault: str) -> None:
        """Count that an object was read from the replica, and for what fault of the store's own."""
        again = (
            update(ReplicaRead)
            .where(ReplicaRead.object_id == object_id)
            .values(kind=fault, reads=ReplicaRead.reads + 1, last_at=utc_now())
        )
        first = {"object_id": object_id, "kind": fault, "reads": 1, "last_at": utc_now()}
        with self._database.write() as connection:
            if connection.execute(again).rowcount == 0:
                connection.execute(insert(ReplicaRead).values(**first))

    def repaired(self, object_id: bytes) -> None:
        """Say that the store's own object and its copy are sound again."""
        with self._database.write() as connection:
            connection.execute(delete(ReplicaRead).where(ReplicaRead.object_id == object_id))
            _mark_sound(connection, [object_id])

    def sound(self, object_ids: Collection[bytes]) -> None:
        """Say that the replica's copies of objects were read just now, and found sound."""
        with self._database.write() as connection:
            _mark_sound(connection, object_ids)

    def damaged(self, object_id: bytes, kind: str, found_by: str) -> bool:
        """Say what was found wrong with a copy, with a trail entry where it is news.

        Returns:
            Whether the replica was to have it: a row names it, and says that it was copied.
        """
        with self._database.write() as connection:
            row = connection.execute(_COPY.where(StoredObject.object_id == object_id)).one_or_none()
            if row is None:
                return False
            if row.replica_damage != kind:
                is_it = StoredObject.object_id == object_id
                connection.execute(update(StoredObject).where(is_it).values(replica_damage=kind))
                names = {"sop_instance_uid": row.sop_instance_uid, "entry": row.entry_id.hex()}
                details = {"kind": kind, "found_by": found_by, "where": "replica"}
                trail.append(connection, "damaged", names | details)
        return True

    def lag(self) -> Lag:
        """Say how far the replica is behind."""
        behind = select(
            func.count(),
            func.coalesce(func.sum(StoredObject.size), 0),
            func.min(StoredObject.sealed_at),
        ).where(StoredObject.replicated_at.is_(None))
        reads = select(func.count(), func.coalesce(func.sum(ReplicaRead.reads), 0)).select_from(
            ReplicaRead
        )
        removals = select(func.count()).select_from(ReplicaRemoval)
        is_damaged = StoredObject.replica_damage.is_not(None)
        rotten = select(func.count()).select_from(StoredObject).where(is_damaged)
        with self._database.read() as connection:
            waiting, size, oldest = connection.execute(behind).one()
            objects, times = connection.execute(reads).one()
            leaving = connection.execute(removals).scalar_one()
            damaged = connection.execute(rotten).scalar_one()
        return Lag(int(waiting), int(size), oldest, leaving, int(objects), int(times), damaged)


_COPY: Final = (
    select(StoredObject.replica_damage, Revision.entry_id, Instance.sop_instance_uid)
    .join(Revision, Revision.id == StoredObject.revision_id)
    .join(Instance, Instance.id == Revision.instance_id)
    .where(StoredObject.replicated_at.is_not(None))
)


def _mark_sound(connection: Connection, object_ids: Collection[bytes]) -> None:
    connection.execute(
        update(StoredObject)
        .where(StoredObject.object_id.in_(object_ids), StoredObject.replica_damage.is_not(None))
        .values(replica_damage=None)
    )


def _is(removal: Removal) -> ColumnElement[bool]:
    is_kind = ReplicaRemoval.kind == removal.kind.value
    return and_(is_kind, ReplicaRemoval.file_id == removal.file_id)
