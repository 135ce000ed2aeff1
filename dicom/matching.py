"""Attribute matching of the Query/Retrieve service (PS3.4 C.2.2.2).

:func:`parse_key` turns one key of an identifier into a condition; an index may translate conditions
into its own language, and :func:`matches` says in Python what they mean.
"""

from __future__ import annotations

import fnmatch
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import Any, Final

from pydicom.dataset import Dataset
from pydicom.multival import MultiValue

from dicom.moments import MOMENT_VRS, moment_range, normal_moment

WILDCARD_VRS: Final = frozenset(["AE", "CS", "LO", "LT", "PN", "SH", "ST", "UC", "UR", "UT"])
"""VRs whose keys may hold the wildcards * and ? (PS3.4 C.2.2.2.4)."""

_NUMBER_VRS: Final = frozenset(["DS", "FD", "FL", "IS", "SL", "SS", "SV", "UL", "US", "UV"])


@dataclass(frozen=True, slots=True)
class Universal:
    """Matches every instance, those without the attribute too (C.2.2.2.3)."""


@dataclass(frozen=True, slots=True)
class SingleValue:
    """Matches an equal value (C.2.2.2.1)."""

    value: str
    """In the form of :func:`normal_form`; folded, if ``folds``."""
    vr: str
    folds: bool = False
    """Whether case doesn't count (PN): compare :func:`fold` of the values."""


@dataclass(frozen=True, slots=True)
class ListOfUid:
    """Matches any of the UIDs (C.2.2.2.2)."""

    uids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Wildcard:
    """Matches a pattern: * any characters, none too; ? any one character (C.2.2.2.4)."""

    pattern: str
    """Folded, if ``folds``; everything but * and ? stands for itself."""
    vr: str
    folds: bool = False


@dataclass(frozen=True, slots=True)
class Range:
    """Matches moments from ``first`` to ``last``, both included (C.2.2.2.5)."""

    first: str | None
    """In the form of :func:`normal_form`, which sorts as the moments do; None is open."""
    last: str | None
    vr: str


@dataclass(frozen=True, slots=True)
class AnyOf:
    """Matches what one of the conditions matches: a key of several values (C.2.2.2.8)."""

    conditions: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class SequenceOf:
    """Matches sequences with an item in which every key matches (C.2.2.2.6)."""

    keys: Mapping[int, Condition]


Condition = Universal | SingleValue | ListOfUid | Wildcard | Range | AnyOf | SequenceOf


def fold(text: str) -> str:
    """Fold case as matching of person names wants it: NFC, then Unicode case folding."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).casefold())


def normal_form(vr: str, value: Any) -> str:
    """Write a single value in the one form in which equal values are equal texts.

    Moments (DA, TM, DT) become fixed-length texts that sort in time, without time zone: an offset
    from UTC is dropped, since most values have none to convert from. Numbers lose their zeros,
    person names their trailing delimiters, texts their padding. A value that its VR doesn't fit
    stays as it is.
    """
    text = str(value).strip(" \0")
    if vr in MOMENT_VRS:
        return normal_moment(vr, text) or text
    if vr in _NUMBER_VRS:
        return _normal_number(text)
    if vr == "PN":
        return "=".join(group.rstrip("^ ") for group in text.split("=")).rstrip("=")
    return text


def _normal_number(text: str) -> str:
    try:
        number = Decimal(text)
        return str(number.normalize() + 0) if number.is_finite() else text
    except ArithmeticError:
        return text


def parse_key(tag: int, vr: str, value: Any) -> Condition:
    """Turn one key attribute of an identifier into a condition.

    Args:
        tag: the key's tag.
        vr: its Value Representation.
        value: its value as pydicom gives it: text, number, several of them, or items.
    """
    if vr == "SQ":
        return _parse_sequence(value)
    values = [text for text in _texts(value) if text]
    if not values:
        return Universal()
    if vr == "UI":
        return ListOfUid(tuple(values)) if len(values) > 1 else SingleValue(values[0], vr)
    conditions = tuple(_parse_value(vr, text) for text in values)
    return conditions[0] if len(conditions) == 1 else AnyOf(conditions)


def parse_identifier(identifier: Dataset) -> dict[int, Condition]:
    """Turn all keys of an identifier, or of one item of it, into conditions by tag."""
    return {
        int(element.tag): parse_key(int(element.tag), element.VR, element.value)
        for element in identifier
    }


def _parse_sequence(items: Iterable[Dataset] | None) -> Condition:
    keys = parse_identifier(next(iter(items or ()), Dataset()))
    if all(isinstance(condition, Universal) for condition in keys.values()):
        return Universal()
    return SequenceOf(keys)


def _texts(value: Any) -> list[str]:
    if value is None:
        return []
    if isinstance(value, (list, tuple, MultiValue)):
        return [str(single).strip(" \0") for single in value]
    return [str(value).strip(" \0")]


def _parse_value(vr: str, text: str) -> Condition:
    if not text.strip("*") and (vr in WILDCARD_VRS or vr in MOMENT_VRS):
        return Universal()  # some peers send * for dates as well
    if vr in MOMENT_VRS:
        span = moment_range(vr, text)
        return Range(*span, vr) if span else SingleValue(text, vr)
    folds = vr == "PN"
    if vr in WILDCARD_VRS and ("*" in text or "?" in text):
        pattern = re.sub(r"\*+", "*", text)
        return Wildcard(fold(pattern) if folds else pattern, vr, folds)
    value = normal_form(vr, text)
    return SingleValue(fold(value) if folds else value, vr, folds)


def matches(condition: Condition, values: Iterable[Any]) -> bool:
    """Say whether an attribute with these values matches: one that does is enough.

    An absent attribute has no values; for :class:`SequenceOf` the values are the sequence's items.
    """
    if isinstance(condition, Universal):
        return True
    if isinstance(condition, AnyOf):
        values = list(values)
        return any(matches(single, values) for single in condition.conditions)
    if isinstance(condition, SequenceOf):
        return any(_item_matches(condition, item) for item in values)
    return any(_value_matches(condition, value) for value in values)


def _item_matches(condition: SequenceOf, item: Dataset) -> bool:
    return all(matches(key, _values(item, tag)) for tag, key in condition.keys.items())


def _values(item: Dataset, tag: int) -> list[Any]:
    if tag not in item:
        return []
    element = item[tag]
    if element.VR == "SQ":
        return list(element.value)
    return _texts(element.value)


def _value_matches(condition: SingleValue | ListOfUid | Wildcard | Range, value: Any) -> bool:
    if isinstance(condition, ListOfUid):
        return normal_form("UI", value) in condition.uids
    text = normal_form(condition.vr, value)
    if isinstance(condition, Range):
        return _in_range(condition, text)
    text = fold(text) if condition.folds else text
    wanted = condition.value if isinstance(condition, SingleValue) else condition.pattern
    if condition.vr == "PN":
        return _name_matches(condition, wanted.split("="), text.split("="))
    return _text_matches(condition, wanted, text)


def _text_matches(condition: SingleValue | Wildcard, wanted: str, text: str) -> bool:
    if isinstance(condition, SingleValue):
        return wanted == text
    return _glob(wanted).match(text) is not None


def _name_matches(
    condition: SingleValue | Wildcard, wanted: Sequence[str], groups: Sequence[str]
) -> bool:
    """Match component groups of a name (PS3.5 6.2.1.1): one that is given alone may be any of them.

    Several stand for themselves; those left empty, or out, match whatever the name has there.
    """
    if len(wanted) == 1:
        return any(_text_matches(condition, wanted[0], group) for group in groups)
    there = (*groups, *("" for _ in wanted))
    return all(
        not one or _text_matches(condition, one, group)
        for one, group in zip(wanted, there, strict=False)
    )


@lru_cache(maxsize=256)
def _glob(pattern: str) -> re.Pattern[str]:
    """Compile a pattern once for all the values that a query compares it with."""
    return re.compile(glob_expression(pattern))


def _in_range(condition: Range, text: str) -> bool:
    if normal_moment(condition.vr, text) is None:
        return False
    return (condition.first is None or condition.first <= text) and (
        condition.last is None or text <= condition.last
    )


def glob_expression(pattern: str) -> str:
    """Write a wildcard pattern as a regular expression that never backtracks over a * twice."""
    return fnmatch.translate(pattern.replace("[", "[[]"))
