"""Start-up: put right what a crash left between the steps of the flow.

Nothing acknowledged is ever lost by it: a journal entry without a row was written by a receiver
that died before its index transaction committed, or whose index failed at that moment. Indexing it
is safe, as its sender either got no Success, and sends it again (a duplicate), or is glad.
"""

from __future__ import annotations

from dataclasses import dataclass

import structlog

from dicom.attributes import read_attributes
from service.errors import DataFault, Unknown
from service.head import Head
from service.home import Home
from service.index import RevisionFacts
from service.receive import add
from service.sealing.journal import JournalReader, entry_ids, entry_path, remove_entry, sweep
from service.upkeep.decisions import read_decisions

_log = structlog.get_logger()


@dataclass(slots=True)
class Recovered:
    """What a start-up put right."""

    partial: int = 0
    """Half-written journal entries and objects that were removed."""
    interrupted: int = 0
    """Objects that were published, but got no row: removed, their journal entries are there."""
    indexed: int = 0
    """Journal entries that got their row."""
    finished: int = 0
    """Journal entries whose instance was archived, or there already: removed."""
    released: int = 0
    """Claims of workers that no longer run."""
    unreadable: int = 0
    """Journal entries that cannot be opened: left for the audit."""


def recover(home: Home) -> Recovered:
    """Put right what a crash left. Only while nothing else works on the archive.

    Raises:
        IoFault: journal, store or index cannot be read or written.
    """
    recovered = Recovered(interrupted=_remove_interrupted(home))
    recovered.partial = sweep(home.journal) + home.store.sweep()
    recovered.released = home.index.release_all()
    _go_on_behind_the_last(home)
    for entry_id in sorted(entry_ids(home.journal)):
        try:
            _recover_entry(home, entry_id, recovered)
        except DataFault as fault:
            recovered.unreadable += 1
            _log.error("journal entry unreadable", entry=entry_id.hex(), exc_info=fault)
    _log.info(
        "recovered",
        removed=recovered.partial + recovered.finished + recovered.interrupted,
        indexed=recovered.indexed,
        released=recovered.released,
        failed=recovered.unreadable,
    )
    return recovered


def _go_on_behind_the_last(home: Home) -> None:
    """Seed the sequence: a restored archive may hold decisions that its index does not know."""

    def missed(note_id: bytes, fault: DataFault) -> None:
        _log.error("note unreadable", note=note_id.hex(), exc_info=fault)

    decisions = read_decisions(home.keys, home.notes, missed)
    last = max((decision.sequence for decision in decisions), default=0)
    home.sequence.seed(max(last, home.index.last_sequence()))


def _remove_interrupted(home: Home) -> int:
    """Remove objects whose worker died before their row was committed."""
    removed = 0
    for object_id in home.store.interrupted():
        try:
            home.index.revisions.by_object(object_id)
        except Unknown:
            home.store.remove(object_id)
            removed += 1
    return removed


def _recover_entry(home: Home, entry_id: bytes, recovered: Recovered) -> None:
    try:
        revision = home.index.revisions.by_entry(entry_id)
    except Unknown:
        recovered.indexed += _adopt(home, entry_id)
        return
    if _is_archived(home, revision):
        remove_entry(home.journal, entry_id)
        recovered.finished += 1


def _is_archived(home: Home, revision: RevisionFacts) -> bool:
    object_id = revision.servable.object_id
    return object_id is not None and home.store.exists(object_id)


def _adopt(home: Home, entry_id: bytes) -> bool:
    """Index an entry; give whether it is a new revision. A duplicate's entry is removed."""
    with JournalReader(entry_path(home.journal, entry_id), home.keys) as entry:
        received = entry.received
        head = Head(received.transfer_syntax)
        for chunk in entry.chunks():
            head.write(chunk)
    attributes = read_attributes(head.taken, received.transfer_syntax)
    home.sequence.seed(received.sequence)
    added = add(home.index, received, attributes)
    if added.duplicate:
        remove_entry(home.journal, entry_id)
    return not added.duplicate
