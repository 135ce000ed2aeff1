"""What rows say, against what is sealed: of one revision, or of a whole index.

For one revision: :func:`differing`. For the whole: :func:`unlike` compares an index with one that
was made anew from what is sealed (:mod:`service.upkeep.replay`), row by row, by keys that mean the
same in both: row numbers do not.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, case, select
from sqlalchemy.orm import aliased

from service.errors import Unknown
from service.index.attributes import Attributes, to_json
from service.index.database import AnyRow, AnySelect, Database
from service.index.hiding import PURGED, PURGING
from service.index.identity import Identity, identify
from service.index.intake import sealed_values
from service.index.tables import (
    Base,
    CommandUid,
    Correction,
    DeletedRevision,
    Deletion,
    Hold,
    Instance,
    Patient,
    RejectedInstance,
    Rejection,
    Revision,
    Series,
    Study,
)
from service.records import Received

_PAGE: Final = 500


def differing(
    connection: Connection, revision_id: int, received: Received, attributes: Attributes
) -> list[str]:
    """Name the columns of a revision, and of what it is placed under, that were changed.

    Raises:
        Unknown: no such row.
    """
    identity = identify(received, attributes)
    sealed = sealed_values(received, identity, attributes) | {"attributes": to_json(attributes)}
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


@dataclass(frozen=True, slots=True)
class Unlike:
    """A row that is not what follows from what is sealed."""

    table: str
    row: int | None
    """Its number; None where there should be a row and is none."""
    sop_instance_uid: str
    """Of the instance or revision; empty for rows above them."""
    names: tuple[str, ...]
    """Columns, and ``its`` patient, study, series or instance; empty where a whole row is one too
    many, or is missing."""


def unlike(live: Database, made: Database) -> Iterator[Unlike]:
    """Compare every row that follows from what is sealed; each index in one consistent state.

    Left out are numbers of rows, claims of workers, and what belongs to objects.
    """
    with live.read() as rows, made.read() as expected:
        for view in _VIEWS:
            for row, other in _paired(view, rows, expected):
                found = view.compare(row, other)
                if found is not None:
                    yield found


@dataclass(frozen=True, slots=True)
class _View:
    """One table, with keys in place of the numbers of other rows."""

    table: str
    statement: AnySelect
    keys: int
    """How many columns, the first ones, name a row and order the view."""
    may_have_more: bool = False
    """Whether rows of the live index that nothing sealed tells of are in order."""

    def compare(self, row: AnyRow | None, other: AnyRow | None) -> Unlike | None:
        """Compare two rows of the same keys; one may be missing."""
        if row is not None and other is not None:
            names = tuple(self._named(name) for name in row._fields if _differs(name, row, other))
            return self._found(row, row.id, names) if names else None
        if row is None:
            return self._found(other, None, ())
        return None if self.may_have_more else self._found(row, row.id, ())

    def _named(self, name: str) -> str:
        return name if name.startswith("its ") else f"{self.table}.{name}"

    def _found(self, row: Any, number: int | None, names: tuple[str, ...]) -> Unlike:
        return Unlike(self.table, number, getattr(row, "uid", ""), names)


def _differs(name: str, row: AnyRow, other: AnyRow) -> bool:
    return name not in ("id", "uid") and getattr(row, name) != getattr(other, name)


def _paired(
    view: _View, rows: Connection, expected: Connection
) -> Iterator[tuple[AnyRow | None, AnyRow | None]]:
    """Walk through both views at once, in the order of their keys."""
    live, made = _stream(view, rows), _stream(view, expected)
    row, other = next(live, None), next(made, None)
    while row is not None or other is not None:
        here = None if row is None else row[: view.keys]
        there = None if other is None else other[: view.keys]
        takes_live = there is None or (here is not None and here <= there)
        takes_made = here is None or (there is not None and there <= here)
        yield row if takes_live else None, other if takes_made else None
        row = next(live, None) if takes_live else row
        other = next(made, None) if takes_made else other


def _stream(view: _View, connection: Connection) -> Iterator[AnyRow]:
    yield from connection.execute(view.statement, execution_options={"yield_per": _PAGE})


_COUNTING: Final = frozenset(
    {
        "id", "state", "claimed_by", "claimed_until", "attempts", "failure", "verified_at",
        "damage",
    }
)  # fmt: skip
"""Columns of revisions that follow from work."""


def _columns(table: type[Base], left_out: frozenset[str] = frozenset()) -> list[Any]:
    """Give a table's own columns: those that neither number rows nor name rows of others."""
    mapped = table.__mapper__.columns
    return [
        getattr(table, name)
        for name, column in mapped.items()
        if not column.primary_key and not column.foreign_keys and name not in left_out
    ]


def _view(
    table: type[Base], keys: list[Any], columns: list[Any], joined: Any, **options: Any
) -> _View:
    named = [key.label(f"key{number}") for number, key in enumerate(keys)]
    statement = select(*named, *columns).select_from(joined).order_by(*keys)
    return _View(table.__tablename__, statement, len(keys), **options)


_STUDIES: Final = Study.__table__.join(Patient, Patient.id == Study.patient_id)
_SERIES: Final = Series.__table__.join(_STUDIES, Study.id == Series.study_id)
_INSTANCES: Final = Instance.__table__.outerjoin(_SERIES, Series.id == Instance.series_id)
_SHOWN: Final = aliased(Patient)
_PLACE: Final = [
    Patient.key.label("its patient"),
    Study.study_uid.label("its study"),
    Series.series_uid.label("its series"),
]

_STATE: Final = case((Deletion.state == PURGED, PURGING), else_=Deletion.state).label("state")
"""Whether the files of a purge are gone is no decision."""

_VIEWS: Final = (
    _view(Patient, [Patient.key], [Patient.id, *_columns(Patient)], Patient),
    _view(
        Study,
        [Patient.key, Study.study_uid],
        [Study.id, *_columns(Study), _SHOWN.key.label("its shown patient")],
        _STUDIES.join(_SHOWN, _SHOWN.id == Study.shown_patient_id),
    ),
    _view(
        Series,
        [Patient.key, Study.study_uid, Series.series_uid],
        [Series.id, *_columns(Series)],
        _SERIES,
    ),
    _view(
        Instance,
        [Instance.sop_instance_uid],
        [Instance.id, Instance.sop_instance_uid.label("uid"), *_columns(Instance), *_PLACE],
        _INSTANCES,
    ),
    _view(
        Revision,
        [Revision.entry_id],
        [
            Revision.id,
            Instance.sop_instance_uid.label("uid"),
            *_columns(Revision, _COUNTING),
            Instance.sop_instance_uid.label("its instance"),
        ],
        Revision.__table__.join(Instance, Instance.id == Revision.instance_id),
    ),
    _view(
        CommandUid,
        [CommandUid.sop_instance_uid, Revision.entry_id],
        [Revision.id],
        CommandUid.__table__.join(Revision, Revision.id == CommandUid.revision_id),
        may_have_more=True,
    ),
    _view(Correction, [Correction.at], [Correction.id, *_columns(Correction)], Correction),
    _view(Hold, [Hold.at], [Hold.id, *_columns(Hold)], Hold),
    _view(
        Deletion,
        [Deletion.at],
        [Deletion.id, *_columns(Deletion, frozenset({"state"})), _STATE],
        Deletion,
    ),
    _view(
        DeletedRevision,
        [Deletion.at, DeletedRevision.entry_id],
        [Deletion.id, *_columns(DeletedRevision)],
        DeletedRevision.__table__.join(Deletion, Deletion.id == DeletedRevision.deletion_id),
    ),
    _view(Rejection, [Rejection.entry_id], [Rejection.id, *_columns(Rejection)], Rejection),
    _view(
        RejectedInstance,
        [Rejection.entry_id, RejectedInstance.sop_instance_uid, RejectedInstance.study_uid],
        [Rejection.id],
        RejectedInstance.__table__.join(Rejection, Rejection.id == RejectedInstance.rejection_id),
    ),
)
