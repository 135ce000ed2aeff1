"""Root secrets: what opens the keyring. A passphrase, a key file, or a key of HashiCorp Vault.

Each is a :class:`RootSecret`; ``tests/keys`` holds the one suite that all of them pass. The secret
itself always comes from a file or a terminal, never from a command line or an environment
variable's value, which other processes could read.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Protocol, TypeVar

from pydantic import BaseModel, ValidationError

from service.errors import KeyringFault, WrongSecret

_LONGEST_SECRET: Final = 1 << 16

Model = TypeVar("Model", bound=BaseModel)


class RootSecret(Protocol):
    """Seals the keyring and opens it again.

    What :meth:`seal` returns is stored as JSON in keyring.json and handed back to :meth:`open`; its
    ``kind`` says which root secret it needs. Every sealing takes a fresh key, so that each encrypts
    once: far below the 2^32 invocations that NIST SP 800-38D section 8.3 allows with random nonces.
    """

    kind: str

    def seal(self, plaintext: bytes) -> dict[str, object]:
        """Seal the keyring's keys.

        Raises:
            KeyringFault: the secret cannot be had.
        """

    def open(self, sealed: Mapping[str, object]) -> bytes:
        """Open what :meth:`seal` returned.

        Raises:
            WrongSecret: it was sealed by another secret, or was altered.
            KeyringFault: the secret cannot be had.
        """


class RootSecrets:
    """All root secrets that the settings name: the first seals, the one that sealed opens.

    So a root secret is changed with no moment in which a running service cannot read the keyring:
    name the new one beside the old, rewrap, take the old one out.
    """

    def __init__(self, sources: Sequence[RootSecret]) -> None:
        """Take at least one root secret."""
        self._sources = sources
        self.kind = sources[0].kind

    def seal(self, plaintext: bytes) -> dict[str, object]:
        """Seal by the first."""
        return self._sources[0].seal(plaintext)

    def open(self, sealed: Mapping[str, object]) -> bytes:
        """Open by the one whose kind the sealing has; of several of a kind, by the first."""
        kind = sealed.get("kind") if isinstance(sealed, Mapping) else None
        for source in self._sources:
            if source.kind == kind:
                return source.open(sealed)
        raise WrongSecret(f"the keyring is not sealed by a {self.kind}")


def parse_sealing(model: type[Model], kind: str, sealed: Mapping[str, object]) -> Model:
    """Check the fields of a sealing before anything is done with them.

    Raises:
        WrongSecret: they are malformed, or of another kind of root secret.
    """
    found: Any = sealed.get("kind") if isinstance(sealed, Mapping) else None
    if isinstance(found, str) and found.isascii() and found != kind:
        raise WrongSecret(f"the keyring is sealed by a {found[:32]}, not by a {kind}")
    try:
        return model.model_validate(sealed)
    except ValidationError:
        raise WrongSecret("the sealed part of the keyring is malformed") from None


def read_secret(path: Path, forbidden: int = 0) -> bytes:
    """Read a file that holds a secret.

    Args:
        path: the file.
        forbidden: bits of its mode that must not be set.

    Raises:
        KeyringFault: it cannot be read, or others may.
    """
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            if mode & forbidden:
                allowed = 0o777 & ~forbidden & 0o660
                raise KeyringFault(f"{path} has mode {mode:04o}; it must be {allowed:04o}")
            return file.read(_LONGEST_SECRET)
    except OSError as fault:
        raise KeyringFault(f"cannot read {path}: {fault.strerror}") from fault
