"""Attributes of series, studies and patients again, from the instances that are left in them.

What an instance brought to the levels above it goes with it: after a deletion no row shows a name
or a description that only the deleted instances had. The outcome is that of receiving what is left
alone, in the order it came, which is what a rebuild of the index does.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sqlalchemy import ColumnElement, Connection, select

from service.index import hierarchy
from service.index.attributes import Attributes, from_json
from service.index.hiding import covered
from service.index.levels import Level, part
from service.index.tables import Instance, Patient, Revision, Series, Study


def reassemble(connection: Connection, series: Iterable[int]) -> None:
    """Bring series that instances have left or joined up to date, and what is above them.

    What is empty goes.
    """
    found = select(Series.id, Series.study_id, Study.patient_id).join(
        Study, Study.id == Series.study_id
    )
    above = [connection.execute(found.where(Series.id == one)).one() for one in sorted(set(series))]
    for row in above:
        if not hierarchy.prune(connection, row.id):
            _series(connection, row.id)
    for study in sorted({row.study_id for row in above}):
        _study(connection, study)
    for patient in sorted({row.patient_id for row in above}):
        _patient(connection, patient)


def _series(connection: Connection, row: int) -> None:
    here = (Series.id == row) & (Revision.series_uid == Series.series_uid)
    _rewrite(connection, Level.SERIES, row, here)


def _study(connection: Connection, row: int) -> None:
    here = (Study.id == row) & (Revision.study_uid == Study.study_uid)
    _rewrite(connection, Level.STUDY, row, here)


def _patient(connection: Connection, row: int) -> None:
    patient = connection.execute(
        select(Patient.key, Patient.received).where(Patient.id == row)
    ).one_or_none()
    here = (Patient.id == row) & (Revision.patient_key == Patient.key)
    if patient is None or patient.received is None:
        _rewrite(connection, Level.PATIENT, row, here)
        return
    folded = _folded(connection, Level.PATIENT, here)
    if folded is not None:
        hierarchy.rewrite_renamed(connection, row, patient.key, *folded)


def _rewrite(connection: Connection, level: Level, row: int, here: ColumnElement[bool]) -> None:
    folded = _folded(connection, level, here)
    if folded is not None:
        hierarchy.rewrite(connection, level, row, *folded)


def _folded(
    connection: Connection, level: Level, here: ColumnElement[bool]
) -> tuple[Attributes, int] | None:
    """Merge what revisions say of a level, as they came; None where there are none."""
    statement = (
        select(Revision.attributes, Revision.sequence)
        .join(Instance, Instance.id == Revision.instance_id)
        .join(Series, Series.id == Instance.series_id)
        .join(Study, Study.id == Series.study_id)
        .join(Patient, Patient.id == Study.patient_id)
        .where(here, Revision.placed, ~covered())
        .order_by(Revision.id)
    )
    return _merged(connection.execute(statement).all(), level)


def _merged(rows: Sequence[tuple[str, int]], level: Level) -> tuple[Attributes, int] | None:
    if not rows:
        return None
    present, known = part(from_json(rows[0][0]), level), rows[0][1]
    for written, sequence in rows[1:]:
        newer = hierarchy.merged(present, part(from_json(written), level), known, sequence)
        if newer != present:
            present, known = newer, max(known, sequence)
    return present, known
