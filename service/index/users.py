"""Users of peers, who prove themselves by a passcode when an association opens (PS3.7 D.3.3.7)."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from hashlib import sha256
from threading import Lock
from typing import Any, Final

from cryptography.exceptions import InvalidKey
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt
from sqlalchemy import delete, insert, select

from service.errors import Unknown
from service.index import trail
from service.index.database import Database
from service.index.tables import KnownUser

LOG2_N: Final = 14
_R: Final = 8
_P: Final = 5
"""Cost of scrypt (RFC 7914): of OWASP's equivalents the one with the least memory, 16 MiB, since
strangers decide how often it runs; 0.16 s on one core of a 2.x GHz server. Repeat: ``pytest
tests/keepout/test_users.py --durations=3``."""
_BYTES: Final = 32


class Users:
    """The users of one archive. Safe to use from several threads."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = Lock()
        self._stranger = secrets.token_bytes(_BYTES), secrets.token_bytes(_BYTES)

    def add(self, username: str, passcode: bytes) -> None:
        """Add a user, or change the passcode of the one of that name."""
        salt = secrets.token_bytes(_BYTES)
        values = {
            "username": username,
            "salt": salt,
            "log2_n": LOG2_N,
            "hash": _scrypt(salt).derive(passcode),
        }
        with self._database.write() as connection:
            connection.execute(delete(KnownUser).where(KnownUser.username == username))
            connection.execute(insert(KnownUser).values(**values))
            told = {"username": username, "verifier": _verifier(values)}
            trail.append(connection, "user added", told)

    def remove(self, username: str) -> None:
        """Forget a user.

        Raises:
            Unknown: there is none of that name.
        """
        with self._database.write() as connection:
            gone = connection.execute(delete(KnownUser).where(KnownUser.username == username))
            if gone.rowcount != 1:
                raise Unknown(f"no user is called {username}")
            trail.append(connection, "user removed", {"username": username})

    def rows(self) -> dict[str, dict[str, str]]:
        """Give all users as the trail's entries name them: by name, with a digest of the rest."""
        with self._database.read() as connection:
            return {
                row.username: {"username": row.username, "verifier": _verifier(row._asdict())}
                for row in connection.execute(select(KnownUser.__table__))
            }

    def list(self) -> list[str]:
        """Give all usernames in order."""
        statement = select(KnownUser.username).order_by(KnownUser.username)
        with self._database.read() as connection:
            return list(connection.execute(statement).scalars())

    def is_passcode(self, username: str, passcode: bytes) -> bool:
        """Whether a user's passcode is this one.

        An unknown user takes as long as a known one. One question at a time: who guesses has no
        more than one core and 16 MiB of each process, and some six guesses a second.
        """
        statement = select(KnownUser.__table__).where(KnownUser.username == username)
        with self._database.read() as connection:
            row = connection.execute(statement).one_or_none()
        salt, expected = (row.salt, row.hash) if row else self._stranger
        with self._lock:
            try:
                _scrypt(salt, row.log2_n if row else LOG2_N).verify(passcode, expected)
            except InvalidKey:
                return False
        return row is not None


def _verifier(row: Mapping[str, Any]) -> str:
    """Digest what a passcode is compared with, so that the trail can tell when it was replaced."""
    return sha256(b"%b%d|%b" % (row["salt"], row["log2_n"], row["hash"])).hexdigest()


def _scrypt(salt: bytes, log2_n: int = LOG2_N) -> Scrypt:
    return Scrypt(salt, _BYTES, 1 << log2_n, _R, _P)
