"""The keyring: which archive keys exist and what each may still do. Values only, no files."""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass, replace
from enum import Enum
from typing import Final

from service.errors import DataFault, KeyNeeded, KeyringFault, Unknown, WrongKey
from service.keys.derivation import KEY_BYTES
from service.keys.memory import locked
from service.records import ID_BYTES

KEYRING_FORMAT: Final = 1


class KeyState(Enum):
    """What an archive key may do. It only ever moves down this list."""

    ACTIVE = "active"
    """Seals and opens. Exactly one key is active."""
    DECRYPT_ONLY = "decrypt-only"
    """Opens what was sealed under it; nothing new is."""
    RETIRED = "retired"
    """Its bytes are destroyed; the id stays, so that the audit can say which key a file needs."""


@dataclass(frozen=True, slots=True)
class ArchiveKey:
    """One key of the keyring."""

    key_id: bytes
    state: KeyState
    created_at: int
    """Microseconds since 1970-01-01 UTC."""
    secret: bytes | memoryview
    """32 bytes, in locked memory where it was read from a file; empty once retired."""

    def __repr__(self) -> str:
        return f"ArchiveKey(key_id={self.key_id.hex()}, state={self.state.value})"

    @classmethod
    def generate(cls, now: int, state: KeyState = KeyState.DECRYPT_ONLY) -> ArchiveKey:
        """Draw a new key and id from the system's random generator."""
        return cls(secrets.token_bytes(ID_BYTES), state, now, secrets.token_bytes(KEY_BYTES))


@dataclass(frozen=True, slots=True)
class Keyring:
    """All archive keys, oldest first. Immutable: changes give a new keyring."""

    keys: tuple[ArchiveKey, ...]

    @property
    def active(self) -> ArchiveKey:
        """The key that new files are sealed under.

        Raises:
            KeyringFault: this keyring only opens: see :meth:`opening`.
        """
        for key in self.keys:
            if key.state is KeyState.ACTIVE:
                return key
        raise KeyringFault("the keyring has changed and cannot be read: see the log")

    def opening(self) -> Keyring:
        """Give the same keys with none to seal under, for who cannot see later changes."""
        return Keyring(
            tuple(
                replace(key, state=KeyState.DECRYPT_ONLY) if key.state is KeyState.ACTIVE else key
                for key in self.keys
            )
        )

    def get(self, key_id: bytes) -> ArchiveKey:
        """Find a key that can still open files.

        Raises:
            WrongKey: the key is not in this keyring, or retired.
        """
        for key in self.keys:
            if key.key_id == key_id:
                if key.state is KeyState.RETIRED:
                    raise WrongKey(f"key {key_id.hex()} is retired")
                return key
        raise WrongKey(f"key {key_id.hex()} is not in the keyring")

    def confirm(self, key_id: bytes) -> None:
        """Make sure that what was sealed under a key, before it has a row, can stay.

        Raises:
            WrongKey: the key is not in this keyring, or retired.
            KeyringFault: this keyring only opens, and would not know.
        """
        _ = self.active
        self.get(key_id)

    def find(self, name: str) -> ArchiveKey:
        """Find a key by its id in hexadecimal, or the first digits of it.

        Raises:
            Unknown: no key or several keys begin so.
        """
        found = [key for key in self.keys if name and key.key_id.hex().startswith(name.lower())]
        if len(found) != 1:
            raise Unknown(f"{len(found)} keys of the keyring begin with {name!r}")
        return found[0]

    def with_key(self, key: ArchiveKey) -> Keyring:
        """Add a key."""
        return Keyring((*self.keys, key))

    def activated(self, key_id: bytes) -> Keyring:
        """Make a key of this keyring the active one; the active one so far only opens."""
        self.get(key_id)
        return Keyring(tuple(_activated(key, key_id) for key in self.keys))

    def retired(self, key_id: bytes) -> Keyring:
        """Destroy a key.

        Raises:
            KeyNeeded: it is the active key.
            WrongKey: it is not in this keyring, or retired already.
        """
        if self.get(key_id).state is KeyState.ACTIVE:
            raise KeyNeeded(f"key {key_id.hex()} is active; rotate first")
        return Keyring(tuple(_retired(key) if key.key_id == key_id else key for key in self.keys))

    def to_json(self) -> bytes:
        """Write the plaintext that the root secret seals."""
        keys = [
            {
                "id": key.key_id.hex(),
                "state": key.state.value,
                "created_at": key.created_at,
                "key": key.secret.hex(),
            }
            for key in self.keys
        ]
        return json.dumps({"format": KEYRING_FORMAT, "keys": keys}).encode("ascii")

    @classmethod
    def from_json(cls, text: bytes) -> Keyring:
        """Read what :meth:`to_json` wrote.

        Raises:
            DataFault: it is of a later format or not a keyring.
        """
        try:
            content = json.loads(text)
            if content["format"] != KEYRING_FORMAT:
                raise DataFault(f"keyring format {content['format']} is not known to this version")
            secrets = locked([bytes.fromhex(entry["key"]) for entry in content["keys"]])
            pairs = zip(content["keys"], secrets, strict=True)
            keyring = cls(tuple(_key_from_json(entry, secret) for entry, secret in pairs))
        except (KeyError, TypeError, ValueError, RecursionError) as fault:
            raise DataFault("the keyring opened but its content is malformed") from fault
        return keyring._checked()

    def _checked(self) -> Keyring:
        active = sum(key.state is KeyState.ACTIVE for key in self.keys)
        ids = {key.key_id for key in self.keys}
        if active != 1 or len(ids) != len(self.keys):
            raise DataFault("a keyring has exactly one active key and no id twice")
        return self


def _activated(key: ArchiveKey, key_id: bytes) -> ArchiveKey:
    if key.key_id == key_id:
        return replace(key, state=KeyState.ACTIVE)
    if key.state is KeyState.ACTIVE:
        return replace(key, state=KeyState.DECRYPT_ONLY)
    return key


def _retired(key: ArchiveKey) -> ArchiveKey:
    return replace(key, state=KeyState.RETIRED, secret=b"")


def _key_from_json(entry: dict[str, str | int], secret: memoryview) -> ArchiveKey:
    key = ArchiveKey(
        key_id=bytes.fromhex(str(entry["id"])),
        state=KeyState(entry["state"]),
        created_at=int(entry["created_at"]),
        secret=secret,
    )
    expected = 0 if key.state is KeyState.RETIRED else KEY_BYTES
    if len(key.key_id) != ID_BYTES or len(key.secret) != expected:
        raise ValueError("an archive key has an id of 16 bytes and, until retired, 32 of key")
    return key
