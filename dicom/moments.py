"""Dates, times and date-times as texts that sort (PS3.5 6.2: DA, TM, DT) and their ranges."""

from __future__ import annotations

import re
from typing import Final

MOMENT_VRS: Final = frozenset({"DA", "TM", "DT"})

_DATE = r"\d{4}(?:\d\d(?:\d\d)?)?"
_TIME = r"\d\d(?:\d\d(?:\d\d(?:\.\d{1,6})?)?)?"
_OFFSET = r"[+-](?:0\d|1[0-4])[0-5]\d(?=$|[ -])"
"""PS3.5 6.2 allows -1200 to +1400, so that the hyphen of a range before a year isn't one."""

_MOMENTS: Final = {
    "DA": re.compile(rf"(?P<digits>{_DATE})"),
    "TM": re.compile(rf"(?P<digits>{_TIME})"),
    "DT": re.compile(rf"(?P<digits>{_DATE}|\d{{8}}{_TIME})(?:{_OFFSET})?(?=$|[ -])"),
}
_FIRST: Final = {"DA": "00000101", "TM": "000000.000000", "DT": "00000101000000.000000"}
_LAST: Final = {"DA": "99991231", "TM": "235959.999999", "DT": "99991231235959.999999"}


def normal_moment(vr: str, text: str) -> str | None:
    """Write the first moment that a value covers in full length, or None if it is no moment.

    DA as YYYYMMDD, TM as HHMMSS.FFFFFF, DT as both together, without offset from UTC. The forms
    of ACR-NEMA, with dots in dates and colons in times, are read as well.
    """
    text = _plain(vr, text)
    match = _MOMENTS[vr].fullmatch(text)
    return _pad(match["digits"], _FIRST[vr]) if match else None


def moment_range(vr: str, text: str) -> tuple[str | None, str | None] | None:
    """Read a key: ``a-b``, ``a-``, ``-b``, or ``a`` alone, which covers all that it leaves open.

    Both ends are included; the last one runs to the end of the day, minute or second that it names.
    None if the text is no such key.
    """
    text = _plain(vr, text)
    if text.startswith("-"):
        last = _MOMENTS[vr].fullmatch(text[1:].strip())
        return (None, _pad(last["digits"], _LAST[vr])) if last else None
    first = _MOMENTS[vr].match(text)
    if first is None:
        return None
    start = _pad(first["digits"], _FIRST[vr])
    rest = text[first.end() :].strip()
    if not rest:
        return start, _pad(first["digits"], _LAST[vr])
    if rest == "-":
        return start, None
    last = _MOMENTS[vr].fullmatch(rest.removeprefix("-").strip())
    if last is None or not rest.startswith("-"):
        return None
    return start, _pad(last["digits"], _LAST[vr])


def _plain(vr: str, text: str) -> str:
    text = text.strip(" \0")
    if vr == "DA":
        return text.replace(".", "")
    return text.replace(":", "") if vr == "TM" else text


def _pad(digits: str, pattern: str) -> str:
    """Fill the components that a value leaves open from the pattern."""
    if len(digits) == len(pattern):
        return digits
    return digits + pattern[len(digits) :]
