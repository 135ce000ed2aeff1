"""Objects in a local folder: ``objects/ab/cd/abcd….dcm``, named by object id in hexadecimal.

Two levels of 256 folders keep each folder at some hundred names for millions of objects. Drafts are
written in ``objects/drafts`` on the same file system, so that publishing is one atomic rename.
"""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, Final

from service.errors import Conflict, Fault, Missing, OutOfSpace, StoreFault
from service.failpoints import failpoint
from service.files import PARTIAL, Folders, make_folder, sync_folder
from service.records import ID_BYTES

_SUFFIX: Final = ".dcm"
_DRAFTS: Final = "drafts"
_SETTLING: Final = ".settling"
"""Suffix of a mark beside the drafts: the object is published, and may have no row yet."""
_PRIVATE: Final = 0o600
_MODE: Final = 0o400
"""Published objects are never written again."""


class LocalDraft:
    """A draft in the drafts folder; see :class:`service.store.Draft`."""

    def __init__(self, file: BinaryIO, path: Path, target: Path, folders: Folders) -> None:
        self.file = file
        self._path = path
        self._target = target
        self._folders = folders
        self._settling = path.with_name(target.stem + _SETTLING)

    def publish(self, *, replace: bool = False) -> None:
        """Sync the content, give it its name, sync the folder of the name."""
        with _named_faults(self._target):
            self.file.flush()
            os.fchmod(self.file.fileno(), _MODE)
            os.fsync(self.file.fileno())
            failpoint("draft.synced")
            self._folders.make(self._target.parent, self._path.parent.parent)
            self._settling.touch(_PRIVATE)
            failpoint("object.marked")
            self._rename(replace)
            failpoint("object.renamed")
            try:
                sync_folder(self._target.parent)
                failpoint("object.durable")
            except OSError:
                if not replace:
                    self._target.unlink(missing_ok=True)
                raise

    def _rename(self, replace: bool) -> None:
        if not replace and self._target.exists():
            raise Conflict(f"object {self._target.stem} exists already")
        self._path.rename(self._target)

    def settle(self) -> None:
        """Remove the mark: whatever had to follow the publishing has been done."""
        with suppress(OSError):
            self._settling.unlink(missing_ok=True)

    def discard(self) -> None:
        """Remove the draft, unless it was published; the mark stays for as long as an object does.

        A writer that failed after it had published cannot know whether the row was committed.
        """
        with suppress(OSError):
            self.file.close()
        with suppress(OSError):
            self._path.unlink(missing_ok=True)
            if not self._target.exists():
                self._settling.unlink(missing_ok=True)


class LocalStore:
    """The objects under one folder, which is created if it is missing."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._drafts = root / _DRAFTS
        self._folders = Folders()
        with _named_faults(root):
            make_folder(self._drafts)

    @contextmanager
    def draft(self, object_id: bytes) -> Iterator[LocalDraft]:
        """Begin to write an object."""
        target = self._path(object_id)
        path = self._drafts / f"{target.stem}.{secrets.token_hex(4)}{PARTIAL}"
        with _named_faults(target):
            handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, _PRIVATE)
        draft = LocalDraft(os.fdopen(handle, "w+b"), path, target, self._folders)
        try:
            yield draft
            draft.settle()
        finally:
            draft.discard()

    def open(self, object_id: bytes) -> BinaryIO:
        """Open an object for reading."""
        path = self._path(object_id)
        with _named_faults(path, absent=Missing):
            return path.open("rb")

    def exists(self, object_id: bytes) -> bool:
        """Whether there is such an object."""
        return self._path(object_id).exists()

    def size(self, object_id: bytes) -> int:
        """Bytes of the object."""
        path = self._path(object_id)
        with _named_faults(path, absent=Missing):
            return path.stat().st_size

    def ids(self) -> Iterator[bytes]:
        """Name every object, in ascending order."""
        with _named_faults(self._root):
            for first in _folders(self._root):
                for second in _folders(first):
                    yield from sorted(_objects(second))

    def remove(self, object_id: bytes) -> None:
        """Remove an object durably."""
        path = self._path(object_id)
        with _named_faults(path):
            if path.exists():
                path.unlink(missing_ok=True)
                sync_folder(path.parent)
                failpoint("object.removed")

    def interrupted(self) -> list[bytes]:
        """Name the objects that were published, but whose writers a crash or a fault ended."""
        marks = self._drafts.glob(f"*{_SETTLING}")
        ids = sorted(bytes.fromhex(mark.stem) for mark in marks)
        return [object_id for object_id in ids if self.exists(object_id)]

    def sweep(self) -> int:
        """Remove the drafts that a crash left."""
        for mark in self._drafts.glob(f"*{_SETTLING}"):
            mark.unlink(missing_ok=True)
        leftovers = list(self._drafts.glob(f"*{PARTIAL}"))
        for path in leftovers:
            path.unlink(missing_ok=True)
        return len(leftovers)

    def _path(self, object_id: bytes) -> Path:
        if len(object_id) != ID_BYTES:
            raise ValueError("an object id has 16 bytes")
        name = object_id.hex()
        return self._root / name[:2] / name[2:4] / (name + _SUFFIX)


def _folders(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if len(path.name) == 2)


def _objects(folder: Path) -> Iterator[bytes]:
    for path in folder.iterdir():
        if path.suffix == _SUFFIX and len(path.stem) == 2 * ID_BYTES:
            yield bytes.fromhex(path.stem)


@contextmanager
def _named_faults(path: Path, absent: type[Fault] = StoreFault) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as fault:
        raise absent(f"there is no object {path.stem}") from fault
    except OSError as fault:
        if fault.errno in (errno.ENOSPC, errno.EDQUOT):
            raise OutOfSpace("no space is left for objects") from fault
        raise StoreFault(f"object {path.stem}: {fault.strerror}") from fault
