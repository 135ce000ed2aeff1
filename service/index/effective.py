"""What is effective: received values after the corrections in force, in the order they were made.

Which corrections there are is :mod:`service.index.corrections`' to say.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final

from pydicom.datadict import dictionary_VR
from sqlalchemy import Connection, func, or_, select, update

from service.index.attributes import Attributes, from_json, to_json
from service.index.identity import columns
from service.index.levels import Level
from service.index.tables import Correction, Patient, Study

MERGE: Final = "merge"
RENAME: Final = "rename"
MOVE: Final = "move"


def shown_patient(connection: Connection, key: str, study_uid: str) -> int | None:
    """Give the row of the patient that a study is shown under, None if it is its own."""
    shown = _shown(in_force(connection), key, study_uid)
    if shown == key:
        return None
    return connection.scalars(select(Patient.id).where(Patient.key == shown)).one_or_none()


class Showing:
    """Which patients studies are shown under, by the corrections in force now."""

    def __init__(self, connection: Connection) -> None:
        self._in_force = in_force(connection)

    def patient(self, key: str, study_uid: str) -> str:
        """Give the key of the patient that a study is shown under."""
        return _shown(self._in_force, key, study_uid)


def attributes_of(connection: Connection, key: str, received: Attributes) -> Attributes:
    """Apply the corrections in force to a patient's received attributes."""
    return _renamed(in_force(connection), key, received)


def reapply_to(connection: Connection, key: str) -> None:
    """Bring a patient whose row is new in line with the corrections that name it.

    A row goes with its last instance, and the corrections stay for what comes later.
    """
    if any(key in details.values() for _, details in in_force(connection)):
        reapply(connection)


def reapply(connection: Connection) -> None:
    """Bring everything effective in line with the corrections in force."""
    corrections = in_force(connection)
    connection.execute(update(Study).values(shown_patient_id=Study.patient_id).where(_IS_MOVED))
    keys = {details["source"] for kind, details in corrections if kind == MERGE}
    uids = {details["study_uid"] for kind, details in corrections if kind == MOVE}
    statement = (
        select(Study.id, Study.study_uid, Patient.key)
        .join(Patient, Patient.id == Study.patient_id)
        .where(or_(Patient.key.in_(keys), Study.study_uid.in_(uids)))
    )
    for row in connection.execute(statement).all():
        target = select(Patient.id).where(
            Patient.key == _shown(corrections, row.key, row.study_uid)
        )
        connection.execute(
            update(Study)
            .where(Study.id == row.id)
            .values(shown_patient_id=func.coalesce(target.scalar_subquery(), Study.patient_id))
        )
    _rename_all(connection, corrections)


_IS_MOVED: Final = Study.shown_patient_id != Study.patient_id

InForce = Sequence[tuple[str, dict[str, Any]]]


def in_force(connection: Connection) -> InForce:
    """The kind and details of each correction that is not undone, in the order they were made."""
    statement = (
        select(Correction.kind, Correction.details)
        .where(Correction.undone_at.is_(None))
        .order_by(Correction.id)
    )
    return [(row.kind, json.loads(row.details)) for row in connection.execute(statement)]


def _shown(corrections: InForce, key: str, study_uid: str) -> str:
    shown = key
    for kind, details in corrections:
        if kind == MERGE and details["source"] == shown:
            shown = details["target"]
        if kind == MOVE and (details["patient"], details["study_uid"]) == (key, study_uid):
            shown = details["target"]
    return shown


def _renamed(corrections: InForce, key: str, received: Attributes) -> Attributes:
    renamed = dict(received)
    for kind, details in corrections:
        if kind == RENAME and details["patient"] == key:
            for tag, value in details["changes"].items():
                renamed[tag] = [vr_of(tag), value] if value else [vr_of(tag)]
    return renamed


def _rename_all(connection: Connection, corrections: InForce) -> None:
    keys = {details["patient"] for kind, details in corrections if kind == RENAME}
    statement = select(Patient.id, Patient.key, Patient.attributes, Patient.received).where(
        or_(Patient.received.is_not(None), Patient.key.in_(keys))
    )
    for row in connection.execute(statement).all():
        received = row.received or row.attributes
        renamed = _renamed(corrections, row.key, from_json(received))
        connection.execute(
            update(Patient)
            .where(Patient.id == row.id)
            .values(
                attributes=to_json(renamed),
                received=received if row.key in keys else None,
                **columns(Level.PATIENT, renamed),
            )
        )


def vr_of(tag: str) -> str:
    """The VR of a standard attribute, given as eight hexadecimal digits (PS3.6)."""
    return dictionary_VR(int(tag, 16))
