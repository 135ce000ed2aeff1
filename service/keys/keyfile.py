"""A key file as root secret."""

from __future__ import annotations

import os
import secrets
from base64 import b64decode
from pathlib import Path

from service.errors import KeyringFault
from service.keys.derivation import KEY_BYTES, Purpose, hkdf
from service.keys.keyring import ArchiveKey, Keyring, KeyState
from service.keys.sources import read_secret
from service.keys.wrapping import Computed, Wrapping
from service.records import ID_BYTES

_OTHERS = 0o077


class KeyFile(Computed):
    """32 random bytes in a file, as hexadecimal or base64, that only its owner may read."""

    kind = "key-file"

    def __init__(self, path: Path) -> None:
        self._path = path

    @classmethod
    def create(cls, path: Path) -> KeyFile:
        """Write a new random key to a file that does not exist yet, mode 0600, synced.

        Raises:
            KeyringFault: it exists already or cannot be written.
        """
        try:
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "wb") as file:
                file.write(secrets.token_hex(KEY_BYTES).encode("ascii") + b"\n")
                file.flush()
                os.fsync(file.fileno())
        except OSError as fault:
            raise KeyringFault(f"cannot write the key file {path}: {fault.strerror}") from fault
        return cls(path)

    def keyring(self) -> Keyring:
        """Make a keyring of one key, this one, for files that belong to no archive.

        Raises:
            KeyringFault: the file cannot be read, or others may read it.
        """
        secret = self._read()
        key_id = hkdf(secret, b"", b"radiolith 1|key id", ID_BYTES)
        return Keyring((ArchiveKey(key_id, KeyState.ACTIVE, 0, secret),))

    def _wrapping_key(self, wrapping: Wrapping) -> bytes:
        info = b"radiolith 1|" + Purpose.KEYRING.value
        return hkdf(self._read(), bytes.fromhex(wrapping.salt), info, KEY_BYTES)

    def _read(self) -> bytes:
        text = read_secret(self._path, forbidden=_OTHERS).strip()
        for decode in (_from_hex, _from_base64):
            key = decode(text)
            if key is not None and len(key) == KEY_BYTES:
                return key
        raise KeyringFault(f"the key file {self._path} holds no 32 bytes in hexadecimal or base64")


def _from_hex(text: bytes) -> bytes | None:
    try:
        return bytes.fromhex(text.decode("ascii"))
    except ValueError:
        return None


def _from_base64(text: bytes) -> bytes | None:
    try:
        return b64decode(text, validate=True)
    except ValueError:
        return None
