"""Sealed copies of the keyring, one for each change, never written over.

A backup of objects needs the keyring of its time or a later one; a change made by mistake needs the
one before it. A version that still holds a key which was retired since keeps that key for whoever
has the root secret: such versions are named, and destroyed where that is asked for.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from service.errors import DataFault, KeyringFault
from service.files import PARTIAL, make_folder, sync_folder, write_atomically
from service.keys.keyring import Keyring
from service.keys.keyring_file import read_keyring
from service.keys.sources import RootSecret

_STEM: Final = "keyring"
_SUFFIX: Final = ".json"
_TIME: Final = "%Y%m%dT%H%M%S.%fZ"


class KeyringBackups:
    """The versions of one keyring in a folder. One process at a time adds to them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def add(self, sealed: bytes) -> Path:
        """Keep a sealed keyring, named by the time it is now.

        Raises:
            KeyringFault: it cannot be written.
        """
        path = self._folder / f"{_STEM}-{datetime.now(UTC).strftime(_TIME)}{_SUFFIX}"
        try:
            make_folder(self._folder)
            remove_partial(self._folder, _STEM)
            write_atomically(path, sealed)
        except OSError as fault:
            told = f"cannot back up the keyring to {self._folder}: {fault.strerror}"
            raise KeyringFault(told) from fault
        return path

    def versions(self) -> list[Path]:
        """Name every version, the oldest first."""
        return sorted(self._folder.glob(f"{_STEM}-*{_SUFFIX}"))

    def holding(self, key_id: bytes, root: RootSecret) -> Iterator[Path]:
        """Name the versions that hold a key, or may: those that the root secret does not open."""
        for path in self.versions():
            try:
                keyring = read_keyring(path, root)
            except (DataFault, KeyringFault):
                yield path
            else:
                if _holds(keyring, key_id):
                    yield path

    def remove(self, path: Path) -> None:
        """Remove a version durably.

        Raises:
            KeyringFault: it cannot be removed.
        """
        try:
            path.unlink(missing_ok=True)
            sync_folder(self._folder)
        except OSError as fault:
            raise KeyringFault(f"cannot remove {path}: {fault.strerror}") from fault


def remove_partial(folder: Path, stem: str) -> None:
    """Remove what a crash left of a keyring being written, since it may hold keys.

    Raises:
        OSError: it cannot be removed.
    """
    for path in folder.glob(f"{stem}*{PARTIAL}"):
        path.unlink(missing_ok=True)


def _holds(keyring: Keyring, key_id: bytes) -> bool:
    return any(key.key_id == key_id and len(key.secret) > 0 for key in keyring.keys)
