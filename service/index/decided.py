"""Which decisions an index has taken in: each note once, in the transaction of its effect."""

from __future__ import annotations

from sqlalchemy import Connection, insert, select

from service.index.database import Database
from service.index.tables import Decided


class Decisions:
    """The decisions that one index has taken in."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def knows(self, sequence: int) -> bool:
        """Whether the decision of the note of that receive sequence was taken in."""
        with self._database.read() as connection:
            return _is_known(connection, sequence)

    def known(self) -> frozenset[int]:
        """Give the receive sequences of all notes that were taken in."""
        with self._database.read() as connection:
            return frozenset(connection.scalars(select(Decided.sequence)))


def enter(connection: Connection, sequence: int | None, kind: str) -> None:
    """Take a decision in, in the caller's transaction; one without a note leaves no trace."""
    if sequence is not None:
        connection.execute(insert(Decided).values(sequence=sequence, kind=kind))


def _is_known(connection: Connection, sequence: int) -> bool:
    found = connection.scalar(select(Decided.sequence).where(Decided.sequence == sequence))
    return found is not None
