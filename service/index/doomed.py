"""The revisions that a deletion covers: found, noted down, told in the trail, and removed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, delete, insert, select

from service.errors import Unknown
from service.index import holds, trail
from service.index.corrections import Author
from service.index.database import AnyRow
from service.index.hiding import MARKED
from service.index.holds import Place
from service.index.pages import pages
from service.index.tables import (
    CommandUid,
    DeletedRevision,
    Deletion,
    Instance,
    PurgedObject,
    Revision,
    StoredObject,
)

_TOLD: Final = 1000
"""Revisions that one trail entry names: some 250 bytes each."""


@dataclass(frozen=True, slots=True)
class Doomed:
    """A revision that a deletion covers, or would."""

    entry_id: bytes
    sop_instance_uid: str
    number: int
    sha256: bytes


@dataclass(frozen=True, slots=True)
class Covered:
    """What a deletion would cover."""

    revisions: Sequence[Doomed]
    instances: int
    bytes: int
    """As received."""
    holds: Sequence[int]
    """Numbers of the holds that forbid it."""


def of_instances(connection: Connection, instances: Iterable[int]) -> list[AnyRow]:
    """Give every revision of instances, with what says where it belongs."""
    return _facts(connection, Revision.instance_id, instances)


def of_uids(connection: Connection, uids: Iterable[str]) -> list[AnyRow]:
    """Give every revision of instances, by SOP Instance UID."""
    return _facts(connection, Instance.sop_instance_uid, uids)


def by_row(connection: Connection, revisions: Iterable[int]) -> list[AnyRow]:
    """Give revisions by their rows."""
    return _facts(connection, Revision.id, revisions)


def by_entry(connection: Connection, entry_ids: Iterable[bytes]) -> list[AnyRow]:
    """Give revisions by their receptions; those that are not there are left out."""
    return _facts(connection, Revision.entry_id, entry_ids)


def of_one_patient(rows: Sequence[AnyRow], patient_key: str) -> list[AnyRow]:
    """Leave out the instances of other patients."""
    kept = {row.instance_id for row in rows if row.patient_key == patient_key}
    return [row for row in rows if row.instance_id in kept]


def covered(connection: Connection, rows: Sequence[AnyRow], nothing: str) -> Covered:
    """Say what a deletion of these revisions would cover: those that no other one covers.

    Raises:
        Unknown: that is none, told as ``nothing``.
    """
    marked = _marked(connection, [row.entry_id for row in rows])
    left = [row for row in rows if row.entry_id not in marked]
    if not left:
        raise Unknown(nothing)
    return Covered(
        revisions=[Doomed(row.entry_id, row.sop_instance_uid, row.number, row.sha256)
                   for row in left],
        instances=len({row.sop_instance_uid for row in left}),
        bytes=sum(row.length for row in left),
        holds=holds.holding(connection, map(place, left)),
    )  # fmt: skip


def place(row: AnyRow) -> Place:
    """Say where a revision belongs."""
    return Place(row.patient_key, row.study_uid, row.series_uid, row.sop_instance_uid)


def note_down(connection: Connection, deletion: int, revisions: Iterable[Doomed]) -> None:
    """Keep which revisions a deletion covers."""
    for page in pages(revisions):
        rows = [
            {
                "deletion_id": deletion,
                "entry_id": one.entry_id,
                "sop_instance_uid": one.sop_instance_uid,
                "number": one.number,
                "sha256": one.sha256,
            }
            for one in page
        ]
        connection.execute(insert(DeletedRevision), rows)


def entries(connection: Connection, deletion: int) -> list[bytes]:
    """Name the receptions that a deletion covers."""
    return [one.entry_id for one in _noted(connection, deletion)]


def remove(connection: Connection, deletion: int, rows: Sequence[AnyRow]) -> None:
    """Remove the rows of revisions and of instances left without any, noting their objects."""
    for page in pages(rows):
        revisions = [row.id for row in page]
        _note_objects(connection, deletion, StoredObject.revision_id.in_(revisions))
        for table in (StoredObject, CommandUid):
            connection.execute(delete(table).where(table.revision_id.in_(revisions)))
        connection.execute(delete(Revision).where(Revision.id.in_(revisions)))
        left = select(Revision.id).where(Revision.instance_id == Instance.id).exists()
        instances = {row.instance_id for row in page}
        connection.execute(delete(Instance).where(Instance.id.in_(instances), ~left))


def tell(connection: Connection, event: str, deletion: int, author: Author) -> None:
    """Enter in the trail who, why, and which bytes: by reception and hash."""
    at = connection.scalar(select(Deletion.at).where(Deletion.id == deletion))
    details = {"deletion": deletion, "deleted_at": at, "by": author.by, "reason": author.reason}
    for page in pages(_noted(connection, deletion), _TOLD):
        told = [
            {
                "entry": one.entry_id.hex(),
                "sop_instance_uid": one.sop_instance_uid,
                "revision": one.number,
                "sha256": one.sha256.hex(),
            }
            for one in page
        ]
        trail.append(connection, event, details | {"revisions": told})


def _facts(connection: Connection, column: Any, values: Iterable[Any]) -> list[AnyRow]:
    return [
        row
        for page in pages(values)
        for row in connection.execute(_FACTS.where(column.in_(page)).order_by(Revision.id))
    ]


_FACTS: Final = select(
    Revision.id, Revision.instance_id, Revision.entry_id, Revision.number, Revision.sha256,
    Revision.length, Revision.served, Revision.patient_key, Revision.study_uid,
    Revision.series_uid, Instance.sop_instance_uid,
).join(Instance, Instance.id == Revision.instance_id)  # fmt: skip


def _marked(connection: Connection, entry_ids: Sequence[bytes]) -> set[bytes]:
    statement = (
        select(DeletedRevision.entry_id)
        .join(Deletion, Deletion.id == DeletedRevision.deletion_id)
        .where(Deletion.state == MARKED)
    )
    return {
        entry_id
        for page in pages(entry_ids)
        for entry_id in connection.scalars(statement.where(DeletedRevision.entry_id.in_(page)))
    }


def _noted(connection: Connection, deletion: int) -> list[Doomed]:
    statement = select(
        DeletedRevision.entry_id,
        DeletedRevision.sop_instance_uid,
        DeletedRevision.number,
        DeletedRevision.sha256,
    ).where(DeletedRevision.deletion_id == deletion)
    ordered = statement.order_by(DeletedRevision.sop_instance_uid, DeletedRevision.number)
    return [Doomed(*row) for row in connection.execute(ordered)]


def _note_objects(connection: Connection, deletion: int, which: ColumnElement[bool]) -> None:
    rows = [
        {"object_id": object_id, "deletion_id": deletion}
        for object_id in connection.scalars(select(StoredObject.object_id).where(which))
    ]
    if rows:
        connection.execute(insert(PurgedObject), rows)
