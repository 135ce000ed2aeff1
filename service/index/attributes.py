"""Attributes as the index keeps them: a dataset as JSON, without bulk, and back again.

The form is ``{"GGGGEEEE": [VR, value, ...]}``: text as decoded, numbers as numbers, sequences as
lists of such objects. It keeps DS and IS as they were written, which PS3.18 Annex F does not. JSON
has no numbers that are not finite (RFC 8259 section 6): they stand as text.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from typing import Any, Final

import pydicom.config
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue
from pydicom.sequence import Sequence
from pydicom.tag import Tag

Attributes = dict[str, list[Any]]

SPECIFIC_CHARACTER_SET: Final = "00080005"

_BULK_VRS: Final = frozenset({"OB", "OD", "OF", "OL", "OV", "OW", "UN"})
_NUMBER_VRS: Final = frozenset({"FL", "FD", "SL", "SS", "SV", "UL", "US", "UV"})
_NOT_FINITE: Final = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}
"""Values of FL and FD by the text that Python writes for them."""
_UNDIVIDED_VRS: Final = frozenset({"LT", "ST", "UT", "UR"})
"""Text where a backslash is a character (PS3.5 6.2)."""

_LONGEST: Final = 4096
"""Characters of an attribute's JSON: what is longer (frame-wise functional groups, reports' content
trees) is no query key, and would make rows larger than the small instances they describe."""


def attributes_of(dataset: Dataset) -> Attributes:
    """Take a dataset's attributes, leaving bulk out."""
    kept: Attributes = {}
    for element in dataset:
        if element.VR in _BULK_VRS:
            continue
        value = [element.VR, *_values(element)]
        if _fits(value):
            kept[f"{int(element.tag):08X}"] = value
    return kept


def _fits(value: list[Any]) -> bool:
    if len(value) == 2 and isinstance(value[1], str | int | float):
        return not isinstance(value[1], str) or len(value[1]) <= _LONGEST
    return len(json.dumps(value)) <= _LONGEST


def _values(element: DataElement) -> Iterator[Any]:
    value = element.value
    if element.VR == "SQ":
        yield from (attributes_of(item) for item in value)
    elif isinstance(value, MultiValue | list | tuple):
        yield from (_plain(element.VR, one) for one in value)
    elif value is not None and value != "":
        yield _plain(element.VR, value)


def _plain(vr: str, value: Any) -> Any:
    if vr in _NUMBER_VRS and isinstance(value, int | float):
        return value if math.isfinite(value) else str(float(value))
    if vr == "AT":
        return f"{int(value):08X}"
    original = getattr(value, "original_string", None)
    return original if isinstance(original, str) and vr != "PN" else str(value)


def dataset_of(attributes: Attributes) -> Dataset:
    """Make a dataset of attributes again; what does not fit its VR stays as the text it was."""
    dataset = Dataset()
    for tag, (vr, *values) in attributes.items():
        dataset.add(element_of(int(tag, 16), vr, values))
    return dataset


def element_of(tag: int, vr: str, values: list[Any]) -> DataElement:
    """Make one element."""
    if vr == "SQ":
        return DataElement(tag, "SQ", Sequence([dataset_of(item) for item in values]))
    if vr in ("FL", "FD"):
        values = [_NOT_FINITE.get(one, one) for one in values]
    value = values[0] if len(values) == 1 else values or None
    if vr == "AT" and values:
        value = [Tag(int(one, 16)) for one in values]
    if vr in _UNDIVIDED_VRS and values:
        return DataElement(tag, vr, values[0], already_converted=True)
    try:
        return DataElement(tag, vr, value, validation_mode=pydicom.config.IGNORE)
    except (ValueError, TypeError, ArithmeticError):
        return DataElement(tag, vr, value, already_converted=True)


def values_of(attributes: Attributes, tag: str) -> list[Any]:
    """Give an attribute's values, none where it is absent or empty."""
    return attributes.get(tag, [""])[1:]


def first_text(attributes: Attributes, tag: str) -> str:
    """Give an attribute's first value as text without padding, empty where it has none."""
    values = values_of(attributes, tag)
    return str(values[0]).strip(" \0") if values else ""


def merge(older: Attributes, newer: Attributes) -> Attributes:
    """Let the newer attributes win, where they have a value."""
    return {
        **older,
        **{tag: value for tag, value in newer.items() if value[1:] or tag not in older},
    }


def to_json(attributes: Attributes) -> str:
    """Write canonically, in pure ASCII: equal attributes give equal text, for any database."""
    return json.dumps(attributes, sort_keys=True, separators=(",", ":"), allow_nan=False)


def from_json(text: str) -> Attributes:
    """Read what :func:`to_json` wrote."""
    attributes: Attributes = json.loads(text)
    return attributes
