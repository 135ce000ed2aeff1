"""Which DICOM audit message each entry of the trail becomes (PS3.15 A.5.3).

Left out are entries that tell only how the archive keeps what it has: ``archived``, ``resealed``,
and storage commitment, for which PS3.15 has no message.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from service.index import USER_REFUSED

DCM: Final = "DCM"
OURS: Final = "99RADIOLITH"
"""Codes of ours, for what the standard has none."""


@dataclass(frozen=True, slots=True)
class Code:
    """A coded value (PS3.15 A.5.1, CodedValueType)."""

    value: str
    meaning: str
    system: str = DCM


@dataclass(frozen=True, slots=True)
class Event:
    """The message that an entry becomes."""

    id: Code
    action: str
    """C, R, U, D or E (A.5.2.2)."""
    type: Code | None = None


_ACTIVITY: Final = Code("110100", "Application Activity")
_LOG_USED: Final = Code("110101", "Audit Log Used")
_ACCESSED: Final = Code("110103", "DICOM Instances Accessed")
_TRANSFERRED: Final = Code("110104", "DICOM Instances Transferred")
_DELETED: Final = Code("110105", "DICOM Study Deleted")
_EXPORT: Final = Code("110106", "Export")
_PATIENT: Final = Code("110110", "Patient Record")
_QUERY: Final = Code("110112", "Query")
_ALERT: Final = Code("110113", "Security Alert")

_AUTHENTICATION: Final = Code("110114", "User Authentication")

_LOGIN: Final = Code("110122", "Login")
_START: Final = Code("110120", "Application Start")
_STOP: Final = Code("110121", "Application Stop")
_NETWORK: Final = Code("110128", "Network Configuration")
_SECURITY: Final = Code("110129", "Security Configuration")
_SOFTWARE: Final = Code("110131", "Software Configuration")
_OBJECT: Final = Code("110135", "Object Security Attributes Changed")
_USER: Final = Code("110137", "User Security Attributes Changed")
_MISMATCH: Final = Code("mismatch", "Coded frames decoded to something else", OURS)
_DAMAGED: Final = Code("damaged", "Stored object damaged", OURS)

EVENTS: Final[Mapping[str, Event | None]] = {
    "service started": Event(_ACTIVITY, "E", _START),
    "service stopped": Event(_ACTIVITY, "E", _STOP),
    "trail read": Event(_LOG_USED, "R"),
    "trail anchored": Event(_ALERT, "E", _SECURITY),
    "stored": Event(_TRANSFERRED, "C"),
    "stored again": Event(_TRANSFERRED, "C"),
    "sent again": Event(_TRANSFERRED, "C"),
    "user authentication": Event(_AUTHENTICATION, "E", _LOGIN),
    USER_REFUSED: Event(_AUTHENTICATION, "E", _LOGIN),
    "query": Event(_QUERY, "E"),
    "retrieve": Event(_TRANSFERRED, "R"),
    "export": Event(_EXPORT, "R"),
    "deleted": Event(_DELETED, "D"),
    "deletion undone": Event(_ACCESSED, "U"),
    "purged": Event(_DELETED, "D"),
    "held": Event(_ALERT, "E", _OBJECT),
    "hold released": Event(_ALERT, "E", _OBJECT),
    "rejected": Event(_ACCESSED, "U"),
    "rejection revoked": Event(_ACCESSED, "U"),
    "quarantine accepted": Event(_ACCESSED, "U"),
    "quarantine rejected": Event(_ACCESSED, "U"),
    "correction": Event(_PATIENT, "U"),
    "correction undone": Event(_PATIENT, "U"),
    "corrections restored": Event(_PATIENT, "U"),
    "damaged": Event(_ALERT, "E", _DAMAGED),
    "mismatch": Event(_ALERT, "E", _MISMATCH),
    "repaired": Event(_ACCESSED, "U"),
    "orphan settled": Event(_ACCESSED, "U"),
    "archive initialised": Event(_ALERT, "E", _SECURITY),
    "key rotated": Event(_ALERT, "E", _SECURITY),
    "key retired": Event(_ALERT, "E", _SECURITY),
    "keyring rewrapped": Event(_ALERT, "E", _SECURITY),
    "keyring backed up": Event(_ALERT, "E", _SECURITY),
    "node added": Event(_ALERT, "E", _NETWORK),
    "node removed": Event(_ALERT, "E", _NETWORK),
    "user added": Event(_ALERT, "E", _USER),
    "user removed": Event(_ALERT, "E", _USER),
    "index rebuilt": Event(_ALERT, "E", _SOFTWARE),
    "backup": Event(_ALERT, "E", _SOFTWARE),
    "archived": None,
    "resealed": None,
    "commitment requested": None,
    "commitment reported": None,
}
"""None for entries that are not sent."""

_UNKNOWN: Final = "other"


def event_of(name: str) -> Event | None:
    """Give the message that an entry becomes; an event that is not listed is a security alert."""
    if name in EVENTS:
        return EVENTS[name]
    return Event(_ALERT, "E", Code(_UNKNOWN, name, OURS))
