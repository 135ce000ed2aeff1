"""C-FIND: an identifier against the index (PS3.4 C.2.2.2, C.4.1).

The database narrows by the keys it has columns for, page by page; every key is then decided by
:mod:`dicom.matching` on the attributes as received (or corrected).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from pydicom.dataset import Dataset
from sqlalchemy import ColumnElement, select

from dicom.archive import ArchiveFault, Match, Query
from dicom.matching import Condition, Universal, matches, parse_key
from dicom.status import FindStatus
from service.index import computed
from service.index.attributes import (
    SPECIFIC_CHARACTER_SET,
    Attributes,
    dataset_of,
    element_of,
    from_json,
    values_of,
)
from service.index.computed import Found
from service.index.database import AnyRow, AnySelect, Database
from service.index.identity import (
    ACCESSION,
    BIRTH_DATE,
    MODALITY,
    PATIENT_ID,
    PATIENT_NAME,
    STUDY_DATE,
    STUDY_ID,
    STUDY_TIME,
)  # fmt: skip
from service.index.levels import UNIQUE_KEYS, Level, part, tag_of, top
from service.index.narrow import narrow, narrow_uid
from service.index.policy import Policy
from service.index.tables import Instance, Patient, Revision, Series, Study

_CONTROL_KEYS: Final = frozenset(
    {
        SPECIFIC_CHARACTER_SET,
        tag_of("QueryRetrieveLevel"),
        tag_of("QueryRetrieveView"),
        tag_of("TimezoneOffsetFromUTC"),
    }
)
"""Of the identifier itself: they say how to read it, and match nothing (PS3.4 C.4.1.1.3)."""

_FOLDED: Final = {
    PATIENT_ID: Patient.patient_id_folded,
    PATIENT_NAME: Patient.name_folded,
    BIRTH_DATE: Patient.birth_date,
    STUDY_DATE: Study.study_date,
    STUDY_TIME: Study.study_time,
    ACCESSION: Study.accession_folded,
    STUDY_ID: Study.study_id_folded,
    MODALITY: Series.modality_folded,
}
_UIDS: Final = {
    UNIQUE_KEYS[Level.STUDY]: Study.study_uid,
    UNIQUE_KEYS[Level.SERIES]: Series.series_uid,
    UNIQUE_KEYS[Level.IMAGE]: Instance.sop_instance_uid,
    tag_of("SOPClassUID"): Revision.sop_class_uid,
}
_ROWS: Final = {
    Level.PATIENT: Patient.id,
    Level.STUDY: Study.id,
    Level.SERIES: Series.id,
    Level.IMAGE: Instance.id,
}


@dataclass(frozen=True, slots=True)
class Key:
    """One key attribute of an identifier."""

    tag: str
    vr: str
    condition: Condition
    items: Dataset | None
    """For a sequence, the item that says which of its attributes are asked for."""


def level_of(query: Query) -> Level:
    """Check that the identifier fits its level and model, and give the level.

    Raises:
        ArchiveFault: 0xA900: an unknown level, one the model lacks, or a unique key above the
            level that is not a single value (PS3.4 C.4.1.3.1.1).
    """
    level = Level.__members__.get(query.level)
    if level is None or level < top(query.model):
        raise _misfit("no such level in this information model")
    for above in Level:
        if top(query.model) <= above < level and not _single(query.identifier, UNIQUE_KEYS[above]):
            raise _misfit(f"a single unique key is needed at the {above.name} level")
    return level


def _misfit(comment: str) -> ArchiveFault:
    return ArchiveFault(FindStatus.IDENTIFIER_DOES_NOT_MATCH_SOP_CLASS, comment)


def _single(identifier: Dataset, tag: str) -> bool:
    element = identifier.get(int(tag, 16))
    return element is not None and element.VM == 1 and str(element.value).strip(" \0*?") != ""


def find(database: Database, query: Query, policy: Policy) -> Iterator[Match]:
    """Match an identifier, lazily: rows are read a page at a time, in the order they came in.

    Raises:
        ArchiveFault: 0xA900: the identifier does not fit its level and model.
    """
    level = level_of(query)
    asked = _keys(query.identifier)
    known = _answered(level, policy)
    keys = [key for key in asked if key.tag in known]
    unsupported = frozenset(int(key.tag, 16) for key in asked if key.tag not in known)
    return _matches(database, level, keys, unsupported, policy)


def _keys(identifier: Dataset) -> list[Key]:
    keys = []
    for element in identifier:
        tag = f"{int(element.tag):08X}"
        if tag in _CONTROL_KEYS or element.tag.element == 0 or element.tag.is_private_creator:
            continue
        condition = parse_key(int(element.tag), element.VR, element.value)
        items = element.value[0] if element.VR == "SQ" and element.value else None
        keys.append(Key(tag, element.VR, condition, items))
    return keys


def _answered(level: Level, policy: Policy) -> frozenset[str]:
    own = (policy.keys[above] | computed.keys(above) for above in Level if above <= level)
    return frozenset().union(*own)


def _matches(
    database: Database, level: Level, keys: list[Key], unsupported: frozenset[int], policy: Policy
) -> Iterator[Match]:
    wanted = frozenset(key.tag for key in keys)
    narrowed = _statement(level, keys).order_by(_ROWS[level]).limit(policy.page)
    last = 0
    while True:
        with database.read() as connection:
            rows = connection.execute(narrowed.where(_ROWS[level] > last)).all()
            found = list(_read(level, rows))
            computed.complete(connection, level, found, wanted, policy.ae_title)
        for one in found:
            if all(_passes(key, one.attributes) for key in keys):
                yield Match(_reply(level, keys, one.attributes), unsupported)
        if len(rows) < policy.page:
            return
        last = found[-1].ids[level]


def _statement(level: Level, keys: list[Key]) -> AnySelect:
    statement = _joined(level)
    for key in keys:
        clause = _narrowed(key, level)
        if clause is not None:
            statement = statement.where(clause)
    return statement


def _joined(level: Level) -> AnySelect:
    """Select the rows of a level with the attributes of all levels above; only what is shown."""
    columns: list[Any] = [Patient.id.label("id_0"), Patient.attributes.label("attributes_0")]
    if level == Level.PATIENT:
        shown = select(Study.id).where(Study.shown_patient_id == Patient.id).exists()
        return select(*columns).where(shown)
    columns += [Study.id.label("id_1"), Study.attributes.label("attributes_1"), Study.study_uid]
    if level >= Level.SERIES:
        columns += [Series.id.label("id_2"), Series.attributes.label("attributes_2")]
        columns += [Series.series_uid]
    if level == Level.IMAGE:
        columns += [Instance.id.label("id_3"), Revision.attributes.label("attributes_3")]
        columns += [Instance.sop_instance_uid, Revision.sop_class_uid]
    statement = select(*columns).select_from(Study)
    statement = statement.join(Patient, Patient.id == Study.shown_patient_id)
    if level >= Level.SERIES:
        statement = statement.join(Series, Series.study_id == Study.id)
    if level == Level.IMAGE:
        statement = statement.join(Instance, Instance.series_id == Series.id)
        served = (Revision.instance_id == Instance.id) & Revision.served
        statement = statement.join(Revision, served)
    return statement


def _narrowed(key: Key, level: Level) -> ColumnElement[bool] | None:
    if isinstance(key.condition, Universal):
        return None
    if key.tag in _FOLDED:
        return narrow(_FOLDED[key.tag], key.condition)
    if key.tag in _UIDS:
        return narrow_uid(_UIDS[key.tag], key.condition)
    if key.tag == computed.MODALITIES and level == Level.STUDY:
        modality = narrow(Series.modality_folded, key.condition)
        return select(Series.id).where(Series.study_id == Study.id, modality).exists()
    return None


def _read(level: Level, rows: Sequence[AnyRow]) -> Iterator[Found]:
    """Put the attributes of a row's levels together; a parent shared by rows is parsed once."""
    parsed: dict[tuple[Level, int], Attributes] = {}
    for row in rows:
        ids = {above: getattr(row, f"id_{above.value}") for above in Level if above <= level}
        attributes: Attributes = {}
        for above, number in ids.items():
            place = (above, number)
            if place not in parsed:
                written = getattr(row, f"attributes_{above.value}")
                parsed[place] = part(from_json(written), above)
            attributes |= parsed[place]
        yield Found(ids, attributes | _uids(level, row))


def _uids(level: Level, row: AnyRow) -> Attributes:
    """Give the UIDs as the index knows them: surrogates where the dataset had none."""
    uids = {}
    if level >= Level.STUDY:
        uids[UNIQUE_KEYS[Level.STUDY]] = ["UI", row.study_uid]
    if level >= Level.SERIES:
        uids[UNIQUE_KEYS[Level.SERIES]] = ["UI", row.series_uid]
    if level == Level.IMAGE:
        uids[UNIQUE_KEYS[Level.IMAGE]] = ["UI", row.sop_instance_uid]
        uids[tag_of("SOPClassUID")] = ["UI", row.sop_class_uid]
    return uids


def _passes(key: Key, attributes: Attributes) -> bool:
    if isinstance(key.condition, Universal):
        return True
    values = values_of(attributes, key.tag)
    if key.vr == "SQ":
        return matches(key.condition, [dataset_of(item) for item in values])
    return matches(key.condition, values)


def _reply(level: Level, keys: list[Key], attributes: Attributes) -> Dataset:
    """Give the attributes asked for, empty where unknown, and the unique key of the level."""
    reply = Dataset()
    if SPECIFIC_CHARACTER_SET in attributes:
        reply.add(_element(SPECIFIC_CHARACTER_SET, "CS", attributes))
    reply.add(_element(UNIQUE_KEYS[level], "LO", attributes))
    for key in keys:
        element = _element(key.tag, key.vr, attributes)
        if key.items and element.VR == "SQ":
            for item in element.value:
                _keep_only(item, key.items)
        reply.add(element)
    return reply


def _element(tag: str, vr: str, attributes: Attributes) -> Any:
    stored_vr, *values = attributes.get(tag, [vr])
    return element_of(int(tag, 16), stored_vr, values)


def _keep_only(item: Dataset, asked: Dataset) -> None:
    """Leave in a sequence's item what the key's item asks for (PS3.4 C.2.2.2.6)."""
    for tag in set(item.keys()) - set(asked.keys()):
        del item[tag]
