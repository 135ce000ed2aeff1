"""A key of HashiCorp Vault's transit engine as root secret (docs/format.md, "Keyring").

The keyring is sealed under a fresh key, and that key under Vault's: Vault sees neither archive keys
nor how many there are, and whoever has the keyring alone can do nothing without asking it. It is
asked when a process starts and when the keyring has changed, never for an instance.
"""

from __future__ import annotations

import secrets
from base64 import b64decode, b64encode
from collections.abc import Mapping

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from pydantic import BaseModel, ConfigDict, Field

from service.errors import WrongSecret
from service.keys.derivation import KEY_BYTES
from service.keys.sources import parse_sealing
from service.keys.transit import TransitKey
from service.keys.wrapping import LARGEST_CIPHERTEXT, NONCE_BYTES


class _Sealing(BaseModel):
    """The fields of a sealing."""

    model_config = ConfigDict(extra="forbid", strict=True)

    kind: str
    key: str = Field(max_length=256)
    """Mount and name of Vault's key, for people: what opens it is what the settings name."""
    wrapped: str = Field(max_length=4096, pattern=r"^[\x21-\x7e]+$")
    """The fresh key, encrypted by Vault."""
    nonce: str = Field(pattern="^[0-9a-f]{24}$")
    ciphertext: str = Field(max_length=LARGEST_CIPHERTEXT)

    def associated(self) -> bytes:
        """Bind every field to the ciphertext."""
        return "|".join((self.kind, self.key, self.wrapped)).encode()


class VaultTransit:
    """A key that Vault keeps."""

    kind = "vault-transit"

    def __init__(self, key: TransitKey) -> None:
        self._key = key

    def seal(self, plaintext: bytes) -> dict[str, object]:
        """Seal under a fresh key, and that under Vault's."""
        fresh, nonce = secrets.token_bytes(KEY_BYTES), secrets.token_bytes(NONCE_BYTES)
        sealing = _Sealing(
            kind=self.kind,
            key=f"{self._key.mount}/{self._key.key}",
            wrapped=self._key.encrypt(fresh),
            nonce=nonce.hex(),
            ciphertext="",
        )
        ciphertext = AESGCM(fresh).encrypt(nonce, plaintext, sealing.associated())
        return sealing.model_copy(
            update={"ciphertext": b64encode(ciphertext).decode("ascii")}
        ).model_dump()

    def open(self, sealed: Mapping[str, object]) -> bytes:
        """Open what :meth:`seal` returned."""
        sealing = parse_sealing(_Sealing, self.kind, sealed)
        fresh = self._key.decrypt(sealing.wrapped)
        try:
            if len(fresh) != KEY_BYTES:
                raise ValueError("a key of another length")
            ciphertext = b64decode(sealing.ciphertext, validate=True)
            nonce = bytes.fromhex(sealing.nonce)
            return AESGCM(fresh).decrypt(nonce, ciphertext, sealing.associated())
        except (InvalidTag, ValueError) as fault:
            raise WrongSecret("what Vault's key opens does not open the keyring") from fault
