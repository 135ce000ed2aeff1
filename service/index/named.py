"""Instances by the name of what they belong to, hidden ones too."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import Connection, or_, select

from service.index.tables import Instance, Patient, Revision, Series, Study

PATIENT: Final = "patient"
STUDY: Final = "study"
SERIES: Final = "series"
INSTANCE: Final = "instance"

_PLACED: Final[dict[str, Any]] = {
    PATIENT: Patient.key,
    STUDY: Study.study_uid,
    SERIES: Series.series_uid,
    INSTANCE: Instance.sop_instance_uid,
}
_HIDDEN: Final[dict[str, Any]] = {
    PATIENT: Revision.patient_key,
    STUDY: Revision.study_uid,
    SERIES: Revision.series_uid,
    INSTANCE: Instance.sop_instance_uid,
}


def instances(connection: Connection, level: str, key: str) -> list[int]:
    """Give the rows of a patient's, study's or series' instances, or of one instance.

    A patient's are those received for it and those that corrections show under it.
    """
    placed = (
        select(Instance.id)
        .join(Series, Series.id == Instance.series_id)
        .join(Study, Study.id == Series.study_id)
        .join(Patient, or_(Patient.id == Study.patient_id, Patient.id == Study.shown_patient_id))
        .where(_PLACED[level] == key)
    )
    hidden = (
        select(Instance.id)
        .join(Revision, Revision.instance_id == Instance.id)
        .where(Instance.series_id.is_(None), _HIDDEN[level] == key)
    )
    return sorted({*connection.scalars(placed), *connection.scalars(hidden)})
