"""Corrections: merge or rename patients, move a study; what queries see changes, no byte does.

A correction names patients and studies by their keys, not by rows, so that it also applies to what
is received later. What follows from them is in :mod:`service.index.effective`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pydicom.config
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from sqlalchemy import Connection, insert, or_, select, update

from dicom.charset import UTF_8, holds
from service.errors import Conflict, DataFault, Unknown
from service.index import decided, effective, trail
from service.index.attributes import (
    SPECIFIC_CHARACTER_SET,
    Attributes,
    dataset_of,
    from_json,
)
from service.index.database import Database
from service.index.effective import MERGE, MOVE, RENAME, vr_of
from service.index.identity import ISSUER, PATIENT_ID, patient_key
from service.index.levels import Level, home, part, tag_of
from service.index.tables import Correction, Instance, Patient, Revision, Series, Study
from service.sequence import utc_now


@dataclass(frozen=True, slots=True)
class Corrected:
    """One correction as it was entered."""

    id: int
    kind: str
    details: Mapping[str, Any]
    by: str
    at: int
    reason: str
    undone_by: str | None
    undone_at: int | None


@dataclass(frozen=True, slots=True)
class Author:
    """Who makes a correction, and why."""

    by: str
    reason: str
    at: int | None = None
    """The receive sequence of the note of this decision, which is its time in microseconds since
    1970 UTC; None for one without a note, made now."""


class Corrections:
    """The corrections of one index. Patients are named by key: :func:`patient`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def repeat(self, kind: str, details: Mapping[str, Any], author: Author) -> int:
        """Enter a correction again as it was decided; whom it is about may be gone by now.

        Args:
            kind: ``merge``, ``rename`` or ``move``.
            details: what :meth:`merge` and the others take, by name.
            author: who, why, and when.

        Raises:
            Conflict: an attribute isn't the patient's.
        """
        entered = dict(details)
        if kind == RENAME:
            changes = details["changes"].items()
            entered["changes"] = {_patient_tag(name): value for name, value in changes}
        with self._database.write() as connection:
            return _enter(connection, kind, entered, author)

    def owner(self, study_uid: str, source: str | None = None) -> str:
        """Give the patient that a study was received under.

        Raises:
            Unknown: no such study.
            Conflict: several patients have such a study, and ``source`` does not say which.
        """
        with self._database.read() as connection:
            return _owner(connection, study_uid, source)

    def merge(self, source: str, target: str, author: Author) -> int:
        """Show all studies of patient ``source`` under ``target``; give the correction's number.

        Raises:
            Unknown: one of them is no patient of the archive.
            Conflict: they are the same, or ``target`` was itself merged into another.
        """
        with self._database.write() as connection:
            _require_patient(connection, source)
            _require_target(connection, source, target)
            return _enter(connection, MERGE, {"source": source, "target": target}, author)

    def rename(self, patient: str, changes: Mapping[str, str], author: Author) -> int:
        """Show other patient attributes: ``changes`` maps keywords of the patient level to values.

        Raises:
            Unknown: no such patient.
            Conflict: an attribute isn't the patient's, or the new Patient ID is another patient's.
            DataFault: an attribute's VR cannot hold the value, so no query could answer it.
        """
        tags = {_patient_tag(name): value for name, value in changes.items()}
        for name, value in changes.items():
            _require_fit(name, value)
        with self._database.write() as connection:
            row = _require_patient(connection, patient)
            if PATIENT_ID in tags:
                _require_free(connection, row, from_json(row.attributes), tags[PATIENT_ID])
            return _enter(connection, RENAME, {"patient": patient, "changes": tags}, author)

    def move(self, study_uid: str, target: str, author: Author, source: str | None = None) -> int:
        """Show one study under another patient.

        Args:
            study_uid: its Study Instance UID.
            target: the patient it belongs to.
            author: who decides, and why.
            source: the patient it was received under, needed where several have such a study.

        Raises:
            Unknown: no such study or patient.
            Conflict: several patients have such a study, or ``target`` was merged into another.
        """
        with self._database.write() as connection:
            owner = _owner(connection, study_uid, source)
            _require_target(connection, None, target)
            details = {"study_uid": study_uid, "patient": owner, "target": target}
            return _enter(connection, MOVE, details, author)

    def undo(self, correction: int, by: str, at: int | None = None) -> None:
        """Take a correction back, now or ``at`` a time before; later ones stay in force.

        Raises:
            Unknown: no such correction is in force.
        """
        with self._database.write() as connection:
            undone = connection.execute(
                update(Correction)
                .where(Correction.id == correction, Correction.undone_at.is_(None))
                .values(undone_by=by, undone_at=utc_now() if at is None else at)
            )
            if undone.rowcount != 1:
                raise Unknown(f"no correction {correction} is in force")
            decided.enter(connection, at, "undo")
            effective.reapply(connection)
            details = {"correction": correction, "by": by}
            trail.append(connection, "correction undone", details, at)

    def restore(self, corrections: Sequence[Corrected]) -> None:
        """Enter corrections again as they were made, into an index that has none."""
        rows = [
            {
                "kind": one.kind,
                "details": json.dumps(one.details),
                "by": one.by,
                "at": one.at,
                "reason": one.reason,
                "undone_by": one.undone_by,
                "undone_at": one.undone_at,
            }
            for one in corrections
        ]
        if not rows:
            return
        with self._database.write() as connection:
            for row in rows:
                connection.execute(insert(Correction).values(**row))
            effective.reapply(connection)
            trail.append(connection, "corrections restored", {"count": len(rows)})

    def list(self) -> list[Corrected]:
        """Give all corrections, undone ones too, in the order they were made."""
        with self._database.read() as connection:
            statement = select(Correction.__table__).order_by(Correction.id)
            return [
                Corrected(row.id, row.kind, json.loads(row.details), *row[3:])
                for row in connection.execute(statement)
            ]

    def coerced(self, revision_id: int) -> Dataset | None:
        """Give the patient attributes of a revision that corrections made differ, None if none."""
        statement = (
            select(Revision.attributes, Patient.attributes.label("effective"))
            .join(Instance, Instance.id == Revision.instance_id)
            .join(Series, Series.id == Instance.series_id)
            .join(Study, Study.id == Series.study_id)
            .join(Patient, Patient.id == Study.shown_patient_id)
            .where(
                Revision.id == revision_id,
                or_(Study.shown_patient_id != Study.patient_id, Patient.received.is_not(None)),
            )
        )
        with self._database.read() as connection:
            row = connection.execute(statement).one_or_none()
        if row is None:
            return None
        received = part(from_json(row.attributes), Level.PATIENT)
        shown = part(from_json(row.effective), Level.PATIENT)
        shown.setdefault(ISSUER, [vr_of(ISSUER)])
        changed = {
            tag: value
            for tag, value in shown.items()
            if tag != SPECIFIC_CHARACTER_SET and value != received.get(tag, [value[0]])
        }
        return dataset_of(changed) if changed else None


def patient(patient_id: str, issuer: str = "", study_uid: str = "") -> str:
    """Name a patient: by Patient ID and issuer, or by the only study where the ID is empty."""
    return patient_key({PATIENT_ID: ["LO", patient_id], ISSUER: ["LO", issuer]}, study_uid)


def _enter(connection: Connection, kind: str, details: Mapping[str, Any], author: Author) -> int:
    at = utc_now() if author.at is None else author.at
    values = {"kind": kind, "details": json.dumps(details), "by": author.by, "at": at}
    number: int = connection.execute(
        insert(Correction).values(**values, reason=author.reason).returning(Correction.id)
    ).scalar_one()
    decided.enter(connection, author.at, kind)
    effective.reapply(connection)
    details = {"correction": number, "kind": kind, "by": author.by}
    trail.append(connection, "correction", details, author.at)
    return number


def _patient_tag(name: str) -> str:
    try:
        tag = tag_of(name)
    except ValueError as error:
        raise Conflict(str(error)) from None
    if home(tag) is not Level.PATIENT:
        raise Conflict(f"{name} is no attribute of a patient (PS3.3 C.7.1.1)")
    return tag


def _require_fit(name: str, value: str) -> None:
    """Refuse a value that its VR does not allow (PS3.5 6.2), or that is no text at all."""
    tag = tag_of(name)
    vr = vr_of(tag)
    try:
        if value:
            DataElement(int(tag, 16), vr, value, validation_mode=pydicom.config.RAISE)
        fits = holds(UTF_8, value)
    except (ValueError, TypeError):
        fits = False
    if not fits:
        raise DataFault(f"{name} cannot have that value: its VR is {vr} (PS3.5 6.2)")


def _require_patient(connection: Connection, key: str) -> Any:
    row = connection.execute(select(Patient.__table__).where(Patient.key == key)).one_or_none()
    if row is None:
        raise Unknown("no such patient")
    return row


def _require_target(connection: Connection, source: str | None, target: str) -> None:
    _require_patient(connection, target)
    in_force = effective.in_force(connection)
    merged = {details["source"] for kind, details in in_force if kind == MERGE}
    if target in merged:
        raise Conflict("the target was merged into another patient")
    if source == target:
        raise Conflict("a patient cannot be merged into itself")
    if source in merged:
        raise Conflict("the patient was merged already")


def _require_free(connection: Connection, row: Any, attributes: Attributes, new_id: str) -> None:
    key = patient_key({**attributes, PATIENT_ID: ["LO", new_id]}, "")
    taken = connection.scalar(select(Patient.id).where(Patient.key == key, Patient.id != row.id))
    if taken is not None:
        raise Conflict("another patient has that Patient ID: merge them instead")


def _owner(connection: Connection, study_uid: str, source: str | None) -> str:
    statement = (
        select(Patient.key)
        .join(Study, Study.patient_id == Patient.id)
        .where(Study.study_uid == study_uid)
    )
    owners = list(connection.scalars(statement))
    if source is not None:
        owners = [key for key in owners if key == source]
    if not owners:
        raise Unknown("no such study")
    if len(owners) > 1:
        raise Conflict("several patients have a study of that UID: name the patient too")
    return owners[0]
