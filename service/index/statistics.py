"""How much the archive holds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, or_, select

from service.index.database import Database
from service.index.tables import (
    IS_REFUSED,
    Instance,
    Patient,
    Revision,
    Series,
    StoredObject,
    Study,
    TrailEntry,
)


@dataclass(frozen=True, slots=True)
class Statistics:
    """Counts of rows, and bytes."""

    patients: int
    studies: int
    series: int
    instances: int
    """Those that queries find."""
    hidden: int
    """Instances that are deleted but not purged yet, or rejected."""
    revisions: int
    quarantined: int
    mismatched: int
    """Revisions whose command named another SOP Instance or Class UID than their dataset."""
    ambiguous_studies: int
    """Studies whose Study Instance UID another patient has too."""
    damaged: int
    """Revisions that were found damaged when they were last read."""
    oldest_verification: int | None
    """When the object was verified that has waited longest, microseconds since 1970 UTC."""
    journal: int
    objects: int
    received_bytes: int
    """Of the datasets of all archived revisions, as they came."""
    stored_bytes: int
    """Of their objects."""
    refused_users: int
    """How often a peer was refused because its user was not proven, as far as the trail goes."""


def statistics(database: Database) -> Statistics:
    """Count everything, in one statement."""
    held = Revision.id == StoredObject.revision_id
    received = select(func.coalesce(func.sum(Revision.length), 0)).where(held)
    stored = select(func.coalesce(func.sum(StoredObject.size), 0))
    waiting = Revision.quarantined.is_not(None) & ~Revision.rejected
    mismatch = or_(
        Revision.command_sop_instance_uid != "",
        Revision.command_sop_class_uid.not_in(["", Revision.sop_class_uid]),
    )
    counts: list[Any] = [
        _count(Patient),
        _count(Study),
        _count(Series),
        _count(Instance).where(Instance.series_id.is_not(None)),
        _count(Instance).where(Instance.series_id.is_(None)),
        _count(Revision),
        _count(Revision).where(waiting),
        _count(Revision).where(mismatch),
        _count(Study).where(Study.ambiguous),
        _count(Revision).where(Revision.damage.is_not(None)),
        select(func.min(Revision.verified_at)),
        _count(Revision).where(Revision.state == "journalled"),
        _count(StoredObject),
        received,
        stored,
        _count(TrailEntry).where(IS_REFUSED),
    ]
    with database.read() as connection:
        row = connection.execute(select(*(count.scalar_subquery() for count in counts))).one()
    return Statistics(*(None if value is None else int(value) for value in row))  # type: ignore[arg-type]


def _count(table: type[Any]) -> Any:
    return select(func.count()).select_from(table)
