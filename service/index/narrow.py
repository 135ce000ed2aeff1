"""Conditions as SQL that narrows: rows it leaves out cannot match, rows it lets through may not.

:func:`dicom.matching.matches` decides; the database only spares it most rows. So no difference
between databases, collations or LIKE's own ideas of case can change an answer.
"""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import ColumnElement, or_, true

from dicom.matching import AnyOf, Condition, ListOfUid, Range, SingleValue, Wildcard
from service.index.text import folded, storable

LONGEST_PATTERN: Final = 256
"""Characters. No short text's key is longer; SQLite refuses LIKE patterns over 50,000 bytes."""

MOST_UIDS: Final = 500
"""UIDs in one statement: below SQLite's limit of 32,766 and PostgreSQL's of 65,535 parameters."""

_ESCAPE: Final = "/"
_MEANT: Final = str.maketrans({"/": "//", "%": "/%", "_": "/_", "*": "%", "?": "%"})


def narrow(column: Any, condition: Condition) -> ColumnElement[bool]:
    """Narrow a folded or normalised column; rows where it is NULL stay in."""
    if isinstance(condition, AnyOf):
        return or_(*(narrow(column, one) for one in condition.conditions))
    clause = _clause(column, condition)
    return true() if clause is None else or_(clause, column.is_(None))


def narrow_uid(column: Any, condition: Condition) -> ColumnElement[bool]:
    """Narrow a UID column."""
    if isinstance(condition, SingleValue):
        return _equal(column, condition.value)
    if isinstance(condition, ListOfUid) and len(condition.uids) <= MOST_UIDS:
        equal: ColumnElement[bool] = column.in_(condition.uids)
        return equal
    return true()


def _equal(column: Any, value: str) -> ColumnElement[bool]:
    equal: ColumnElement[bool] = column == value
    return equal


def _clause(column: Any, condition: Condition) -> ColumnElement[bool] | None:
    if isinstance(condition, Range):
        return _range(column, condition)
    if isinstance(condition, Wildcard):
        return _like(column, condition.pattern, condition)
    if isinstance(condition, SingleValue) and condition.vr == "PN":
        return _like(column, condition.value, condition)
    if isinstance(condition, SingleValue):
        value = folded(condition.value)
        return None if value is None else _equal(column, value)
    return None


def _range(column: Any, condition: Range) -> ColumnElement[bool] | None:
    bounds = []
    if condition.first is not None:
        bounds.append(column >= condition.first)
    if condition.last is not None:
        bounds.append(column <= condition.last)
    clause = bounds[0]
    for bound in bounds[1:]:
        clause = clause & bound
    narrowed: ColumnElement[bool] = clause
    return narrowed


def _like(
    column: Any, pattern: str, condition: SingleValue | Wildcard
) -> ColumnElement[bool] | None:
    """Let ? stand for any characters: folding may make two characters of one.

    A person name's pattern may mean one of its component groups, or leave some out (PS3.5 6.2.1).
    """
    meant = pattern if condition.folds and storable(pattern) else folded(pattern)
    if meant is None or len(meant) > LONGEST_PATTERN:
        return None
    meant = meant.translate(_MEANT)
    if condition.vr == "PN":
        meant = f"%{meant.replace('=', '%')}%"
    like: ColumnElement[bool] = column.like(meant, escape=_ESCAPE)
    return like
