"""The clear start of sealed files that are no DICOM: journal entries and notes.

Magic (three letters, format version), the file's id, archive key id, salt, key check: 84 bytes,
bound by their SHA-256 to every part that follows (docs/format.md, "Journal entry").
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from struct import Struct
from typing import Final

from service.errors import Truncated, Undecodable
from service.keys.derivation import CHECK_BYTES, SALT_BYTES, Purpose, SealingKey
from service.keys.keystore import Keys
from service.records import ID_BYTES
from service.sealing.parts import PartCipher

_START: Final = Struct(f"<4s{ID_BYTES}s{ID_BYTES}s{SALT_BYTES}s{CHECK_BYTES}s")
SIZE: Final = _START.size


@dataclass(frozen=True, slots=True)
class Envelope:
    """A file's clear start, and the cipher of its parts."""

    start: bytes
    file_id: bytes
    key_id: bytes
    cipher: PartCipher

    @classmethod
    def seal(
        cls,
        magic: bytes,
        purpose: Purpose,
        keys: Keys,
        file_id: bytes,
        random: Callable[[int], bytes] = secrets.token_bytes,
    ) -> Envelope:
        """Begin a file under the active archive key, with new salt."""
        active = keys.keyring.active
        key = SealingKey.fresh(active.key_id, active.secret, purpose, file_id, random)
        start = _START.pack(magic, file_id, key.key_id, key.salt, key.check)
        return cls(start, file_id, key.key_id, PartCipher(key, hashlib.sha256(start).digest()))

    @classmethod
    def open(cls, magic: bytes, purpose: Purpose, keys: Keys, start: bytes) -> Envelope:
        """Read a file's first bytes.

        Raises:
            Truncated: there are fewer than :data:`SIZE`.
            Undecodable: the file is of another kind or format version.
            WrongKey: its key is not in the keyring, or not the one it was sealed under.
        """
        file_id, key_id, salt, check = _parse(magic, purpose, start)
        secret = keys.keyring.get(key_id).secret
        key = SealingKey.derive(key_id, secret, salt, purpose, file_id)
        key.confirm(check)
        return cls(start, file_id, key_id, PartCipher(key, hashlib.sha256(start).digest()))


def key_of(magic: bytes, purpose: Purpose, start: bytes) -> bytes:
    """Give the archive key that a file's clear start names; nothing of it is authenticated.

    Raises:
        Truncated: there are fewer than :data:`SIZE` bytes.
        Undecodable: the file is of another kind or format version.
    """
    return _parse(magic, purpose, start)[1]


def _parse(magic: bytes, purpose: Purpose, start: bytes) -> tuple[bytes, bytes, bytes, bytes]:
    if len(start) < SIZE:
        raise Truncated("the file ends inside its clear start")
    found, file_id, key_id, salt, check = _START.unpack(start)
    if found != magic:
        raise Undecodable(f"not a {purpose.value.decode()} file of format version {magic[3]}")
    return file_id, key_id, salt, check
