"""What administrators decide, so that it outlives the index: each decision leaves a sealed note.

The note is durable before the index changes, and goes away if the index finds the decision wrong.
Its receive sequence says which receptions came before it, since those after may depend on it, and
is its name for later notes and the time of the decision. A rebuild of the index repeats receptions
and decisions as they came (:mod:`service.upkeep.rebuild`).

For the command: :class:`Decisions`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from service.errors import DataFault, Unknown
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
        with self._noted(_correction(MERGE, details, author)) as at:
            return self._index.corrections.merge(source, target, replace(author, at=at))

    def rename(self, patient: str, changes: Mapping[str, str], author: Author) -> int:
        """Show other attributes of a patient; see :class:`Corrections`."""
        details = {"patient": patient, "changes": dict(changes)}
        with self._noted(_correction(RENAME, details, author)) as at:
            return self._index.corrections.rename(patient, changes, replace(author, at=at))

    def move(self, study_uid: str, target: str, author: Author, source: str | None = None) -> int:
        """Show a study under another patient; see :class:`Corrections`."""
        details = {"study_uid": study_uid, "target": target, "source": source}
        with self._noted(_correction(MOVE, details, author)) as at:
            made = replace(author, at=at)
            return self._index.corrections.move(study_uid, target, made, source)

    def undo(self, correction: int, by: str) -> None:
        """Take a correction back.

        Raises:
            Unknown: no such correction is in force.
        """
        made_at = {one.id: one.at for one in self._index.corrections.list()}
        if correction not in made_at:
            raise Unknown(f"there is no correction {correction}")
        with self._noted({"kind": UNDO, "correction": made_at[correction], "by": by}) as at:
            self._index.corrections.undo(correction, by, at)

    def _about(self, kind: str, revision_id: int, by: str, reason: str) -> dict[str, object]:
        entry_id = self._index.revisions.get(revision_id).servable.entry_id
        return {"kind": kind, "entry": entry_id.hex(), "by": by, "reason": reason}

    @contextmanager
    def _noted(self, content: Mapping[str, object]) -> Iterator[int]:
        """Give the sequence of the note, in which it is durable."""
        home = self._home
        with home.settling(home.keys.keyring.active.key_id):
            sequence = home.sequence.next()
            note_id = write_note(home.notes, home.keys, {**content, "sequence": sequence})
            try:
                yield sequence
            except DataFault:
                remove_note(home.notes, note_id)
                raise


def _correction(kind: str, details: Mapping[str, object], author: Author) -> dict[str, object]:
    return {"kind": kind, **details, "by": author.by, "reason": author.reason}


@dataclass(frozen=True, slots=True)
class Decision:
    """What one note says."""

    sequence: int
    note_id: bytes
    content: Mapping[str, Any]

    def repeat(self, index: Index) -> None:
        """Decide again in an index that has everything received and decided before.

        Raises:
            DataFault: what it is about is not there, or it is of a kind unknown.
        """
        note = self.content
        author = Author(note["by"], note.get("reason", ""), self.sequence)
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
                correction = _made_at(index, note["correction"])
                index.corrections.undo(correction, author.by, self.sequence)
            case kind:
                raise DataFault(f"a note of kind {kind} is of a later version")


def read_decisions(
    keys: KeyStore, notes: Path, missed: Callable[[bytes, DataFault], None]
) -> list[Decision]:
    """Read all notes, in the order they were decided; tell ``missed`` of those that are faulty."""
    read: dict[int, Decision] = {}
    for note_id in note_ids(notes):
        try:
            content = read_note(notes, keys, note_id)
        except DataFault as fault:
            missed(note_id, fault)
            continue
        sequence = int(content["sequence"])
        # Two are one that was sealed again, under another key, by a job that was interrupted.
        read.setdefault(sequence, Decision(sequence, note_id, content))
    return [read[sequence] for sequence in sorted(read)]


def _made_at(index: Index, sequence: int) -> int:
    """Find a correction by the sequence of its note: numbers change where notes are lost."""
    found = [one.id for one in index.corrections.list() if one.at == sequence]
    if not found:
        raise Unknown(f"no correction was made by a note of sequence {sequence}")
    return found[0]
