"""What is decided, so that it outlives the index: each decision leaves a sealed note.

The note is durable before the index changes, and goes away if the index finds the decision wrong.
Its receive sequence says which receptions came before it, since those after may depend on it, and
is its name for later notes and the time of the decision. A rebuild of the index repeats receptions
and decisions as they came (:mod:`service.upkeep.rebuild`); start-up repeats what a crash kept from
the index (:mod:`service.upkeep.recovery`).

For the command: :class:`Decisions`, and :class:`service.upkeep.deletion.Deletion`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import structlog

from service.errors import DataFault, Fault, IoFault, Unknown
from service.failpoints import failpoint
from service.home import Home
from service.index import Author, Index
from service.index.doomed import Doomed
from service.index.rejections import Note
from service.keys import KeyStore
from service.sealing.note import note_ids, read_note, write_note

ACCEPT: Final = "accept"
REJECT: Final = "reject"
MERGE: Final = "merge"
RENAME: Final = "rename"
MOVE: Final = "move"
UNDO: Final = "undo"
HOLD: Final = "hold"
RELEASE: Final = "release"
DELETE: Final = "delete"
UNDELETE: Final = "undelete"
PURGE: Final = "purge"
REJECTION: Final = "rejection"
REVOKE: Final = "revoke"

_log = structlog.get_logger()


class Decisions:
    """Decisions about quarantined revisions, corrections, holds and rejection notes."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._index = home.index

    def accept(self, revision_id: int, by: str, reason: str) -> None:
        """Serve a quarantined revision from now on.

        Raises:
            Unknown: no such revision is quarantined.
        """
        with noted(self._home, self._about(ACCEPT, revision_id, by, reason)) as at:
            self._index.revisions.accept(revision_id, by, reason, at)

    def reject(self, revision_id: int, by: str, reason: str) -> None:
        """Decide that a quarantined revision is never served.

        Raises:
            Unknown: no such revision is quarantined.
        """
        with noted(self._home, self._about(REJECT, revision_id, by, reason)) as at:
            self._index.revisions.reject(revision_id, by, reason, at)

    def merge(self, source: str, target: str, author: Author) -> int:
        """Show all studies of a patient under another; see :class:`Corrections`."""
        details = {"source": source, "target": target}
        with noted(self._home, authored(MERGE, details, author)) as at:
            return self._index.corrections.merge(source, target, replace(author, at=at))

    def rename(self, patient: str, changes: Mapping[str, str], author: Author) -> int:
        """Show other attributes of a patient; see :class:`Corrections`."""
        details = {"patient": patient, "changes": dict(changes)}
        with noted(self._home, authored(RENAME, details, author)) as at:
            return self._index.corrections.rename(patient, changes, replace(author, at=at))

    def move(self, study_uid: str, target: str, author: Author, source: str | None = None) -> int:
        """Show a study under another patient; see :class:`Corrections`."""
        owner = self._index.corrections.owner(study_uid, source)
        details = {"study_uid": study_uid, "patient": owner, "target": target}
        with noted(self._home, authored(MOVE, details, author)) as at:
            made = replace(author, at=at)
            return self._index.corrections.move(study_uid, target, made, owner)

    def undo(self, correction: int, by: str) -> None:
        """Take a correction back.

        Raises:
            Unknown: no such correction is in force.
        """
        made_at = {one.id: one.at for one in self._index.corrections.list()}
        if correction not in made_at:
            raise Unknown(f"there is no correction {correction}")
        content = {"kind": UNDO, "correction": made_at[correction], "by": by}
        with noted(self._home, content) as at:
            self._index.corrections.undo(correction, by, at)

    def hold(self, level: str, key: str, author: Author) -> int:
        """Hold a patient, study, series or instance; see :class:`service.index.holds.Holds`."""
        with noted(self._home, authored(HOLD, {"level": level, "key": key}, author)) as at:
            return self._index.holds.add(level, key, replace(author, at=at))

    def release(self, hold: int, author: Author) -> None:
        """Release a hold.

        Raises:
            Unknown: no such hold is in force.
        """
        made_at = {one.id: one.at for one in self._index.holds.list()}
        if hold not in made_at:
            raise Unknown(f"there is no hold {hold}")
        with noted(self._home, authored(RELEASE, {"hold": made_at[hold]}, author)) as at:
            self._index.holds.release(hold, replace(author, at=at))

    def revoke(self, rejection: int, author: Author) -> None:
        """Take a rejection note's effect back; see :class:`service.index.rejections.Rejections`."""
        made_at = self._index.rejections.made_at(rejection)
        with noted(self._home, authored(REVOKE, {"rejection": made_at}, author)) as at:
            self._index.rejections.revoke(rejection, replace(author, at=at))

    def _about(self, kind: str, revision_id: int, by: str, reason: str) -> dict[str, object]:
        entry_id = self._index.revisions.get(revision_id).servable.entry_id
        return {"kind": kind, "entry": entry_id.hex(), "by": by, "reason": reason}


@contextmanager
def noted(home: Home, content: Mapping[str, object], sequence: int | None = None) -> Iterator[int]:
    """Decide inside the block: the note is durable before it, and its receive sequence is given.

    Args:
        home: the archive.
        content: of the note, all but its sequence.
        sequence: of the reception that the decision comes with; a new one by default.

    Raises:
        WrongKey: the key that the note is to be sealed under was just retired; decide again.
    """
    with home.settling(home.keys.keyring.active.key_id):
        at = home.sequence.next() if sequence is None else sequence
        note_id = write_note(home.notes, home.keys, {**content, "sequence": at})
        home.replicate_note(note_id)
        failpoint("decision.noted")
        try:
            yield at
        except DataFault:
            home.remove_note(note_id)
            raise
        except IoFault:
            _withdraw(home, note_id, at)
            raise
        failpoint("decision.entered")


def _withdraw(home: Home, note_id: bytes, sequence: int) -> None:
    """Remove the note of a decision that the index could not take in.

    A database may fail after it committed. Where the index cannot tell, start-up decides: it
    repeats what the index does not know.
    """
    try:
        if not home.index.decisions.knows(sequence):
            home.remove_note(note_id)
    except Fault as fault:
        _log.warning("note left to recovery", note=note_id.hex(), exc_info=fault)


def authored(kind: str, details: Mapping[str, object], author: Author) -> dict[str, object]:
    """Give the content of a note, all but its sequence."""
    return {"kind": kind, **details, "by": author.by, "reason": author.reason}


@dataclass(frozen=True, slots=True)
class Decision:
    """What one note says."""

    sequence: int
    note_id: bytes
    content: Mapping[str, Any]

    def concerns(self, entry_ids: Collection[bytes]) -> bool:
        """Whether it is about one of these receptions alone: of a quarantined revision."""
        return bytes.fromhex(self.content.get("entry", "")) in entry_ids

    def repeat(self, index: Index) -> None:
        """Decide again in an index that has everything received and decided before.

        Raises:
            DataFault: what it is about is not there, or it is of a kind unknown.
        """
        kind = self.content["kind"]
        if kind not in _REPEATED:
            raise DataFault(f"a note of kind {kind} is of a later version")
        author = Author(self.content["by"], self.content.get("reason", ""), self.sequence)
        _REPEATED[kind](index, self.content, author)


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


def purged_entries(decisions: Sequence[Decision]) -> frozenset[bytes]:
    """Name the receptions that decisions purged: nothing of them is to come back."""
    return frozenset(one.entry_id for one in _purged(decisions))


def purged_numbers(decisions: Sequence[Decision]) -> Mapping[str, Collection[int]]:
    """Give the numbers that purged revisions had, by SOP Instance UID: none is given again."""
    numbers = defaultdict[str, set[int]](set)
    for one in _purged(decisions):
        numbers[one.sop_instance_uid].add(one.number)
    return numbers


def _purged(decisions: Sequence[Decision]) -> Iterator[Doomed]:
    deleted = {
        one.sequence: one.content["revisions"] for one in decisions if one.content["kind"] == DELETE
    }
    purges = (one.content["deletion"] for one in decisions if one.content["kind"] == PURGE)
    return (doomed(told) for deletion in purges for told in deleted.get(deletion, ()))


_Note = Mapping[str, Any]


def _accept(index: Index, note: _Note, author: Author) -> None:
    index.revisions.accept(_revision(index, note), author.by, author.reason, author.at)


def _reject(index: Index, note: _Note, author: Author) -> None:
    index.revisions.reject(_revision(index, note), author.by, author.reason, author.at)


def _correct(index: Index, note: _Note, author: Author) -> None:
    details = {name: note[name] for name in _CORRECTED[note["kind"]]}
    index.corrections.repeat(note["kind"], details, author)


def _undo(index: Index, note: _Note, author: Author) -> None:
    made_at = {one.at: one.id for one in index.corrections.list()}
    index.corrections.undo(_found(made_at, note["correction"]), author.by, author.at)


def _hold(index: Index, note: _Note, author: Author) -> None:
    index.holds.add(note["level"], note["key"], author, again=True)


def _release(index: Index, note: _Note, author: Author) -> None:
    made_at = {one.at: one.id for one in index.holds.list()}
    index.holds.release(_found(made_at, note["hold"]), author)


def _delete(index: Index, note: _Note, author: Author) -> None:
    index.deletions.enter([doomed(one) for one in note["revisions"]], author, note["due"])


def _undelete(index: Index, note: _Note, author: Author) -> None:
    index.deletions.undo(index.deletions.by_sequence(note["deletion"]), author)


def _purge(index: Index, note: _Note, author: Author) -> None:
    index.deletions.purge(index.deletions.by_sequence(note["deletion"]), author)


def _rejection(index: Index, note: _Note, author: Author) -> None:
    index.rejections.enter(Note.from_json(note), author)


def _revoke(index: Index, note: _Note, author: Author) -> None:
    index.rejections.revoke(index.rejections.by_sequence(note["rejection"]), author)


_CORRECTED: Final = {
    MERGE: ("source", "target"),
    RENAME: ("patient", "changes"),
    MOVE: ("study_uid", "patient", "target"),
}
"""What the notes of corrections hold, besides who and why."""

_REPEATED: Final[Mapping[str, Callable[[Index, _Note, Author], None]]] = {
    ACCEPT: _accept,
    REJECT: _reject,
    MERGE: _correct,
    RENAME: _correct,
    MOVE: _correct,
    UNDO: _undo,
    HOLD: _hold,
    RELEASE: _release,
    DELETE: _delete,
    UNDELETE: _undelete,
    PURGE: _purge,
    REJECTION: _rejection,
    REVOKE: _revoke,
}


def doomed(told: Mapping[str, Any]) -> Doomed:
    """Read what a note says of a deleted revision."""
    entry_id, digest = bytes.fromhex(told["entry"]), bytes.fromhex(told["sha256"])
    return Doomed(entry_id, told["sop_instance_uid"], int(told["revision"]), digest)


def told(one: Doomed) -> dict[str, object]:
    """Say in a note which revision is deleted; :func:`doomed` reads it."""
    return {
        "entry": one.entry_id.hex(),
        "sop_instance_uid": one.sop_instance_uid,
        "revision": one.number,
        "sha256": one.sha256.hex(),
    }


def _revision(index: Index, note: _Note) -> int:
    return index.revisions.by_entry(bytes.fromhex(note["entry"])).servable.revision_id


def _found(made_at: Mapping[int, int], sequence: int) -> int:
    """Find by the sequence of a note: numbers change where notes are lost."""
    if sequence not in made_at:
        raise Unknown(f"nothing was decided by a note of sequence {sequence}")
    return made_at[sequence]
