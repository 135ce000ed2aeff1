"""Start-up: put right what a crash left between the steps of the flow.

Nothing acknowledged is ever lost by it: a journal entry without a row was written by a receiver
that died before its index transaction committed, or whose index failed at that moment. Indexing it
is safe, as its sender either got no Success, and sends it again (a duplicate), or is glad. A note
without its effect in the index is of a decision that was cut short: it is completed.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import structlog

from dicom.attributes import read_attributes
from service.errors import DataFault, JournalFault, Unknown
from service.files import write_atomically
from service.head import Head
from service.home import Home
from service.index import Added, RevisionFacts
from service.processes import at
from service.receive import add
from service.records import Received
from service.rejection import take_in
from service.resend import restore_lost
from service.sealing.journal import JournalReader, entry_ids, entry_path, remove_entry, sweep
from service.sequence import utc_now
from service.upkeep.decisions import Decision, read_decisions
from service.upkeep.deletion import finish_all

LAST_START: Final = "recovered.json"
"""In the archive's ``run`` folder: what the last start-up put right."""

_log = structlog.get_logger()


@dataclass(slots=True)
class Recovered:
    """What a start-up put right."""

    partial: int = 0
    """Half-written journal entries, notes and objects that were removed."""
    interrupted: int = 0
    """Objects that were published, but got no row: removed, their journal entries are there."""
    indexed: int = 0
    """Journal entries that got their row."""
    finished: int = 0
    """Journal entries whose instance was archived, or there already: removed."""
    released: int = 0
    """Claims of workers that no longer run."""
    decided: int = 0
    """Decisions whose note was there, but which the index did not know: taken in."""
    purged: int = 0
    """Deletions whose files were not all removed yet."""
    unreadable: int = 0
    """Journal entries that cannot be opened, and decisions that fit nothing: left for the audit."""


def recover(home: Home) -> Recovered:
    """Put right what a crash left. Only while nothing else works on the archive.

    Raises:
        IoFault: store or index cannot be read or written.
    """
    at.forget_all(home.run)
    recovered = Recovered(interrupted=_remove_interrupted(home))
    small = (home.notes, home.settings.store.path)
    recovered.partial = sweep(home.journal) + home.store.sweep() + sum(map(sweep, small))
    recovered.released = home.index.release_all()
    recovered.purged = finish_all(home).deletions
    decisions = _decisions(home)
    _go_on_behind_the_last(home, decisions)
    _take_in(home, decisions, recovered)
    recovered.purged += finish_all(home).deletions
    _tell(home.run, recovered)
    return recovered


def _tell(run: Path, recovered: Recovered) -> None:
    """Say what was put right, in the log and for ``radiolith status``."""
    _log.info(
        "recovered",
        removed=recovered.partial + recovered.finished + recovered.interrupted,
        indexed=recovered.indexed,
        released=recovered.released,
        completed=recovered.decided + recovered.purged,
        failed=recovered.unreadable,
    )
    told = {"at": utc_now(), **asdict(recovered)}
    try:
        write_atomically(run / LAST_START, json.dumps(told).encode())
    except OSError as fault:
        # A full disk keeps nothing from being read.
        _log.warning("what was recovered is told here alone", exc_info=fault)


def last_start(run: Path) -> dict[str, int]:
    """Tell what the last start-up put right (:class:`Recovered`), and when; empty before any."""
    try:
        told: dict[str, int] = json.loads((run / LAST_START).read_bytes())
    except FileNotFoundError:
        return {}
    return told


def _decisions(home: Home) -> list[Decision]:
    def missed(note_id: bytes, fault: DataFault) -> None:
        _log.error("note unreadable", note=note_id.hex(), exc_info=fault)

    return read_decisions(home.keys, home.notes, missed)


def _go_on_behind_the_last(home: Home, decisions: Sequence[Decision]) -> None:
    """Seed the sequence: a restored archive may hold decisions that its index does not know."""
    last = max((decision.sequence for decision in decisions), default=0)
    home.sequence.seed(max(last, home.index.last_sequence()))


def _take_in(home: Home, decisions: Sequence[Decision], recovered: Recovered) -> None:
    """Take in what the index lacks, entries and decisions, in the order they came."""
    known, noted = home.index.decisions.known(), {one.sequence for one in decisions}
    unknown = deque(one for one in decisions if one.sequence not in known)
    for entry in sorted(_unindexed(home, recovered), key=lambda entry: entry.received.sequence):
        while unknown and unknown[0].sequence < entry.received.sequence:
            _repeat(home, unknown.popleft(), recovered)
        recovered.indexed += _adopt(home, entry, is_noted=entry.received.sequence in noted)
    for decision in unknown:
        _repeat(home, decision, recovered)


def _repeat(home: Home, decision: Decision, recovered: Recovered) -> None:
    """Complete a decision that a crash, or a failing index, kept from its effect."""
    try:
        decision.repeat(home.index)
        recovered.decided += 1
    except DataFault as fault:
        recovered.unreadable += 1
        _log.error("decision not taken in", note=decision.note_id.hex(), exc_info=fault)


def _remove_interrupted(home: Home) -> int:
    """Remove objects whose worker died before their row was committed."""
    removed = 0
    for object_id in home.store.interrupted():
        try:
            home.index.revisions.by_object(object_id)
        except Unknown:
            home.remove_object(object_id)
            removed += 1
    return removed


def _unindexed(home: Home, recovered: Recovered) -> Iterator[_Entry]:
    """Open the journal entries without a row; those of archived and of purged instances go."""
    purged = home.index.deletions.purged_entries()
    for entry_id in entry_ids(home.journal):
        try:
            if entry_id in purged:
                remove_entry(home.journal, entry_id)
                continue
            if not _is_settled(home, entry_id, recovered):
                yield _open(home, entry_id)
        except (DataFault, JournalFault) as fault:
            recovered.unreadable += 1
            _log.error("journal entry unreadable", entry=entry_id.hex(), exc_info=fault)


def _is_settled(home: Home, entry_id: bytes, recovered: Recovered) -> bool:
    try:
        revision = home.index.revisions.by_entry(entry_id)
    except Unknown:
        return False
    if _is_archived(home, revision):
        remove_entry(home.journal, entry_id)
        recovered.finished += 1
    return True


def _is_archived(home: Home, revision: RevisionFacts) -> bool:
    object_id = revision.servable.object_id
    return object_id is not None and home.store.exists(object_id)


@dataclass(frozen=True, slots=True)
class _Entry:
    received: Received
    head: memoryview


def _open(home: Home, entry_id: bytes) -> _Entry:
    with JournalReader(entry_path(home.journal, entry_id), home.keys) as entry:
        received = entry.received
        head = Head(received.transfer_syntax)
        for chunk in entry.chunks():
            head.write(chunk)
    return _Entry(received, head.taken)


def _adopt(home: Home, entry: _Entry, *, is_noted: bool) -> bool:
    """Index an entry; give whether it is a new revision. A duplicate's entry is removed.

    A rejection note has its effect, unless a sealed note of that waits to be taken in.
    """
    received = entry.received
    attributes = read_attributes(entry.head, received.transfer_syntax)
    home.sequence.seed(received.sequence)

    def indexed() -> Added:
        return add(home.index, received, attributes, acknowledged=True)

    added = indexed() if is_noted else take_in(home, received, entry.head, indexed)
    if added.duplicate:
        restore_lost(home, added.revision_id, received)
        remove_entry(home.journal, received.entry_id)
    return not added.duplicate
