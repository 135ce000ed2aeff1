"""From an archive key to the key of one sealed file.

HKDF-SHA256 (RFC 5869) with 32 fresh random bytes of salt at every sealing, also when a sealing is
tried again. Two sealings therefore never share a key, so nonces may be counters that start at
nought each time: the deterministic construction of NIST SP 800-38D section 8.2.1, where a
(key, nonce) pair repeats only if two 256-bit salts do.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Final

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from service.errors import WrongKey
from service.records import ID_BYTES

KEY_BYTES: Final = 32
SALT_BYTES: Final = 32
CHECK_BYTES: Final = 16

_LABEL: Final = b"radiolith 1"
"""Begins every HKDF info string; the number is the format version (docs/format.md)."""


class Purpose(Enum):
    """What a derived key seals; no two purposes share a key."""

    OBJECT = b"object"
    JOURNAL = b"journal"
    NOTE = b"note"
    SNAPSHOT = b"snapshot"
    ANCHOR = b"anchor"
    CODED_FILE = b"coded file"
    KEYRING = b"keyring"


def hkdf(secret: bytes | memoryview, salt: bytes, info: bytes, length: int) -> bytes:
    """Derive ``length`` bytes by HKDF-SHA256 (RFC 5869)."""
    return HKDF(SHA256(), length, salt, info).derive(secret)


@dataclass(frozen=True, slots=True)
class SealingKey:
    """The key of one sealed file, and the clear values that let a reader derive it again."""

    key_id: bytes
    """The archive key it comes from."""
    salt: bytes
    secret: bytes
    check: bytes
    """Tells a wrong key from altered data, and commits the file to this one key."""

    def __repr__(self) -> str:
        return f"SealingKey(key_id={self.key_id.hex()})"

    @classmethod
    def derive(
        cls,
        key_id: bytes,
        archive_key: bytes | memoryview,
        salt: bytes,
        purpose: Purpose,
        name: bytes,
    ) -> SealingKey:
        """Derive the key of the file called ``name`` (16 bytes: object or entry id)."""
        if len(name) != ID_BYTES or len(salt) != SALT_BYTES:
            raise ValueError("a sealed file has an id of 16 bytes and a salt of 32")
        info = b"|".join((_LABEL, purpose.value, name))
        secret = hkdf(archive_key, salt, info, KEY_BYTES)
        check = hkdf(secret, b"", _LABEL + b"|check", CHECK_BYTES)
        return cls(key_id, salt, secret, check)

    @classmethod
    def fresh(
        cls,
        key_id: bytes,
        archive_key: bytes | memoryview,
        purpose: Purpose,
        name: bytes,
        random: Callable[[int], bytes] = secrets.token_bytes,
    ) -> SealingKey:
        """Derive a key for a new sealing, with new salt.

        ``random`` gives that many random bytes; only the generator of golden files and worked
        examples passes anything but the system's generator.
        """
        return cls.derive(key_id, archive_key, random(SALT_BYTES), purpose, name)

    def confirm(self, check: bytes) -> None:
        """Compare with the key-check value that a file carries.

        Raises:
            WrongKey: the file was sealed under another key, or its salt, id or check was altered.
        """
        if not hmac.compare_digest(self.check, check):
            raise WrongKey(f"key {self.key_id.hex()} is not the one this file was sealed under")
