"""Root secrets: what opens the keyring. A passphrase or a key file here; a key service fits too.

The secret itself always comes from a file, never from a command line or an environment variable's
value, which other processes could read.
"""

from __future__ import annotations

import os
import secrets
import stat
from abc import ABC, abstractmethod
from base64 import b64decode, b64encode
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from service.errors import KeyringFault, WrongSecret
from service.keys.derivation import KEY_BYTES, SALT_BYTES, Purpose, hkdf

SCRYPT_LOG2_N: Final = 16
"""CPU and memory cost of scrypt (RFC 7914): 64 MiB and 0.19 s on one core of a 2.x GHz server,
paid once by each process at its start; 2^17 took 0.53 s. Repeat: ``pytest tests/vault -k scrypt
--durations=3``."""

_NONCE_BYTES: Final = 12


class RootSecret(Protocol):
    """Seals the keyring and opens it again.

    An implementation may ask a key service instead of computing: what :meth:`seal` returns is
    stored as JSON in keyring.json and handed back to :meth:`open`.
    """

    kind: str

    def seal(self, plaintext: bytes) -> dict[str, object]:
        """Seal the keyring's keys."""

    def open(self, sealed: Mapping[str, object]) -> bytes:
        """Open what :meth:`seal` returned.

        Raises:
            WrongSecret: it was sealed by another secret, or was altered.
            KeyringFault: the secret cannot be read.
        """


class _Sealed(BaseModel):
    """The fields common to computed root secrets, with bounds that hold before anything runs."""

    model_config = ConfigDict(extra="forbid")

    kind: str
    salt: str = Field(pattern="^[0-9a-f]{64}$")
    nonce: str = Field(pattern="^[0-9a-f]{24}$")
    log2_n: int = Field(default=0, ge=0, le=20)
    r: int = Field(default=0, ge=0, le=16)
    p: int = Field(default=0, ge=0, le=16)
    ciphertext: str = Field(max_length=1 << 20)

    def associated(self) -> bytes:
        """Bind every parameter to the ciphertext."""
        return f"{self.kind}|{self.salt}|{self.log2_n}|{self.r}|{self.p}".encode()

    @classmethod
    def parse(cls, sealed: Mapping[str, object], kind: str) -> _Sealed:
        try:
            parsed = cls.model_validate(sealed)
        except ValidationError as fault:
            raise WrongSecret("the sealed part of the keyring is malformed") from fault
        if parsed.kind != kind:
            raise WrongSecret(f"the keyring is sealed by a {parsed.kind}, not by a {kind}")
        return parsed


class _Computed(ABC):
    """A root secret that yields a wrapping key by computation.

    Each sealing takes fresh salt, so each wrapping key encrypts once: far below the 2^32
    invocations that NIST SP 800-38D section 8.3 allows with random nonces.
    """

    kind: str

    def seal(self, plaintext: bytes) -> dict[str, object]:
        salt, nonce = secrets.token_bytes(SALT_BYTES), secrets.token_bytes(_NONCE_BYTES)
        sealed = _Sealed(
            kind=self.kind, salt=salt.hex(), nonce=nonce.hex(), ciphertext="", **self._cost()
        )
        cipher = AESGCM(self._wrapping_key(sealed))
        ciphertext = cipher.encrypt(nonce, plaintext, sealed.associated())
        return sealed.model_copy(
            update={"ciphertext": b64encode(ciphertext).decode("ascii")}
        ).model_dump()

    def open(self, sealed: Mapping[str, object]) -> bytes:
        parsed = _Sealed.parse(sealed, self.kind)
        cipher = AESGCM(self._wrapping_key(parsed))
        try:
            ciphertext = b64decode(parsed.ciphertext, validate=True)
            return cipher.decrypt(bytes.fromhex(parsed.nonce), ciphertext, parsed.associated())
        except (InvalidTag, ValueError) as fault:
            raise WrongSecret(f"this {self.kind} does not open the keyring") from fault

    def _cost(self) -> dict[str, int]:
        return {}

    @abstractmethod
    def _wrapping_key(self, sealed: _Sealed) -> bytes:
        """Compute the key that the parameters of a sealing ask for."""


class PassphraseFile(_Computed):
    """A passphrase in a file; one trailing newline is not part of it."""

    kind = "passphrase"

    def __init__(self, path: Path, log2_n: int = SCRYPT_LOG2_N) -> None:
        self._path = path
        self._log2_n = log2_n

    def _cost(self) -> dict[str, int]:
        return {"log2_n": self._log2_n, "r": 8, "p": 1}

    def _wrapping_key(self, sealed: _Sealed) -> bytes:
        if not (sealed.log2_n and sealed.r and sealed.p):
            raise WrongSecret("the keyring lacks its scrypt parameters")
        salt = bytes.fromhex(sealed.salt)
        return Scrypt(salt, KEY_BYTES, 1 << sealed.log2_n, sealed.r, sealed.p).derive(self._read())

    def _read(self) -> bytes:
        passphrase = _read_secret(self._path)
        newline = b"\r\n" if passphrase.endswith(b"\r\n") else b"\n"
        passphrase = passphrase.removesuffix(newline)
        if not passphrase:
            raise KeyringFault(f"the passphrase file {self._path} is empty")
        return passphrase


class KeyFile(_Computed):
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

    def _wrapping_key(self, sealed: _Sealed) -> bytes:
        info = b"radiolith 1|" + Purpose.KEYRING.value
        return hkdf(self._read(), bytes.fromhex(sealed.salt), info, KEY_BYTES)

    def _read(self) -> bytes:
        text = _read_secret(self._path, private=True).strip()
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


def _read_secret(path: Path, private: bool = False) -> bytes:
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            if private and mode & 0o077:
                raise KeyringFault(f"the key file {path} has mode {mode:04o}; it must be 0600")
            return file.read(1 << 16)
    except OSError as fault:
        raise KeyringFault(f"cannot read {path}: {fault.strerror}") from fault
