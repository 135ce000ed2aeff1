"""Taking in files: the same way in as C-STORE, with what stood before each dataset kept.

For the command: :func:`import_files`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Final

from dicom.part10 import NotDicom, split_part10
from dicom.syntax import RADIOLITH_SYNTAX, encoding
from service.errors import DataFault, Unparsable
from service.exchange.sources import UNREADABLE, Offer, Skipped, offers
from service.home import Home
from service.receive import IMPORT_ADDRESS, Origin, Reception

FIRST_BYTES: Final = 64 * 2**10
"""As much of a file as :func:`dicom.part10.split_part10` wants to see."""
FRAGMENT: Final = 2**20

Progress = Callable[[Offer], None]
"""Told each file when it is done with."""


@dataclass(slots=True)
class Imported:
    """What became of the files."""

    instances: int = 0
    """New revisions stored, quarantined ones included."""
    duplicates: int = 0
    """Datasets that the archive had already."""
    quarantined: int = 0
    mismatches: int = 0
    """Instances whose dataset and file meta information disagree on UIDs."""
    bytes: int = 0
    """Bytes of the files stored or found to be there already."""
    skipped: list[Skipped] = field(default_factory=list)


def import_files(home: Home, path: Path, progress: Progress = lambda _: None) -> Imported:
    """Import a folder, a zip archive, a DICOMDIR or one file.

    Each instance is durable when it is counted; workers archive it later, like any other. A file
    that is no DICOM, or cannot be read, is skipped and named.

    Raises:
        IoFault: the archive itself cannot take more; what was counted stays.
    """
    imported = Imported()
    for offer in offers(path):
        if isinstance(offer, Skipped):
            imported.skipped.append(offer)
            continue
        try:
            _import(home, offer, imported)
        except (DataFault, *UNREADABLE) as fault:
            imported.skipped.append(Skipped(offer.name, _reason(fault)))
        progress(offer)
    return imported


def _import(home: Home, offer: Offer, imported: Imported) -> None:
    with offer.open() as file:
        first = file.read(FIRST_BYTES)
        origin = _origin(home, first)
        reception = Reception(home, origin)
        try:
            _copy(first[len(origin.prefix) :], file, reception)
        except UNREADABLE:
            reception.abort()
            raise
    added = reception.take()
    imported.bytes += offer.size
    imported.duplicates += added.duplicate
    imported.instances += not added.duplicate
    imported.quarantined += added.quarantined is not None and not added.duplicate
    imported.mismatches += added.instance_mismatch or added.class_mismatch


def _copy(first: bytes, file: IO[bytes], reception: Reception) -> None:
    fragment = first
    while fragment:
        reception.write(fragment)
        fragment = file.read(FRAGMENT)


def _origin(home: Home, first: bytes) -> Origin:
    """Read what stands before the dataset.

    Raises:
        Unparsable: no dataset of an instance follows.
    """
    try:
        header = split_part10(first)
    except NotDicom as fault:
        raise Unparsable("not a DICOM file") from fault
    if header.transfer_syntax == RADIOLITH_SYNTAX:
        raise Unparsable("a sealed object of an archive: only its keyring opens it")
    if not encoding(header.transfer_syntax).is_stored:
        raise Unparsable(f"transfer syntax {header.transfer_syntax} holds no complete dataset")
    if len(header.raw) == len(first):
        raise Unparsable("no dataset follows the file meta information")
    return Origin(
        sop_class_uid=header.sop_class_uid,
        sop_instance_uid=header.sop_instance_uid,
        calling_ae="",
        called_ae=home.settings.service.ae_title,
        address=IMPORT_ADDRESS,
        transfer_syntax=header.transfer_syntax,
        prefix=header.raw,
    )


def _reason(fault: BaseException) -> str:
    if isinstance(fault, DataFault):
        return str(fault)
    return f"cannot be read: {getattr(fault, 'strerror', None) or type(fault).__name__}"
