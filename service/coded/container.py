"""Coded files on disk: sealed under a key file, or plain (docs/format.md, "Coded file")."""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO
from typing import Final

from service.errors import Undecodable, WrongKey
from service.keys.keyring import Keyring
from service.sealing.snapshot import CODED_FILE, open_snapshot, seal_snapshot

PLAIN_MAGIC: Final = b"RLU\x01"


@dataclass(frozen=True, slots=True)
class FileKeys:
    """A key file's key, where a file is sealed or opened."""

    keyring: Keyring


def is_coded(data: bytes) -> bool:
    """Whether a file is one of :mod:`service.coded`, of any version."""
    return data[:3] in (PLAIN_MAGIC[:3], CODED_FILE.magic[:3])


def wrap(content: bytes, keys: FileKeys | None) -> bytes:
    """Make the file: sealed, or plain without keys."""
    if keys is None:
        return PLAIN_MAGIC + content
    sealed = BytesIO()
    seal_snapshot(BytesIO(content), sealed, keys, CODED_FILE)
    return sealed.getvalue()


def unwrap(data: bytes, keys: FileKeys | None) -> bytes:
    """Give the content.

    Raises:
        WrongKey: it is sealed under another key, or under any where none is given.
        Undecodable, Truncated, Altered, Swapped: named by what is wrong with it.
    """
    if data.startswith(PLAIN_MAGIC):
        return data[len(PLAIN_MAGIC) :]
    if not is_coded(data):
        raise Undecodable("not a coded file")
    if keys is None:
        raise WrongKey("the file is sealed: name its key by --key-file")
    return b"".join(open_snapshot(BytesIO(data), keys, CODED_FILE))
