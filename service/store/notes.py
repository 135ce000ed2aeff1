"""Where sealed notes lie: small files by id, a few for each decision of an administrator."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from service.errors import Fault, Missing, StoreFault
from service.files import make_folder, write_atomically
from service.sealing.note import SUFFIX, note_ids, remove_note


class NoteStore(Protocol):
    """Sealed notes by id. Every method raises StoreFault where the store fails."""

    def ids(self) -> Iterator[bytes]:
        """Name every note, in ascending order."""

    def read(self, note_id: bytes) -> bytes:
        """Give the sealed bytes of a note.

        Raises:
            Missing: there is no such note.
        """

    def write(self, note_id: bytes, sealed: bytes) -> None:
        """Keep a note durably, in place of what is there under its id."""

    def remove(self, note_id: bytes) -> None:
        """Remove a note durably; no fault if there is none."""


class LocalNotes:
    """The notes of one folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def ids(self) -> Iterator[bytes]:
        """Name every note, in ascending order."""
        with _faults("notes"):
            return note_ids(self._folder)

    def read(self, note_id: bytes) -> bytes:
        """Give the sealed bytes of a note."""
        with _faults(f"note {note_id.hex()}", absent=Missing):
            return self._path(note_id).read_bytes()

    def write(self, note_id: bytes, sealed: bytes) -> None:
        """Keep a note durably."""
        with _faults(f"note {note_id.hex()}"):
            make_folder(self._folder)
            write_atomically(self._path(note_id), sealed)

    def remove(self, note_id: bytes) -> None:
        """Remove a note durably."""
        with _faults(f"note {note_id.hex()}"):
            remove_note(self._folder, note_id)

    def _path(self, note_id: bytes) -> Path:
        return self._folder / (note_id.hex() + SUFFIX)


@contextmanager
def _faults(name: str, absent: type[Fault] = StoreFault) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as fault:
        raise absent(f"there is no {name}") from fault
    except OSError as fault:
        raise StoreFault(f"{name}: {fault.strerror}") from fault
