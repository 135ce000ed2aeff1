"""Legal holds: what they cover is not deleted, and no key that it needs is destroyed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, insert, select, update

from service.errors import Held, Unknown
from service.index import decided, effective, named, trail
from service.index.corrections import Author
from service.index.database import Database
from service.index.tables import Hold
from service.sequence import utc_now


@dataclass(frozen=True, slots=True)
class LegalHold:
    """One hold as it was entered."""

    id: int
    level: str
    """``patient``, ``study``, ``series`` or ``instance``."""
    key: str
    """Of a patient as :func:`service.index.patient` names it, else the UID."""
    by: str
    at: int
    reason: str
    released_by: str | None
    released_at: int | None


@dataclass(frozen=True, slots=True)
class Place:
    """Where a revision belongs, as received."""

    patient_key: str
    study_uid: str
    series_uid: str
    sop_instance_uid: str


class Holds:
    """The holds of one index."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, level: str, key: str, author: Author, *, again: bool = False) -> int:
        """Hold a patient, study, series or instance; give the hold's number.

        What comes later is held too where it belongs to it. A patient's studies are those received
        for it and those that corrections show under it.

        Args:
            level: ``patient``, ``study``, ``series`` or ``instance``.
            key: of a patient (:func:`service.index.patient`), else the UID.
            author: who, and why.
            again: it was decided before, when there was something to hold.

        Raises:
            Unknown: the archive has nothing of that name.
        """
        at = utc_now() if author.at is None else author.at
        values = {"level": level, "key": key, "by": author.by, "at": at, "reason": author.reason}
        with self._database.write() as connection:
            if not again:
                _require_known(connection, level, key)
            decided.enter(connection, author.at, "hold")
            number: int = connection.execute(
                insert(Hold).values(**values).returning(Hold.id)
            ).scalar_one()
            trail.append(connection, "held", {"hold": number, "level": level, "by": author.by})
        return number

    def release(self, hold: int, author: Author) -> None:
        """Release a hold.

        Raises:
            Unknown: no such hold is in force.
        """
        at = utc_now() if author.at is None else author.at
        with self._database.write() as connection:
            released = connection.execute(
                update(Hold)
                .where(Hold.id == hold, Hold.released_at.is_(None))
                .values(released_by=author.by, released_at=at)
            )
            if released.rowcount != 1:
                raise Unknown(f"no hold {hold} is in force")
            decided.enter(connection, author.at, "release")
            details = {"hold": hold, "by": author.by, "reason": author.reason}
            trail.append(connection, "hold released", details)

    def list(self) -> list[LegalHold]:
        """Give all holds, released ones too, in the order they were made."""
        with self._database.read() as connection:
            rows = connection.execute(select(Hold.__table__).order_by(Hold.id))
            return [LegalHold(*row) for row in rows]


def require_free(connection: Connection, places: Iterable[Place]) -> None:
    """Refuse what a hold in force covers.

    Raises:
        Held: naming the holds.
    """
    found = holding(connection, places)
    if found:
        numbers = ", ".join(str(number) for number in found)
        raise Held(f"hold {numbers}; see radiolith hold ls")


def holding(connection: Connection, places: Iterable[Place]) -> Sequence[int]:
    """Give the numbers of the holds in force that cover any of these revisions."""
    statement = select(Hold.id, Hold.level, Hold.key).where(Hold.released_at.is_(None))
    holds = {(row.level, row.key): row.id for row in connection.execute(statement)}
    if not holds:
        return []
    shown = effective.Showing(connection)
    names = {name for place in set(places) for name in _names(place, shown)}
    return sorted(number for name, number in holds.items() if name in names)


def _names(place: Place, shown: effective.Showing) -> tuple[tuple[str, str], ...]:
    return (
        (named.PATIENT, place.patient_key),
        (named.PATIENT, shown.patient(place.patient_key, place.study_uid)),
        (named.STUDY, place.study_uid),
        (named.SERIES, place.series_uid),
        (named.INSTANCE, place.sop_instance_uid),
    )


def _require_known(connection: Connection, level: str, key: str) -> None:
    if not named.instances(connection, level, key):
        raise Unknown(f"no such {level}")
