"""What administrators decide, so that it outlives the index: each decision leaves a sealed note.

The note is durable before the index changes, and goes away if the index finds the decision wrong.
A rebuilt index replays the notes in the order of their receive sequence (:mod:`service.rebuild`).

For the command: :class:`Decisions`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from service.errors import DataFault
from service.home import Home
from service.index import Author, Index
from service.keys import KeyStore
from service.sealing.note import note_ids, read_note, remove_note, write_note

ACCEPT: Final = "accept"
REJECT: Final = "reject"
MERGE: Final = "merge"
RENAME: Final = "rename"
MOVE: Final = "move"
UNDO: Final = "undo"


class Decisions:
    """Decisions about quarantined revisions, and corrections."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._index = home.index

    def accept(self, revision_id: int, by: str, reason: str) -> None:
        """Serve a quarantined revision from now on.

        Raises:
            Unknown: no such revision is quarantined.
        """
        with self._noted(self._about(ACCEPT, revision_id, by, reason)):
            self._index.revisions.accept(revision_id, by, reason)

    def reject(self, revision_id: int, by: str, reason: str) -> None:
        """Decide that a quarantined revision is never served.

        Raises:
            Unknown: no such revision is quarantined.
        """
        with self._noted(self._about(REJECT, revision_id, by, reason)):
            self._index.revisions.reject(revision_id, by, reason)

    def merge(self, source: str, target: str, author: Author) -> int:
        """Show all studies of a patient under another; see :class:`Corrections`."""
        details = {"source": source, "target": target}
        with self._noted(_correction(MERGE, details, author)):
            return self._index.corrections.merge(source, target, author)

    def rename(self, patient: str, changes: Mapping[str, str], author: Author) -> int:
        """Show other attributes of a patient; see :class:`Corrections`."""
        details = {"patient": patient, "changes": dict(changes)}
        with self._noted(_correction(RENAME, details, author)):
            return self._index.corrections.rename(patient, changes, author)

    def move(self, study_uid: str, target: str, author: Author, source: str | None = None) -> int:
        """Show a study under another patient; see :class:`Corrections`."""
        details = {"study_uid": study_uid, "target": target, "source": source}
        with self._noted(_correction(MOVE, details, author)):
            return self._index.corrections.move(study_uid, target, author, source)

    def undo(self, correction: int, by: str) -> None:
        """Take a correction back.

        Raises:
            Unknown: no such correction is in force.
        """
        with self._noted({"kind": UNDO, "correction": correction, "by": by}):
            self._index.corrections.undo(correction, by)

    def _about(self, kind: str, revision_id: int, by: str, reason: str) -> dict[str, object]:
        entry_id = self._index.revisions.get(revision_id).servable.entry_id
        return {"kind": kind, "entry": entry_id.hex(), "by": by, "reason": reason}

    @contextmanager
    def _noted(self, content: Mapping[str, object]) -> Iterator[None]:
        home = self._home
        with home.settling(home.keys.keyring.active.key_id):
            sequence = home.sequence.next()
            note_id = write_note(home.notes, home.keys, {**content, "sequence": sequence})
            try:
                yield
            except DataFault:
                remove_note(home.notes, note_id)
                raise


def _correction(kind: str, details: Mapping[str, object], author: Author) -> dict[str, object]:
    return {"kind": kind, **details, "by": author.by, "reason": author.reason}


@dataclass(frozen=True, slots=True)
class NotReplayed:
    """A note that could not be applied to a rebuilt index."""

    note_id: bytes
    kind: str
    detail: str


def replay(index: Index, keys: KeyStore, notes: Path) -> Iterator[NotReplayed]:
    """Apply every note to an index that has none of them, in the order they were decided."""
    decided: list[tuple[int, bytes, dict[str, Any]]] = []
    for note_id in note_ids(notes):
        try:
            note = read_note(notes, keys, note_id)
            decided.append((int(note["sequence"]), note_id, note))
        except DataFault as fault:
            yield NotReplayed(note_id, type(fault).__name__, str(fault))
    done: set[int] = set()
    for sequence, note_id, note in sorted(decided, key=lambda item: item[:2]):
        if sequence in done:
            continue  # Sealed again, under another key, by a job that was interrupted.
        done.add(sequence)
        try:
            _apply(index, note)
        except DataFault as fault:
            yield NotReplayed(note_id, type(fault).__name__, str(fault))


def _apply(index: Index, note: Mapping[str, Any]) -> None:
    author = Author(note["by"], note.get("reason", ""))
    match note["kind"]:
        case "accept" | "reject":
            revision = index.revisions.by_entry(bytes.fromhex(note["entry"]))
            decide = getattr(index.revisions, note["kind"])
            decide(revision.servable.revision_id, author.by, author.reason)
        case "merge":
            index.corrections.merge(note["source"], note["target"], author)
        case "rename":
            index.corrections.rename(note["patient"], note["changes"], author)
        case "move":
            index.corrections.move(note["study_uid"], note["target"], author, note["source"])
        case "undo":
            index.corrections.undo(note["correction"], author.by)
        case kind:
            raise DataFault(f"a note of kind {kind} is of a later version")
