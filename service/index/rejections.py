"""Rejection notes (IHE RAD IOCM) that were received, and what they name: received or not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, func, insert, select, update

from service.errors import Unknown
from service.index import decided, trail
from service.index.corrections import Author
from service.index.database import Database
from service.index.pages import pages
from service.index.tables import Instance, RejectedInstance, Rejection
from service.index.visibility import refresh
from service.sequence import utc_now


@dataclass(frozen=True, slots=True)
class Note:
    """What a rejection note says, and what comes of it."""

    entry_id: bytes
    """Of the reception that brought it."""
    sop_instance_uid: str
    """Its own."""
    code: str
    """Its document title: a code value of DCM."""
    hides: bool
    instances: Sequence[tuple[str, str]]
    """Study and SOP Instance UID of what it hides, itself included."""

    def to_json(self) -> dict[str, object]:
        """Give what a sealed note keeps of it."""
        return {
            "entry": self.entry_id.hex(),
            "sop_instance_uid": self.sop_instance_uid,
            "code": self.code,
            "hides": self.hides,
            "instances": [list(one) for one in self.instances],
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Note:
        """Read what :meth:`to_json` gave."""
        return cls(
            entry_id=bytes.fromhex(content["entry"]),
            sop_instance_uid=content["sop_instance_uid"],
            code=content["code"],
            hides=bool(content["hides"]),
            instances=[(study, instance) for study, instance in content["instances"]],
        )


@dataclass(frozen=True, slots=True)
class Rejected:
    """One rejection note, as the index has it."""

    id: int
    entry_id: bytes
    sop_instance_uid: str
    code: str
    by: str
    """AE title that sent it."""
    at: int
    hides: bool
    revoked_by: str | None
    revoked_at: int | None
    instances: int
    """How many it names, the note itself among them."""


class Rejections:
    """The rejection notes of one index."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def enter(self, note: Note, author: Author) -> int:
        """Take a rejection note in: what it names is hidden, and what of it comes later.

        Gives its number, or that of the same note where it is known already.
        """
        at = utc_now() if author.at is None else author.at
        with self._database.write() as connection:
            decided.enter(connection, author.at, "rejection")
            known = select(Rejection.id).where(Rejection.entry_id == note.entry_id)
            number = connection.scalar(known)
            if number is not None:
                return number
            number = _insert(connection, note, author, at)
            if note.hides:
                refresh(connection, _instances(connection, number))
            details = {"rejection": number, "code": note.code, "by": author.by}
            told = {"note": note.sop_instance_uid, "hides": note.hides}
            instances = [instance for _, instance in note.instances]
            trail.append(connection, "rejected", details | told | {"instances": instances})
        return number

    def knows(self, entry_id: bytes) -> bool:
        """Whether the note of a reception was taken in."""
        known = select(Rejection.id).where(Rejection.entry_id == entry_id)
        with self._database.read() as connection:
            return connection.scalar(known) is not None

    def revoke(self, rejection: int, author: Author) -> None:
        """Take a rejection note's effect back.

        Raises:
            Unknown: no such note is in force.
        """
        at = utc_now() if author.at is None else author.at
        with self._database.write() as connection:
            revoked = connection.execute(
                update(Rejection)
                .where(Rejection.id == rejection, Rejection.revoked_at.is_(None))
                .values(revoked_by=author.by, revoked_at=at)
            )
            if revoked.rowcount != 1:
                raise Unknown(f"no rejection {rejection} is in force")
            decided.enter(connection, author.at, "revoke")
            refresh(connection, _instances(connection, rejection))
            details = {"rejection": rejection, "by": author.by, "reason": author.reason}
            trail.append(connection, "rejection revoked", details)

    def made_at(self, rejection: int) -> int:
        """Give the receive sequence of a rejection note.

        Raises:
            Unknown: there is none of that number.
        """
        return self._column(Rejection.at, Rejection.id == rejection)

    def by_sequence(self, sequence: int) -> int:
        """Find a rejection note by its receive sequence.

        Raises:
            Unknown: there is none.
        """
        return self._column(Rejection.id, Rejection.at == sequence)

    def list(self) -> list[Rejected]:
        """Give all rejection notes, revoked ones too, in the order they came."""
        statement = (
            select(Rejection.__table__, func.count())
            .join(RejectedInstance, RejectedInstance.rejection_id == Rejection.id)
            .group_by(Rejection.id)
            .order_by(Rejection.at)
        )
        with self._database.read() as connection:
            return [Rejected(*row) for row in connection.execute(statement)]

    def _column(self, wanted: Any, where: Any) -> int:
        with self._database.read() as connection:
            found: int | None = connection.scalar(select(wanted).where(where))
        if found is None:
            raise Unknown("no such rejection note")
        return found


def _insert(connection: Connection, note: Note, author: Author, at: int) -> int:
    values = {
        "entry_id": note.entry_id,
        "sop_instance_uid": note.sop_instance_uid,
        "code": note.code,
        "hides": note.hides,
    }
    number: int = connection.execute(
        insert(Rejection).values(**values, by=author.by, at=at).returning(Rejection.id)
    ).scalar_one()
    studies = {instance: study for study, instance in note.instances}
    for page in pages(studies.items()):
        rows = [
            {"rejection_id": number, "study_uid": study, "sop_instance_uid": instance}
            for instance, study in page
        ]
        connection.execute(insert(RejectedInstance), rows)
    return number


def _instances(connection: Connection, rejection: int) -> Sequence[int]:
    statement = (
        select(Instance.id)
        .join(RejectedInstance, RejectedInstance.sop_instance_uid == Instance.sop_instance_uid)
        .where(RejectedInstance.rejection_id == rejection)
    )
    return list(connection.scalars(statement))
