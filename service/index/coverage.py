"""Which instances a C-MOVE or C-GET identifier covers (PS3.4 C.4.2.2.1, C.4.3.2.1)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import ColumnElement, Connection, or_, select
from sqlalchemy.orm import aliased

from dicom.archive import ArchiveFault, Query
from dicom.matching import SingleValue, matches
from dicom.status import RetrieveStatus
from service.index.attributes import from_json, values_of
from service.index.database import AnySelect, Database
from service.index.identity import PATIENT_ID
from service.index.levels import UNIQUE_KEYS, Level, top
from service.index.narrow import MOST_UIDS, narrow
from service.index.query import level_of
from service.index.tables import (
    CommandUid,
    Instance,
    Patient,
    Revision,
    Series,
    StoredObject,
    Study,
)


@dataclass(frozen=True, slots=True)
class Servable:
    """One revision that can be handed out."""

    revision_id: int
    entry_id: bytes
    object_id: bytes | None
    """The object that holds it, None while it is in the journal."""
    sop_class_uid: str
    sop_instance_uid: str
    transfer_syntax: str
    length: int
    sha256: bytes


SERVABLE: Final = (
    Revision.id,
    Revision.entry_id,
    StoredObject.object_id,
    Revision.sop_class_uid,
    Instance.sop_instance_uid,
    Revision.transfer_syntax,
    Revision.length,
    Revision.sha256,
)


def servable() -> AnySelect:
    """Select every revision with its instance and, once archived, its object."""
    return (
        select(*SERVABLE)
        .select_from(Revision)
        .join(Instance, Instance.id == Revision.instance_id)
        .outerjoin(StoredObject, StoredObject.revision_id == Revision.id)
    )


def cover(database: Database, query: Query) -> list[Servable]:
    """Name the served revisions that an identifier covers: by study, series and instance number.

    Raises:
        ArchiveFault: 0xA900: the identifier does not fit its level and model, or names nothing.
    """
    level = level_of(query)
    texts = {key: _texts(query, key) for key in Level if top(query.model) <= key <= level}
    if not texts[level] or (level is Level.PATIENT and len(texts[level]) > 1):
        comment = f"a unique key is needed at the {level.name} level"
        raise ArchiveFault(RetrieveStatus.IDENTIFIER_DOES_NOT_MATCH_SOP_CLASS, comment)
    statement = _ordered()
    with database.read() as connection:
        if Level.PATIENT in texts:
            patients = _patients(connection, texts[Level.PATIENT][0])
            statement = statement.where(Study.shown_patient_id.in_(patients))
        for above in range(Level.STUDY, level):
            statement = statement.where(_named(Level(above), texts[Level(above)]))
        return list(_execute(connection, statement, level, texts[level]))


def _texts(query: Query, level: Level) -> list[str]:
    element = query.identifier.get(int(UNIQUE_KEYS[level], 16))
    if element is None or element.is_empty:
        return []
    values = element.value if element.VM > 1 else [element.value]
    stripped = (str(value).strip(" \0") for value in values)
    return [text for text in dict.fromkeys(stripped) if text]


def _ordered() -> AnySelect:
    return (
        servable()
        .join(Series, Series.id == Instance.series_id)
        .join(Study, Study.id == Series.study_id)
        .where(Revision.served)
        .order_by(
            Study.id,
            Series.number.asc().nulls_last(),
            Series.id,
            Instance.number.asc().nulls_last(),
            Instance.id,
        )
    )


def _execute(
    connection: Connection, statement: AnySelect, level: Level, texts: Sequence[str]
) -> Iterator[Servable]:
    seen = set()
    if level is Level.PATIENT:
        yield from (Servable(*row) for row in connection.execute(statement))
        return
    for start in range(0, len(texts), MOST_UIDS):
        named = statement.where(_named(level, texts[start : start + MOST_UIDS]))
        for row in connection.execute(named):
            if row.id not in seen:
                seen.add(row.id)
                yield Servable(*row)


def _named(level: Level, uids: Sequence[str]) -> ColumnElement[bool]:
    """Name rows by UID; a command's SOP Instance UID names an instance too."""
    if level is Level.STUDY:
        return Study.study_uid.in_(uids)
    if level is Level.SERIES:
        return Series.series_uid.in_(uids)
    return or_(Instance.sop_instance_uid.in_(uids), Revision.id.in_(_named_by_command(uids)))


def _named_by_command(uids: Sequence[str]) -> AnySelect:
    """Select the revisions that commands gave these UIDs; a UID of a dataset names that alone."""
    owner = aliased(Instance)
    owned = select(owner.id).where(owner.sop_instance_uid == CommandUid.sop_instance_uid).exists()
    return select(CommandUid.revision_id).where(CommandUid.sop_instance_uid.in_(uids), ~owned)


def _patients(connection: Connection, patient_id: str) -> list[int]:
    """Find the patients of that ID, of every issuer."""
    condition = SingleValue(patient_id, "LO")
    statement = select(Patient.id, Patient.attributes).where(
        narrow(Patient.patient_id_folded, condition)
    )
    return [
        row.id
        for row in connection.execute(statement)
        if matches(condition, values_of(from_json(row.attributes), PATIENT_ID))
    ]
