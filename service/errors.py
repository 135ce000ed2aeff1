"""The archive's faults, and the one table of how each is told to a person, a peer and a program.

Two bases part what no retry mends from what one may: a :class:`DataFault` says that bytes, a
request or a state are wrong, an :class:`IoFault` that a disk, a database or a memory failed us.
Modules raise these classes, or subclasses of their own, with a message that says what and where
and holds no patient data; :func:`rendering` finds the nearest listed ancestor.

Exit codes of the command: 0 done, 2 the audit found faults, 64 to 78 as in BSD's ``sysexits.h``,
80 to 99 one for each data fault, 100 to 119 one for each I/O fault.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from config.errors import SettingsError

EXIT_OK: Final = 0
EXIT_FAULTS_FOUND: Final = 2
EXIT_USAGE: Final = 64


class Fault(Exception):
    """Anything that the archive could not do, for a reason it knows."""


class DataFault(Fault):
    """The data, the request or the state is wrong: trying again gives the same."""


class IoFault(Fault):
    """A disk, a database or another resource failed: the data may be well."""


class Truncated(DataFault):
    """A sealed file ends before its last part."""


class Altered(DataFault):
    """A sealed part does not authenticate, or what was opened has another SHA-256."""


class Swapped(DataFault):
    """A sealed part stands where another belongs."""


class WrongInstance(DataFault):
    """A sealed file holds another instance than its row or its clear elements say."""


class WrongKey(DataFault):
    """The key that a file names is not the one it was sealed under, or not in the keyring."""


class Undecodable(DataFault):
    """A sealed part opens but cannot be decoded: an unknown model, format or stream."""


class Missing(DataFault):
    """An object or a journal entry that a row names does not exist."""


class WrongSecret(DataFault):
    """The root secret does not open the keyring."""


class KeyNeeded(DataFault):
    """A key cannot be retired: something is still sealed under it."""


class Unknown(DataFault):
    """Nothing in the archive goes by that name."""


class Conflict(DataFault):
    """The request contradicts what the archive already holds."""


class Held(DataFault):
    """A legal hold forbids the deletion."""


class Rejected(DataFault):
    """A rejection note names the instance, so that it is not accepted again (IHE RAD IOCM)."""


class TrailBroken(DataFault):
    """The audit trail's hash chain does not hold."""


class Unparsable(DataFault):
    """A file offered for import is not DICOM, or has no dataset."""


class NotInstalled(DataFault):
    """A library of an optional extra is wanted and not installed."""


class StoreFault(IoFault):
    """The object store could not read or write."""


class JournalFault(IoFault):
    """The journal could not read or write."""


class IndexFault(IoFault):
    """The SQL index could not be read or written."""


class KeyringFault(IoFault):
    """The keyring or the root secret could not be read or written."""


class OutOfSpace(IoFault):
    """No room is left on a disk."""


class Busy(IoFault):
    """Another process holds what is needed; it will let go."""


@dataclass(frozen=True, slots=True)
class Rendering:
    """How a fault is told."""

    message: str
    """For people, before the fault's own message; without patient data."""
    dimse: int
    """DIMSE status (PS3.7 Annex C, PS3.4 B.2.3 and C.4) where a service has no better one."""
    http: int
    exit_code: int
    retryable: bool
    """Whether the same request may succeed later with nothing changed by hand."""


TABLE: Final[Mapping[type[Exception], Rendering]] = MappingProxyType(
    {
        SettingsError: Rendering("wrong setting", 0x0110, 500, 78, False),
        DataFault: Rendering("wrong data", 0xC000, 422, 65, False),
        Truncated: Rendering("truncated", 0xC000, 500, 80, False),
        Altered: Rendering("altered", 0xC000, 500, 81, False),
        Swapped: Rendering("parts swapped", 0xC000, 500, 82, False),
        WrongInstance: Rendering("another instance", 0xC000, 500, 83, False),
        WrongKey: Rendering("wrong key", 0xC000, 500, 84, False),
        Undecodable: Rendering("cannot be decoded", 0xC000, 500, 85, False),
        Missing: Rendering("missing", 0xC000, 500, 86, False),
        WrongSecret: Rendering("the root secret does not fit", 0x0110, 500, 87, False),
        KeyNeeded: Rendering("the key is still needed", 0x0110, 409, 88, False),
        Unknown: Rendering("unknown", 0x0112, 404, 89, False),
        Conflict: Rendering("conflict", 0x0110, 409, 90, False),
        TrailBroken: Rendering("the audit trail is broken", 0x0110, 500, 91, False),
        Unparsable: Rendering("not DICOM", 0xC000, 422, 92, False),
        Held: Rendering("under legal hold", 0x0110, 409, 93, False),
        Rejected: Rendering("rejected before", 0x0124, 403, 94, False),
        NotInstalled: Rendering("not installed", 0x0110, 501, 95, False),
        OSError: Rendering("the system refused", 0xA700, 503, 71, True),
        IoFault: Rendering("reading or writing failed", 0xA700, 503, 74, True),
        StoreFault: Rendering("the object store failed", 0xA700, 503, 100, True),
        JournalFault: Rendering("the journal failed", 0xA700, 503, 101, True),
        IndexFault: Rendering("the index failed", 0xA700, 503, 102, True),
        KeyringFault: Rendering("the keyring cannot be used", 0xA700, 503, 103, True),
        OutOfSpace: Rendering("no space is left", 0xA700, 507, 104, True),
        Busy: Rendering("busy", 0xA700, 503, 105, True),
        Exception: Rendering("internal fault", 0x0110, 500, 70, False),
    }
)
"""Every class of fault that is told in its own way."""


def rendering(fault: BaseException) -> Rendering:
    """Look up how to tell a fault: by its class, or the nearest ancestor that is listed."""
    listed = (TABLE[kind] for kind in type(fault).__mro__ if kind in TABLE)
    return next(listed, TABLE[Exception])
