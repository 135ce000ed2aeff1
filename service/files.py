"""Durable files: written whole under a temporary name, synced, renamed, and the folder synced.

After :func:`write_atomically` or :func:`sync_folder` returns, a power cut loses nothing, on any
file system that honours fsync (ext4, XFS, Btrfs, ZFS). A crash before leaves at most a file whose
name ends in ``.part``, which nothing ever reads.
"""

from __future__ import annotations

import fcntl
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from service.failpoints import failpoint

PARTIAL: Final = ".part"
"""Suffix of files still being written."""


def partial_name(path: Path) -> Path:
    """Make a temporary name beside ``path``: in the same folder, so that renaming is atomic."""
    return path.with_name(f"{path.name}.{secrets.token_hex(4)}{PARTIAL}")


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def locked(path: Path, mode: int) -> Iterator[None]:
    """Hold a lock of ``fcntl.flock`` on a file that is made for it, against threads too."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, mode)
        yield
    finally:
        os.close(handle)


def write_atomically(path: Path, content: bytes, mode: int = 0o600) -> None:
    """Replace a file's content, all or nothing, durably.

    Raises:
        OSError: it could not be written; the old content is still there.
    """
    partial = partial_name(path)
    try:
        handle = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            failpoint("file.written")
            os.fsync(file.fileno())
            failpoint("file.synced")
        partial.replace(path)
        failpoint("file.renamed")
    finally:
        partial.unlink(missing_ok=True)
    sync_folder(path.parent)
    failpoint("file.durable")


class Folders:
    """Folders that this process has made sure of: what another one made may not be synced yet."""

    def __init__(self) -> None:
        self._durable: set[str] = set()

    def make(self, folder: Path, root: Path) -> None:
        """Create a folder and its missing parents below ``root``, durably, whoever made them."""
        below = [folder, *folder.parents]
        for path in reversed(below[: below.index(root)]):
            if str(path) in self._durable and path.exists():
                continue
            path.mkdir(mode=0o700, exist_ok=True)
            sync_folder(path.parent)
            self._durable.add(str(path))


def make_folder(folder: Path) -> None:
    """Create a folder and its missing parents, durably, mode 0700."""
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    for path in reversed(missing):
        path.mkdir(mode=0o700, exist_ok=True)
        sync_folder(path.parent)
