"""What hides instances: deletions before they are purged, and rejection notes in force.

Either covers revisions. An instance is hidden while the revision that stands for it is covered: it
leaves its series then, and neither query, retrieval nor commitment reaches it. What an instance was
before is asked at each reception, in one statement.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sqlalchemy import ColumnElement, Connection, bindparam, func, or_, select

from service.index.tables import (
    DeletedRevision,
    Deletion,
    Instance,
    RejectedInstance,
    Rejection,
    Revision,
)

MARKED: Final = "marked"
UNDONE: Final = "undone"
PURGING: Final = "purging"
PURGED: Final = "purged"

EXPIRED: Final = "113039"
"""DCM: Data Retention Policy Expired. Such a note is about what came before it alone."""
REFUSED: Final = ("113037", "113038")
"""DCM: Rejected for Patient Safety Reasons, Incorrect Modality Worklist Entry. What such a note has
hidden is not accepted again (IHE RAD TF-3 4.66.4.2.3.1, 4.66.4.3.3)."""


def covered() -> ColumnElement[bool]:
    """Say in SQL whether a revision is covered; for statements that select Revision, Instance."""
    deleted = (
        select(DeletedRevision.entry_id)
        .join(Deletion, Deletion.id == DeletedRevision.deletion_id)
        .where(DeletedRevision.entry_id == Revision.entry_id, Deletion.state == MARKED)
        .correlate(Revision)
    )
    rejected = (
        select(RejectedInstance.rejection_id)
        .join(Rejection, Rejection.id == RejectedInstance.rejection_id)
        .where(
            RejectedInstance.sop_instance_uid == Instance.sop_instance_uid,
            RejectedInstance.study_uid == Revision.study_uid,
            in_force(),
            or_(Rejection.code != EXPIRED, Revision.sequence <= Rejection.at),
        )
        .correlate(Revision, Instance)
    )
    return or_(deleted.exists(), rejected.exists())


def in_force() -> ColumnElement[bool]:
    """Say in SQL whether a rejection note hides what it names."""
    return Rejection.hides & Rejection.revoked_at.is_(None)


@dataclass(frozen=True, slots=True)
class Past:
    """What is known of an instance besides the revisions that are there."""

    number: int
    """The largest number of a revision of it that was ever deleted, 0 for none."""
    deleted: bool
    """Whether a revision of it is marked as deleted."""
    rejected: bool
    """Whether a rejection note hides it now, or what comes of it."""
    refused: bool
    """Whether no more of it is accepted, once it was received; a note itself may come again."""


NOTHING: Final = Past(0, False, False, False)
"""Of an instance that nothing happened to."""

_DELETED: Final = (
    select(func.max(DeletedRevision.number))
    .where(DeletedRevision.sop_instance_uid == bindparam("uid"))
    .scalar_subquery()
)
_MARKED: Final = (
    select(DeletedRevision.entry_id)
    .join(Deletion, Deletion.id == DeletedRevision.deletion_id)
    .where(DeletedRevision.sop_instance_uid == bindparam("uid"), Deletion.state == MARKED)
    .exists()
)
_NAMED: Final = (
    select(RejectedInstance.rejection_id)
    .join(Rejection, Rejection.id == RejectedInstance.rejection_id)
    .where(
        RejectedInstance.sop_instance_uid == bindparam("uid"),
        RejectedInstance.study_uid == bindparam("study_uid"),
        in_force(),
        Rejection.code != EXPIRED,
    )
)
# Built once: it is run at each reception.
_PAST: Final = select(
    _DELETED.label("number"),
    _MARKED.label("deleted"),
    _NAMED.exists().label("rejected"),
    _NAMED.where(Rejection.code.in_(REFUSED), Rejection.sop_instance_uid != bindparam("uid"))
    .exists()
    .label("refused"),
)


def past(connection: Connection, sop_instance_uid: str, study_uid: str) -> Past:
    """Look up what happened to an instance of a study before."""
    row = connection.execute(_PAST, {"uid": sop_instance_uid, "study_uid": study_uid}).one()
    return Past(row.number or 0, bool(row.deleted), bool(row.rejected), bool(row.refused))
