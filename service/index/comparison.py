"""What rows say of a revision, against what is sealed of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, select

from service.errors import Unknown
from service.index.attributes import Attributes
from service.index.database import AnyRow
from service.index.identity import Identity, identify
from service.index.intake import sealed_values
from service.index.tables import Instance, Patient, Revision, Series, Study
from service.records import Received


def differing(
    connection: Connection, revision_id: int, received: Received, attributes: Attributes
) -> list[str]:
    """Name the columns of a revision, and of what it is placed under, that were changed.

    Raises:
        Unknown: no such row.
    """
    identity = identify(received, attributes)
    sealed = sealed_values(received, identity, attributes)
    row = _row(connection, revision_id, sealed)
    names = [f"revisions.{name}" for name, value in sealed.items() if getattr(row, name) != value]
    places = _places(identity) if row.shown else {"instance": identity.sop_instance_uid}
    return names + [f"its {name}" for name, value in places.items() if getattr(row, name) != value]


def _places(identity: Identity) -> dict[str, str]:
    return {
        "patient": identity.patient_key,
        "study": identity.study_uid,
        "series": identity.series_uid,
        "instance": identity.sop_instance_uid,
    }


def _row(connection: Connection, revision_id: int, sealed: Mapping[str, Any]) -> AnyRow:
    statement = (
        select(
            (Revision.served & Instance.series_id.is_not(None)).label("shown"),
            Patient.key.label("patient"),
            Study.study_uid.label("study"),
            Series.series_uid.label("series"),
            Instance.sop_instance_uid.label("instance"),
            *(getattr(Revision, name) for name in sealed),
        )
        .join(Instance, Instance.id == Revision.instance_id)
        .outerjoin(Series, Series.id == Instance.series_id)
        .outerjoin(Study, Study.id == Series.study_id)
        .outerjoin(Patient, Patient.id == Study.patient_id)
        .where(Revision.id == revision_id)
    )
    row = connection.execute(statement).one_or_none()
    if row is None:
        raise Unknown(f"no revision {revision_id}, or nothing that it is placed under")
    return row
