"""Instances hidden and shown again, as what covers them says (:mod:`service.index.hiding`)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from sqlalchemy import Connection, select, update

from service.index import hierarchy
from service.index.attributes import from_json
from service.index.database import AnyRow
from service.index.hiding import covered
from service.index.identity import Identity, columns
from service.index.levels import Level
from service.index.pages import pages
from service.index.reassembly import reassemble
from service.index.tables import Instance, Revision


def refresh(connection: Connection, instances: Iterable[int]) -> None:
    """Hide each instance whose standing revision is covered; show again what is not."""
    touched: set[int] = set()
    for page in pages(sorted(set(instances))):
        rows = list(_standing(connection, page))
        touched.update(row.series_id for row in rows if row.series_id is not None)
        _hide(connection, [row.id for row in rows if row.is_covered])
        shown = [row.revision for row in rows if row.series_id is None and not row.is_covered]
        touched.update(_show(connection, number) for number in shown)
    reassemble(connection, touched)


def _standing(connection: Connection, page: Sequence[int]) -> Iterator[AnyRow]:
    statement = (
        select(
            Instance.id,
            Instance.series_id,
            Revision.id.label("revision"),
            covered().label("is_covered"),
        )
        .join(Revision, (Revision.instance_id == Instance.id) & Revision.served)
        .where(Instance.id.in_(page))
        .order_by(Revision.id)
    )
    yield from connection.execute(statement)


def _hide(connection: Connection, instances: Sequence[int]) -> None:
    connection.execute(update(Instance).where(Instance.id.in_(instances)).values(series_id=None))


def _show(connection: Connection, revision: int) -> int:
    """Put an instance back where its standing revision says; give the series."""
    row = connection.execute(
        select(Revision.__table__, Instance.sop_instance_uid)
        .join(Instance, Instance.id == Revision.instance_id)
        .where(Revision.id == revision)
    ).one()
    identity = Identity(row.patient_key, row.study_uid, row.series_uid, row.sop_instance_uid)
    attributes = from_json(row.attributes)
    series = hierarchy.settle(connection, identity, attributes, row.sequence)
    values = {"series_id": series, **columns(Level.IMAGE, attributes)}
    connection.execute(update(Instance).where(Instance.id == row.instance_id).values(**values))
    return series
