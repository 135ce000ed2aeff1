"""Key attributes that the archive computes: counts, modalities, where and whether it can be had.

PS3.4 C.6.1.1 (optional keys) and C.3.4; a lower level answers for the levels above it too.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, func, select

from service.index.attributes import Attributes
from service.index.database import AnySelect
from service.index.levels import Level, tag_of
from service.index.tables import Instance, Revision, Series, Study

MODALITIES: Final = tag_of("ModalitiesInStudy")
_RETRIEVE_AE: Final = tag_of("RetrieveAETitle")
_AVAILABILITY: Final = tag_of("InstanceAvailability")


@dataclass(frozen=True, slots=True)
class Found:
    """A row of a query's level: the rows it belongs to, by level, and what is known of it."""

    ids: Mapping[Level, int]
    attributes: Attributes


@dataclass(frozen=True, slots=True)
class _Computed:
    level: Level
    vr: str
    owner: Any
    """Column of the row that the values belong to."""
    statement: AnySelect
    """Selects owner and value."""


def _counted(level: Level, owner: Any, counted: Any, source: Any) -> _Computed:
    statement = select(owner, func.count(counted)).select_from(source).group_by(owner)
    return _Computed(level, "IS", owner, statement)


def _listed(vr: str, value: Any, source: Any) -> _Computed:
    statement = select(Study.id, value).distinct().select_from(source).order_by(Study.id, value)
    return _Computed(Level.STUDY, vr, Study.id, statement)


_STUDIES: Final = Study.__table__
_SERIES: Final = _STUDIES.join(Series.__table__, Series.study_id == Study.id)
_INSTANCES: Final = _SERIES.join(Instance.__table__, Instance.series_id == Series.id)
_SERVED: Final = _INSTANCES.join(
    Revision.__table__, (Revision.instance_id == Instance.id) & Revision.served
)
_OF_PATIENT: Final = Study.shown_patient_id

_COMPUTED: Final = {
    tag_of(name): attribute
    for name, attribute in {
        "NumberOfPatientRelatedStudies": _counted(Level.PATIENT, _OF_PATIENT, Study.id, _STUDIES),
        "NumberOfPatientRelatedSeries": _counted(Level.PATIENT, _OF_PATIENT, Series.id, _SERIES),
        "NumberOfPatientRelatedInstances": _counted(
            Level.PATIENT, _OF_PATIENT, Instance.id, _INSTANCES
        ),
        "NumberOfStudyRelatedSeries": _counted(Level.STUDY, Study.id, Series.id, _SERIES),
        "NumberOfStudyRelatedInstances": _counted(Level.STUDY, Study.id, Instance.id, _INSTANCES),
        "NumberOfSeriesRelatedInstances": _counted(
            Level.SERIES, Series.id, Instance.id, _INSTANCES
        ),
        "ModalitiesInStudy": _listed("CS", Series.modality, _SERIES),
        "SOPClassesInStudy": _listed("UI", Revision.sop_class_uid, _SERVED),
    }.items()
}


def keys(level: Level) -> frozenset[str]:
    """Give the tags of the computed attributes that describe a level."""
    own = {tag for tag, attribute in _COMPUTED.items() if attribute.level is level}
    return frozenset(own | {_RETRIEVE_AE, _AVAILABILITY})


def complete(
    connection: Connection,
    level: Level,
    found: Sequence[Found],
    wanted: frozenset[str],
    ae_title: str,
) -> None:
    """Add to a page of rows the computed attributes that are asked for: one statement for each."""
    for one in found:
        one.attributes[_RETRIEVE_AE] = ["AE", ae_title]
        one.attributes[_AVAILABILITY] = ["CS", "ONLINE"]
    for tag, attribute in _COMPUTED.items():
        if tag in wanted and attribute.level <= level and found:
            _add(connection, tag, attribute, found)


def _add(connection: Connection, tag: str, attribute: _Computed, found: Sequence[Found]) -> None:
    owners = {one.ids[attribute.level] for one in found}
    values = defaultdict(list)
    for owner, value in connection.execute(attribute.statement.where(attribute.owner.in_(owners))):
        values[owner].append(str(value))
    for one in found:
        one.attributes[tag] = [attribute.vr, *filter(None, values[one.ids[attribute.level]])]
