"""Patient, study and series rows of an instance: found, made, or brought up to date."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import Connection, bindparam, insert, select, update

from service.index import effective
from service.index.attributes import Attributes, from_json, merge, to_json
from service.index.database import AnyRow
from service.index.identity import Identity, columns
from service.index.levels import Level, part
from service.index.tables import Instance, Patient, Series, Study

# Built once: building it takes longer than running it.
_HIERARCHY: Final = (
    select(
        Patient.id.label("patient"), Study.id.label("study"), Series.id.label("series"),
        Patient.attributes.label("attributes_0"), Patient.sequence.label("sequence_0"),
        Study.attributes.label("attributes_1"), Study.sequence.label("sequence_1"),
        Series.attributes.label("attributes_2"), Series.sequence.label("sequence_2"),
        Patient.received, Patient.key,
    )
    .select_from(Patient)
    .outerjoin(
        Study, (Study.patient_id == Patient.id) & (Study.study_uid == bindparam("study_uid"))
    )
    .outerjoin(
        Series, (Series.study_id == Study.id) & (Series.series_uid == bindparam("series_uid"))
    )
    .where(Patient.key == bindparam("patient_key"))
)  # fmt: skip


def settle(
    connection: Connection, identity: Identity, attributes: Attributes, sequence: int
) -> int:
    """Give the series row that an instance belongs in, making what is not there yet.

    Attributes of the levels come from the instance with the latest receive sequence that has them.
    """
    found = _find(connection, identity)
    if found is None:
        patient = _make_patient(connection, identity, attributes, sequence)
    else:
        patient = found.patient
        _refresh_patient(connection, found, attributes, sequence)
    if found is None or found.study is None:
        study = _make_study(connection, identity, patient, attributes, sequence)
    else:
        study = found.study
        _refresh(connection, Level.STUDY, study, found, attributes, sequence)
    if found is None or found.series is None:
        values = _values(Level.SERIES, part(attributes, Level.SERIES), sequence)
        return _insert(connection, Series, study_id=study, series_uid=identity.series_uid, **values)
    series: int = found.series
    _refresh(connection, Level.SERIES, series, found, attributes, sequence)
    return series


def prune(connection: Connection, series_id: int) -> bool:
    """Remove a series that its last instance has left, and what that leaves empty above it.

    Gives whether the series went.
    """
    study_id = _remove_empty(connection, Series, series_id, Series.study_id, Instance.series_id)
    if study_id is None:
        return False
    patients = select(Study.patient_id, Study.shown_patient_id, Study.study_uid)
    study = connection.execute(patients.where(Study.id == study_id)).one()
    if _remove_empty(connection, Study, study_id, Study.id, Series.study_id) is not None:
        _settle_ambiguity(connection, study.study_uid)
        for patient_id in {study.patient_id, study.shown_patient_id}:
            _remove_patient(connection, patient_id)
    return True


def _settle_ambiguity(connection: Connection, study_uid: str) -> None:
    """Let a study that no other patient has any more be its patient's alone."""
    same_uid = Study.study_uid == study_uid
    if len(connection.execute(select(Study.id).where(same_uid)).all()) == 1:
        connection.execute(update(Study).where(same_uid).values(ambiguous=False))


def _remove_patient(connection: Connection, patient_id: int) -> None:
    """Remove a patient without studies, be they the patient's own or shown there."""
    shown_here = select(Study.id).where(Study.shown_patient_id == patient_id).exists()
    if not connection.scalar(select(shown_here)):
        _remove_empty(connection, Patient, patient_id, Patient.id, Study.patient_id)


def _find(connection: Connection, identity: Identity) -> AnyRow | None:
    uids = {
        "patient_key": identity.patient_key,
        "study_uid": identity.study_uid,
        "series_uid": identity.series_uid,
    }
    return connection.execute(_HIERARCHY, uids).one_or_none()


def _make_patient(
    connection: Connection, identity: Identity, attributes: Attributes, sequence: int
) -> int:
    values = _values(Level.PATIENT, part(attributes, Level.PATIENT), sequence)
    patient = _insert(connection, Patient, key=identity.patient_key, **values)
    effective.reapply_to(connection, identity.patient_key)
    return patient


def _make_study(
    connection: Connection,
    identity: Identity,
    patient: int,
    attributes: Attributes,
    sequence: int,
) -> int:
    same_uid = Study.study_uid == identity.study_uid
    ambiguous = connection.scalar(select(select(Study.id).where(same_uid).exists()))
    if ambiguous:
        connection.execute(update(Study).where(same_uid).values(ambiguous=True))
    shown = effective.shown_patient(connection, identity.patient_key, identity.study_uid)
    return _insert(
        connection,
        Study,
        patient_id=patient,
        shown_patient_id=patient if shown is None else shown,
        study_uid=identity.study_uid,
        ambiguous=bool(ambiguous),
        **_values(Level.STUDY, part(attributes, Level.STUDY), sequence),
    )


def _refresh_patient(
    connection: Connection, found: AnyRow, attributes: Attributes, sequence: int
) -> None:
    if found.received is None:
        _refresh(connection, Level.PATIENT, found.patient, found, attributes, sequence)
        return
    received = from_json(found.received)
    newer = merged(received, part(attributes, Level.PATIENT), found.sequence_0, sequence)
    if newer != received:
        latest = max(sequence, found.sequence_0)
        rewrite_renamed(connection, found.patient, found.key, newer, latest)


def _refresh(
    connection: Connection,
    level: Level,
    row: int,
    found: AnyRow,
    attributes: Attributes,
    sequence: int,
) -> None:
    present = from_json(getattr(found, f"attributes_{level.value}"))
    known: int = getattr(found, f"sequence_{level.value}")
    newer = merged(present, part(attributes, level), known, sequence)
    if newer != present:
        rewrite(connection, level, row, newer, max(sequence, known))


def rewrite(
    connection: Connection, level: Level, row: int, attributes: Attributes, sequence: int
) -> None:
    """Give a patient, study or series other attributes, and the columns that follow from them."""
    table = _TABLES[level]
    values = _values(level, attributes, sequence)
    connection.execute(update(table).where(table.id == row).values(**values))


def rewrite_renamed(
    connection: Connection, row: int, key: str, received: Attributes, sequence: int
) -> None:
    """Give a patient whom corrections rename other attributes as received."""
    shown = effective.attributes_of(connection, key, received)
    rewrite(connection, Level.PATIENT, row, shown, sequence)
    connection.execute(update(Patient).where(Patient.id == row).values(received=to_json(received)))


_TABLES: Final[dict[Level, type[Any]]] = {
    Level.PATIENT: Patient,
    Level.STUDY: Study,
    Level.SERIES: Series,
}


def merged(present: Attributes, new: Attributes, known: int, sequence: int) -> Attributes:
    """Merge attributes of receive sequence ``known`` and ``sequence``: the later ones win."""
    return merge(present, new) if sequence >= known else merge(new, present)


def _values(level: Level, attributes: Attributes, sequence: int) -> dict[str, Any]:
    written = to_json(attributes)
    return {"attributes": written, "sequence": sequence, **columns(level, attributes)}


def _insert(connection: Connection, table: type[Any], **values: Any) -> int:
    row: int = connection.execute(insert(table).values(**values).returning(table.id)).scalar_one()
    return row


def _remove_empty(
    connection: Connection, table: type[Any], row: int, above: Any, child: Any
) -> int | None:
    """Delete a row that nothing refers to any more; give the row above it, None if it stays."""
    if connection.scalar(select(select(child).where(child == row).exists())):
        return None
    parent: int = connection.scalars(select(above).where(table.id == row)).one()
    connection.execute(table.__table__.delete().where(table.id == row))
    return parent
