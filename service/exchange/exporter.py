"""Giving files back: a patient, a study, a series, an instance, or one revision of it.

What was imported comes back as the file it was, preamble and file meta information included; what
came by C-STORE gets a header of ours (PS3.10 7.1) before the very bytes received.

For the command: :func:`export`.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final

from codec import Predictor
from dicom.part10 import write_file_meta
from service.contents import Contents, read
from service.errors import Conflict, DataFault
from service.files import PARTIAL, make_folder
from service.home import Home
from service.index import RevisionFacts
from service.receive import IMPORT_ADDRESS

_PLAIN_UID: Final = re.compile(r"[0-9]+(\.[0-9]+){1,62}")
_LONGEST_NAME: Final = 64

Progress = Callable[[RevisionFacts], None]
"""Told each revision when it is done with."""


@dataclass(frozen=True, slots=True)
class NotExported:
    """A revision that could not be given back."""

    sop_instance_uid: str
    kind: str
    detail: str


@dataclass(slots=True)
class Exported:
    """What was written."""

    files: int = 0
    bytes: int = 0
    faults: list[NotExported] = field(default_factory=list)


def export(
    home: Home,
    revisions: Iterable[RevisionFacts],
    folder: Path,
    predictors: Mapping[bytes, Predictor],
    progress: Progress = lambda _: None,
) -> Exported:
    """Write revisions to ``folder/study/series/instance.dcm``; nothing there is overwritten.

    A UID that is not digits and dots names nothing in a file system: a hash stands for it. Further
    revisions of an instance end in ``.r2.dcm``, and so on.

    Raises:
        Conflict: a file is there already.
        IoFault, OSError: the archive cannot be read, or the folder not written.
    """
    exported = Exported()
    for revision in revisions:
        path = folder / _relative(revision)
        if path.exists():
            raise Conflict(f"{path} exists already")
        try:
            exported.bytes += read(home, revision.servable, predictors, partial(_write, path))
            exported.files += 1
        except DataFault as fault:
            kind = type(fault).__name__
            exported.faults.append(
                NotExported(revision.servable.sop_instance_uid, kind, str(fault))
            )
        progress(revision)
    return exported


def _write(path: Path, contents: Contents) -> int:
    """Write one file, all or nothing."""
    make_folder(path.parent)
    partial = path.with_name(path.name + PARTIAL)
    try:
        with partial.open("xb") as file:
            file.write(_before_dataset(contents))
            for piece in contents.pieces:
                file.write(piece)
            size = file.tell()
            os.fsync(file.fileno())
        partial.rename(path)
    finally:
        partial.unlink(missing_ok=True)
    return size


def _before_dataset(contents: Contents) -> bytes:
    received = contents.received
    if received.prefix or received.address == IMPORT_ADDRESS:
        return received.prefix
    return write_file_meta(
        received.sop_class_uid, received.sop_instance_uid, received.transfer_syntax
    )


def _relative(revision: RevisionFacts) -> Path:
    suffix = f".r{revision.number}.dcm" if revision.number > 1 else ".dcm"
    return Path(
        _name(revision.study_uid),
        _name(revision.series_uid),
        _name(revision.servable.sop_instance_uid) + suffix,
    )


def _name(uid: str) -> str:
    if _PLAIN_UID.fullmatch(uid) and len(uid) <= _LONGEST_NAME:
        return uid
    return "uid-" + hashlib.sha256(uid.encode("utf-8", "surrogatepass")).hexdigest()[:32]
