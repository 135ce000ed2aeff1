"""Files offered for import: in folders, in zip archives, named by a DICOMDIR.

One :class:`Offer` is one file that may hold a dataset; what surely holds none, or cannot be read,
is a :class:`Skipped` that says why. Nothing is unpacked to a disk.
"""

from __future__ import annotations

import os
import stat
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from pydicom import dcmread
from pydicom.errors import InvalidDicomError

DICOMDIR: Final = "DICOMDIR"

UNREADABLE: Final = (OSError, zipfile.BadZipFile, zlib.error, EOFError, RuntimeError)
"""What reading an offer may raise: ``zipfile`` has RuntimeError for an encrypted member."""


@dataclass(frozen=True, slots=True)
class Skipped:
    """A file that was not imported."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class Offer:
    """One file that may hold a dataset."""

    name: str
    """Where it is, for people: the path, and the member's name inside a zip archive."""
    size: int
    open: Callable[[], AbstractContextManager[IO[bytes]]]


def offers(path: Path) -> Iterator[Offer | Skipped]:
    """Find every file to import under ``path``: a folder, a zip archive, a DICOMDIR or one file.

    In a folder, files come in order of name; a DICOMDIR among them adds nothing but the names of
    files that it promises and that are missing. A directory under another name leads nowhere, so it
    is a file like any other.
    """
    if path.is_dir():
        for folder, folders, names in os.walk(path):
            folders.sort()
            for name in sorted(names):
                yield from _of_file(Path(folder, name), whole_folder=True)
    elif path.exists():
        yield from _of_file(path, whole_folder=False)
    else:
        yield Skipped(str(path), "does not exist")


def _of_file(path: Path, whole_folder: bool) -> Iterator[Offer | Skipped]:
    if path.name.upper() == DICOMDIR:
        yield from _of_dicomdir(path, whole_folder)
        return
    try:
        facts = path.stat(follow_symlinks=not whole_folder)
        is_zip = stat.S_ISREG(facts.st_mode) and zipfile.is_zipfile(path)
    except OSError as fault:
        yield Skipped(str(path), f"cannot be read: {fault.strerror}")
        return
    if not stat.S_ISREG(facts.st_mode):
        yield Skipped(str(path), "not a regular file")
    elif is_zip:
        yield from _of_zip(path)
    else:
        yield Offer(str(path), facts.st_size, lambda: path.open("rb"))


def _of_zip(path: Path) -> Iterator[Offer | Skipped]:
    try:
        with zipfile.ZipFile(path) as archive:
            for member in archive.infolist():
                if not member.is_dir():
                    yield _of_member(path, archive, member)
    except UNREADABLE as fault:
        yield Skipped(str(path), f"damaged zip archive: {type(fault).__name__}")


def _of_member(path: Path, archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> Offer | Skipped:
    name = f"{path}:{member.filename}"
    if Path(member.filename).name.upper() == DICOMDIR:
        return Skipped(name, "a directory of other files")
    return Offer(name, member.file_size, lambda: archive.open(member))


def _of_dicomdir(path: Path, whole_folder: bool) -> Iterator[Offer | Skipped]:
    """Name the files that a DICOMDIR references (PS3.3 F.5, PS3.10 8.6)."""
    yield Skipped(str(path), "a directory of other files")
    try:
        records = dcmread(path).get("DirectoryRecordSequence") or ()
    except (InvalidDicomError, OSError, ValueError, EOFError):
        yield Skipped(str(path), "the directory cannot be read")
        return
    for record in records:
        components = record.get("ReferencedFileID")
        if not components:
            continue
        parts = [components] if isinstance(components, str) else [str(part) for part in components]
        file = path.parent.joinpath(*parts)
        if not _inside(file, path.parent):
            yield Skipped(str(file), "named by the DICOMDIR, outside its folder")
        elif not file.exists():
            yield Skipped(str(file), "named by the DICOMDIR, but missing")
        elif not whole_folder:
            yield from _of_file(file, whole_folder=False)


def _inside(file: Path, folder: Path) -> bool:
    return file.resolve().is_relative_to(folder.resolve())
