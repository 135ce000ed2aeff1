"""User identity negotiation (PS3.7 D.3.3.7): who uses the requestor."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from enum import IntEnum

from dicom.association.faults import ProtocolFault

_LENGTH = struct.Struct(">H")
_HEAD = 2

ACCEPTED = _LENGTH.pack(0)
"""The positive response to a username, with or without a passcode (PS3.7 Table D.3-15)."""


class IdentityType(IntEnum):
    """User-Identity-Type of the types that are evaluated; Kerberos, SAML and JWT are not."""

    USERNAME = 1
    USERNAME_AND_PASSCODE = 2


@dataclass(frozen=True, slots=True)
class UserIdentity:
    """A user identity sub-item of a request (PS3.7 Table D.3-14)."""

    kind: int
    response_requested: bool
    primary: bytes = field(repr=False)
    """The username in UTF-8; another type's ticket or assertion."""
    passcode: bytes = field(default=b"", repr=False)

    @property
    def username(self) -> str:
        """The username; empty where the identity is of another type."""
        is_username = self.kind in IdentityType.__members__.values()
        return self.primary.decode("utf-8", "replace") if is_username else ""

    def encode(self) -> bytes:
        """Encode the sub-item's value."""
        fields = (self.primary, self.passcode)
        lengths_and_values = b"".join(_LENGTH.pack(len(value)) + value for value in fields)
        return bytes((self.kind, self.response_requested)) + lengths_and_values


def decode_identity(value: memoryview) -> UserIdentity:
    """Decode the value of a request's sub-item.

    Raises:
        ProtocolFault: it is cut short, or its lengths do not fit.
    """
    if len(value) < _HEAD:
        raise ProtocolFault("a user identity that is cut short")
    primary, rest = _field(value[_HEAD:])
    passcode, rest = _field(rest)
    if rest:
        raise ProtocolFault("a user identity whose length does not fit")
    return UserIdentity(value[0], bool(value[1]), primary, passcode)


def _field(value: memoryview) -> tuple[bytes, memoryview]:
    if len(value) < _LENGTH.size:
        raise ProtocolFault("a user identity that is cut short")
    end = _LENGTH.size + _LENGTH.unpack_from(value)[0]
    if end > len(value):
        raise ProtocolFault("a user identity whose length does not fit")
    return bytes(value[_LENGTH.size : end]), value[end:]
