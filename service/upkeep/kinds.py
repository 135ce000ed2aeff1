"""What can be wrong with something stored: the closed list, and its names for faults."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Final

from service import errors
from service.errors import DataFault


class Kind(Enum):
    """The closed list of what can be wrong."""

    MISSING = "missing"
    """A row names an object or a journal entry that is not there, or that the disk withholds."""
    ORPHANED = "orphaned"
    """An object or journal entry that no row names, or a file that is neither."""
    TRUNCATED = "truncated"
    ALTERED = "altered"
    """Bytes are not those that were sealed; the detail says in which part, or which frame."""
    SWAPPED = "swapped"
    """A part stands where another belongs, or comes from another object."""
    WRONG_INSTANCE = "wrong-instance"
    """A sound object, but not the one that its name or its row says."""
    WRONG_KEY = "wrong-key"
    UNDECODABLE = "undecodable"
    STALE = "stale"
    """Sound, but the trail knows of a later state: it was set back."""
    ROW_MISMATCH = "row-mismatch"
    """A row says otherwise than what is sealed, or than what the trail has of it."""
    TRAIL_BROKEN = "trail-broken"
    """The trail's hash chain does not hold."""


_KINDS: Final[Mapping[type[DataFault], Kind]] = {
    errors.Missing: Kind.MISSING,
    errors.Truncated: Kind.TRUNCATED,
    errors.Altered: Kind.ALTERED,
    errors.Swapped: Kind.SWAPPED,
    errors.WrongInstance: Kind.WRONG_INSTANCE,
    errors.WrongKey: Kind.WRONG_KEY,
    errors.Undecodable: Kind.UNDECODABLE,
    errors.Unknown: Kind.ROW_MISMATCH,
}


def kind_of(fault: DataFault) -> Kind:
    """Name what a fault says of the file that it was raised for."""
    listed = (_KINDS[kind] for kind in type(fault).__mro__ if kind in _KINDS)
    return next(listed, Kind.UNDECODABLE)
