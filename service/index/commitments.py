"""Storage commitment transactions (PS3.4 Annex J): rows, so that they outlive a restart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, bindparam, insert, or_, select, update
from sqlalchemy.orm import aliased

from dicom.archive import Commitment, CommitmentItem, Peer
from dicom.status import FailureReason
from service.index import trail
from service.index.database import AnyRow, Database
from service.index.tables import (
    JOURNALLED,
    CommandUid,
    CommitmentReference,
    CommitmentRequest,
    Instance,
    Revision,
)
from service.sequence import utc_now

_PADDING: Final = " \0"
"""Around UIDs, no part of them (PS3.5 6.2)."""
_SECOND: Final = 1_000_000
_LOOK_AGAIN_S: Final = 1.0
"""Seconds until a transaction whose instances are still being archived is looked at again."""
_LONGEST_RETRY_S: Final = 3600.0
_LEASE_S: Final = 300.0
"""Seconds that a claimed report may take until it is due again, as its process may have died. To
connect, associate, be answered and release takes less than 180 s with the default timeouts."""


class Commitments:
    """The transactions of one archive."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, commitment: Commitment, wait_s: float) -> int:
        """Record a request, whose instances may take ``wait_s`` seconds to be archived.

        Gives its number; a transaction that this peer asked for already and waits for is the same.
        """
        now = utc_now()
        with self._database.write() as connection:
            known = connection.scalar(select(CommitmentRequest.id).where(*_is(commitment)))
            if known is not None:
                return known
            number: int = connection.execute(
                insert(CommitmentRequest)
                .values(
                    transaction_uid=commitment.transaction_uid,
                    calling_ae=commitment.peer.calling_ae,
                    called_ae=commitment.peer.called_ae,
                    address=commitment.peer.address,
                    requested_at=now,
                    deadline=now + int(wait_s * _SECOND),
                    next_attempt=now,
                    attempts=0,
                    delivered=False,
                )
                .returning(CommitmentRequest.id)
            ).scalar_one()
            rows = [
                {
                    "commitment_id": number,
                    "position": position,
                    "sop_class_uid": item.sop_class_uid.strip(_PADDING),
                    "sop_instance_uid": item.sop_instance_uid.strip(_PADDING),
                }
                for position, item in enumerate(commitment.items)
            ]
            if rows:
                connection.execute(insert(CommitmentReference), rows)
            trail.append(connection, "commitment requested", _details(commitment, len(rows)))
        return number

    def due(self, limit: int = 16) -> list[Commitment]:
        """Give transactions to be reported now, each item's outcome filled in.

        A transaction is due when no item waits in the journal any more, or its time is over.
        """
        now = utc_now()
        statement = (
            select(CommitmentRequest.__table__)
            .where(CommitmentRequest.next_attempt <= now)
            .order_by(CommitmentRequest.next_attempt, CommitmentRequest.id)
            .limit(limit)
        )
        with self._database.read() as connection:
            looked_at = [
                (row, _outcomes(connection, row.id)) for row in connection.execute(statement).all()
            ]
        due = []
        for row, (items, waiting) in looked_at:
            if waiting and row.deadline > now:
                self._put_off(row, now)
            else:
                due.append(_commitment(row, items))
        return due

    def claim(self, commitment: Commitment) -> bool:
        """Take a due report on: True for one caller alone, who then notes what became of it."""
        now = utc_now()
        with self._database.write() as connection:
            claimed = connection.execute(
                update(CommitmentRequest)
                .where(*_is(commitment), CommitmentRequest.next_attempt <= now)
                .values(next_attempt=now + int(_LEASE_S * _SECOND))
            )
            return claimed.rowcount == 1

    def reported(
        self, commitment: Commitment, *, delivered: bool, retries: int, retry_s: float
    ) -> None:
        """Note an attempt to deliver a claimed report: done, or tried again later, or given up.

        The pause is ``retry_s`` after the first attempt and doubles with each one, up to an hour.
        Nothing changes where another attempt was delivered after the claim ran out.
        """
        with self._database.write() as connection:
            row = connection.execute(
                select(CommitmentRequest.__table__).where(*_is(commitment))
            ).one_or_none()
            if row is None:
                return
            attempts = row.attempts + 1
            pause_s = min(retry_s * 2 ** min(row.attempts, 30), _LONGEST_RETRY_S)
            again = None if delivered or attempts >= retries else utc_now() + int(pause_s * _SECOND)
            connection.execute(
                update(CommitmentRequest)
                .where(CommitmentRequest.id == row.id)
                .values(attempts=attempts, delivered=delivered, next_attempt=again)
            )
            details = {"transaction_uid": row.transaction_uid, "delivered": delivered}
            trail.append(connection, "commitment reported", details | {"attempt": attempts})

    def pending(self) -> int:
        """Count the transactions that are neither delivered nor given up."""
        statement = select(CommitmentRequest.id).where(CommitmentRequest.next_attempt.is_not(None))
        with self._database.read() as connection:
            return len(connection.execute(statement).all())

    def _put_off(self, row: AnyRow, now: int) -> None:
        """Look at a transaction again later, unless someone has claimed it meanwhile."""
        later = now + int(_LOOK_AGAIN_S * _SECOND)
        with self._database.write() as connection:
            connection.execute(
                update(CommitmentRequest)
                .where(
                    CommitmentRequest.id == row.id,
                    CommitmentRequest.next_attempt == row.next_attempt,
                )
                .values(next_attempt=later)
            )


def _is(commitment: Commitment) -> tuple[ColumnElement[bool], ...]:
    """Name the one transaction of a peer, as long as it is neither delivered nor given up."""
    return (
        CommitmentRequest.transaction_uid == commitment.transaction_uid,
        CommitmentRequest.calling_ae == commitment.peer.calling_ae,
        CommitmentRequest.next_attempt.is_not(None),
    )


def _details(commitment: Commitment, items: int) -> dict[str, Any]:
    return {
        "transaction_uid": commitment.transaction_uid,
        "calling_ae": commitment.peer.calling_ae,
        "items": items,
    }


def _commitment(row: AnyRow, items: Sequence[CommitmentItem]) -> Commitment:
    peer = Peer(row.calling_ae, row.called_ae, row.address)
    return Commitment(row.transaction_uid, peer, items)


def _outcomes(connection: Connection, number: int) -> tuple[list[CommitmentItem], bool]:
    """Judge each item; say whether one of them may still be archived."""
    rows = connection.execute(_REVISIONS, {"number": number})
    judged = [_judge(list(named)) for _, named in groupby(rows, lambda row: row.position)]
    return [item for item, _ in judged], any(waits for _, waits in judged)


_OWNER: Final = aliased(Instance)

_REVISIONS: Final = (
    select(
        CommitmentReference.position,
        CommitmentReference.sop_class_uid.label("asked_class_uid"),
        CommitmentReference.sop_instance_uid,
        Revision.state,
        Revision.sop_class_uid,
        Revision.command_sop_class_uid,
        _OWNER.series_id,
    )
    .select_from(CommitmentReference)
    .outerjoin(Instance, Instance.sop_instance_uid == CommitmentReference.sop_instance_uid)
    .outerjoin(CommandUid, CommandUid.sop_instance_uid == CommitmentReference.sop_instance_uid)
    .outerjoin(
        Revision,
        or_(Revision.instance_id == Instance.id, Revision.id == CommandUid.revision_id),
    )
    .outerjoin(_OWNER, _OWNER.id == Revision.instance_id)
    .where(CommitmentReference.commitment_id == bindparam("number"))
    .order_by(CommitmentReference.position)
)
"""Each item of a transaction with every revision that it names; one row of NULLs where none."""


def _judge(named: Sequence[AnyRow]) -> tuple[CommitmentItem, bool]:
    """Success only where every revision that the item names is in a verified object.

    What is hidden, since it is deleted or rejected, is not committed to.
    """
    item = CommitmentItem(named[0].asked_class_uid, named[0].sop_instance_uid)
    if any(row.series_id is None for row in named):
        return replace(item, failure=FailureReason.NO_SUCH_OBJECT_INSTANCE), False
    classes = {uid for row in named for uid in (row.sop_class_uid, row.command_sop_class_uid)}
    if item.sop_class_uid not in classes:
        return replace(item, failure=FailureReason.CLASS_INSTANCE_CONFLICT), False
    if any(row.state == JOURNALLED for row in named):
        return replace(item, failure=FailureReason.PROCESSING_FAILURE), True
    return item, False
