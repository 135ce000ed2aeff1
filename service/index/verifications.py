"""When each object was last verified, and what was found wrong: for the scrubber and for alarms."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from sqlalchemy import ColumnElement, func, select, update

from service.index import trail
from service.index.database import Database
from service.index.pages import pages
from service.index.tables import Instance, Revision, StoredObject
from service.sequence import utc_now

_IS_DAMAGED: Final[ColumnElement[bool]] = Revision.damage.is_not(None)


@dataclass(frozen=True, slots=True)
class Verified:
    """How far the archive's objects have been verified."""

    objects: int
    bytes: int
    """Of all objects, sealed."""
    oldest: int | None
    """When the object was verified that has waited longest, microseconds since 1970 UTC; None
    without objects."""
    damaged: int
    """Revisions that were found damaged when they were last read."""


class Verifications:
    """What one index knows of verifications."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def longest_ago(self, limit: int) -> list[int]:
        """Name the revisions with an object that has waited longest, that one first."""
        statement = (
            select(Revision.id)
            .where(Revision.verified_at.is_not(None))
            .order_by(Revision.verified_at, Revision.id)
            .limit(limit)
        )
        with self._database.read() as connection:
            return list(connection.scalars(statement))

    def sound(self, revisions: Collection[int]) -> None:
        """Say that the objects of these revisions were verified just now, and found sound."""
        with self._database.write() as connection:
            for page in pages(revisions):
                connection.execute(
                    update(Revision)
                    .where(Revision.id.in_(page), Revision.verified_at.is_not(None))
                    .values(verified_at=utc_now(), damage=None)
                )

    def damaged(self, revision_id: int, kind: str, found_by: str) -> bool:
        """Say what was found wrong with a revision just now, with a trail entry where it is news.

        Returns:
            Whether it is news.
        """
        with self._database.write() as connection:
            row = connection.execute(
                select(
                    Instance.sop_instance_uid,
                    Revision.entry_id,
                    Revision.damage,
                    Revision.verified_at,
                )
                .join(Instance, Instance.id == Revision.instance_id)
                .where(Revision.id == revision_id)
            ).one_or_none()
            if row is None:
                return False
            at = None if row.verified_at is None else utc_now()
            connection.execute(
                update(Revision)
                .where(Revision.id == revision_id)
                .values(damage=kind, verified_at=at)
            )
            if row.damage == kind:
                return False
            names = {"sop_instance_uid": row.sop_instance_uid, "entry": row.entry_id.hex()}
            trail.append(connection, "damaged", names | {"kind": kind, "found_by": found_by})
            return True

    def summary(self) -> Verified:
        """Sum up, in one statement."""
        statement = select(
            select(func.count()).select_from(StoredObject).scalar_subquery(),
            select(func.coalesce(func.sum(StoredObject.size), 0)).scalar_subquery(),
            select(func.min(Revision.verified_at)).scalar_subquery(),
            select(func.count()).select_from(Revision).where(_IS_DAMAGED).scalar_subquery(),
        )
        with self._database.read() as connection:
            return Verified(*connection.execute(statement).one())
