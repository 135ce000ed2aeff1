"""Root secrets that compute the keyring's wrapping key (docs/format.md, "Keyring")."""

from __future__ import annotations

import secrets
from abc import ABC, abstractmethod
from base64 import b64decode, b64encode
from collections.abc import Mapping
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from pydantic import BaseModel, ConfigDict, Field

from service.errors import WrongSecret
from service.keys.derivation import SALT_BYTES
from service.keys.sources import parse_sealing

NONCE_BYTES: Final = 12
LARGEST_CIPHERTEXT: Final = 1 << 21
"""Characters of base64; keyring.json holds no more (:mod:`service.keys.keystore`)."""


class Wrapping(BaseModel):
    """The fields of a computed sealing, with bounds that hold before anything runs."""

    model_config = ConfigDict(extra="forbid", strict=True)

    kind: str
    salt: str = Field(pattern="^[0-9a-f]{64}$")
    nonce: str = Field(pattern="^[0-9a-f]{24}$")
    log2_n: int = Field(ge=0, le=18)
    """With r = 8, 18 takes 256 MiB: a forged keyring must not take all memory."""
    r: int = Field(ge=0, le=8)
    p: int = Field(ge=0, le=4)
    ciphertext: str = Field(max_length=LARGEST_CIPHERTEXT)

    def associated(self) -> bytes:
        """Bind every parameter to the ciphertext."""
        return f"{self.kind}|{self.salt}|{self.log2_n}|{self.r}|{self.p}".encode()


class Computed(ABC):
    """A root secret whose wrapping key is computed from it and fresh salt."""

    kind: str

    def seal(self, plaintext: bytes) -> dict[str, object]:
        """Seal under a key of its own."""
        salt, nonce = secrets.token_bytes(SALT_BYTES), secrets.token_bytes(NONCE_BYTES)
        wrapping = Wrapping(
            kind=self.kind, salt=salt.hex(), nonce=nonce.hex(), ciphertext="", **self._cost()
        )
        cipher = AESGCM(self._wrapping_key(wrapping))
        ciphertext = cipher.encrypt(nonce, plaintext, wrapping.associated())
        return wrapping.model_copy(
            update={"ciphertext": b64encode(ciphertext).decode("ascii")}
        ).model_dump()

    def open(self, sealed: Mapping[str, object]) -> bytes:
        """Open what :meth:`seal` returned."""
        wrapping = parse_sealing(Wrapping, self.kind, sealed)
        cipher = AESGCM(self._wrapping_key(wrapping))
        try:
            ciphertext = b64decode(wrapping.ciphertext, validate=True)
            if b64encode(ciphertext).decode("ascii") != wrapping.ciphertext:
                raise ValueError("base64 whose last character has a surplus bit set")
            nonce = bytes.fromhex(wrapping.nonce)
            return cipher.decrypt(nonce, ciphertext, wrapping.associated())
        except (InvalidTag, ValueError) as fault:
            raise WrongSecret(f"this {self.kind} does not open the keyring") from fault

    def _cost(self) -> dict[str, int]:
        return {"log2_n": 0, "r": 0, "p": 0}

    @abstractmethod
    def _wrapping_key(self, wrapping: Wrapping) -> bytes:
        """Compute the key that the parameters of a sealing ask for."""
