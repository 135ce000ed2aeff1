"""A passphrase as root secret: from a file, or asked for at a terminal."""

from __future__ import annotations

import getpass
import sys
from abc import abstractmethod
from functools import cache
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from service.errors import KeyringFault, WrongSecret
from service.keys.derivation import KEY_BYTES
from service.keys.memory import locked
from service.keys.sources import read_secret
from service.keys.wrapping import Computed, Wrapping

SCRYPT_LOG2_N: Final = 16
"""CPU and memory cost of scrypt (RFC 7914): 64 MiB and 0.19 s on one core of a 2.x GHz server,
paid once by each process at its start; 2^17 took 0.53 s. Repeat: ``pytest tests/vault -k scrypt
--durations=3``."""


class _Passphrase(Computed):
    """Scrypt over a passphrase."""

    kind = "passphrase"

    def __init__(self, log2_n: int = SCRYPT_LOG2_N) -> None:
        self._log2_n = log2_n

    def _cost(self) -> dict[str, int]:
        return {"log2_n": self._log2_n, "r": 8, "p": 1}

    def _wrapping_key(self, wrapping: Wrapping) -> bytes:
        if not (wrapping.log2_n and wrapping.r and wrapping.p):
            raise WrongSecret("the keyring lacks its scrypt parameters")
        salt = bytes.fromhex(wrapping.salt)
        scrypt = Scrypt(salt, KEY_BYTES, 1 << wrapping.log2_n, wrapping.r, wrapping.p)
        return scrypt.derive(self._passphrase())

    @abstractmethod
    def _passphrase(self) -> bytes | memoryview:
        """Give the passphrase."""


class PassphraseFile(_Passphrase):
    """A passphrase in a file; one trailing newline is not part of it."""

    def __init__(self, path: Path, log2_n: int = SCRYPT_LOG2_N) -> None:
        super().__init__(log2_n)
        self._path = path

    def _passphrase(self) -> bytes:
        passphrase = read_secret(self._path)
        newline = b"\r\n" if passphrase.endswith(b"\r\n") else b"\n"
        passphrase = passphrase.removesuffix(newline)
        if not passphrase:
            raise KeyringFault(f"the passphrase file {self._path} is empty")
        return passphrase


class PassphrasePrompt(_Passphrase):
    """A passphrase asked for at the terminal when it is first needed; kept until the process ends.

    A new one, which seals before anything was opened, is asked for twice.
    """

    def __init__(self, log2_n: int = SCRYPT_LOG2_N) -> None:
        super().__init__(log2_n)
        self._asked: memoryview | None = None

    def ask_new(self) -> None:
        """Ask for a new passphrase, and again, since nobody sees what is typed.

        Raises:
            KeyringFault: it is empty, the two differ, or there is no terminal.
        """
        first, second = _ask("New passphrase: "), _ask("Again: ")
        if first != second:
            raise KeyringFault("the two passphrases differ")
        (self._asked,) = locked([first])

    def _passphrase(self) -> memoryview:
        if self._asked is None:
            (self._asked,) = locked([_ask("Passphrase of the keyring: ")])
        return self._asked


@cache
def terminal() -> PassphrasePrompt:
    """Give this process's one prompt: nobody is asked twice."""
    return PassphrasePrompt()


def _ask(prompt: str) -> bytes:
    if sys.stdin is None or not sys.stdin.isatty():
        raise KeyringFault("no terminal to ask for the passphrase at: name a passphrase file")
    try:
        given = getpass.getpass(prompt)
    except EOFError:
        given = ""
    if not given:
        raise KeyringFault("no passphrase was given")
    return given.encode("utf-8", "surrogateescape")
