"""Crypto-erasure: an archive key is destroyed while instances are sealed under it.

No copy of them opens any more, wherever it lies: on a replica that is away, on a tape, in sectors
of a disk that were never overwritten. What is lost is marked as deleted first, with a sealed note,
so that the archive knows; then the key goes; then rows and files, as in any deletion.

For the command: :func:`losses`, :func:`erase`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from service.errors import Busy, DataFault, Held, KeyNeeded, Unknown
from service.home import Home
from service.index import Author
from service.index.doomed import Covered
from service.index.pages import pages
from service.keys import ArchiveKey, KeyringBackups, KeyState
from service.sealing.clear import read_clear
from service.sealing.journal import JournalReader, entry_ids, entry_path
from service.sealing.note import note_ids, note_key, read_note, write_note
from service.store.notes import LocalNotes
from service.upkeep.anchor import drop_anchor
from service.upkeep.deletion import Deletion

_AT_ONCE: Final = 10_000
"""Revisions of one deletion: its note takes some 2.5 MB then."""
_ATTEMPTS: Final = 5


@dataclass(frozen=True, slots=True)
class Losses:
    """What is lost with a key."""

    key: ArchiveKey
    instances: int
    revisions: int
    orphans: int
    """Objects under it that no row names."""
    holds: Sequence[int]
    """Numbers of the holds that forbid it."""


@dataclass(frozen=True, slots=True)
class Erased:
    """A key that was destroyed, and what with it."""

    key_id: bytes
    revisions: int
    objects: int
    entries: int
    backups: Sequence[Path]
    """Versions of the keyring's backup that still hold the key, or may: erase them too."""


def losses(home: Home, name: str) -> Losses:
    """Count what is sealed under a key: rows and journal, and every file of the store.

    Raises:
        KeyNeeded: it is active; rotate first.
        Unknown: no key that can be erased, or several, begin with ``name``.
        IoFault: store, journal or index cannot be read.
    """
    key = _find(home, name)
    rows = list(_rows(home, key.key_id))
    uids = {home.index.revisions.get(row).servable.sop_instance_uid for row in rows}
    held: set[int] = set()
    for covered in _covered(home, rows):
        held.update(covered.holds)
    return Losses(key, len(uids), len(rows), _orphans(home, key.key_id), sorted(held))


def erase(home: Home, name: str, author: Author, backups: KeyringBackups | None = None) -> Erased:
    """Destroy a key and what is sealed under it. One that was interrupted is run again.

    Raises:
        Held: a hold covers something under it; nothing is done then.
        KeyNeeded: it is active; rotate first.
        Unknown: no key that can be erased, or several, begin with ``name``.
        Busy: more came under it each time; run it again.
        IoFault: store, journal, keyring or index failed; run it again.
    """
    lost = losses(home, name)
    if lost.holds:
        raise Held(f"hold {', '.join(map(str, lost.holds))}; see radiolith hold ls")
    key_id = lost.key.key_id
    deletions: list[int] = []
    for _ in range(_ATTEMPTS):
        deletions += _mark(home, key_id, author)
        _reseal_notes(home, key_id)
        with home.retiring():
            if not _is_needed(home, key_id):
                drop_anchor(home.index.trail, home.keys, home.settings.store.path)
                home.keys.retire(key_id, backups)
                break
    else:
        raise Busy("instances go on coming under the key")
    details = {"key": key_id.hex(), "erased": lost.revisions}
    home.index.trail.append("key retired", details | {"by": author.by, "reason": author.reason})
    held = () if backups is None else home.keys.holding(key_id, backups)
    done = [Deletion(home).purge(deletion, author) for deletion in deletions]
    objects, entries = sum(one.objects for one in done), sum(one.entries for one in done)
    return Erased(key_id, lost.revisions, objects, entries, held)


def _find(home: Home, name: str) -> ArchiveKey:
    key = home.keys.keyring.find(name)
    if key.state is KeyState.ACTIVE:
        raise KeyNeeded(f"key {key.key_id.hex()} is active; run radiolith keys rotate first")
    if key.state is KeyState.RETIRED:
        raise Unknown(f"key {key.key_id.hex()} is destroyed already")
    return key


def _rows(home: Home, key_id: bytes) -> Iterator[int]:
    """Name the rows of revisions whose object or journal entry is under a key."""
    for revision in home.index.revisions.all(key_id=key_id):
        yield revision.servable.revision_id
    for entry_id in entry_ids(home.journal):
        try:
            with JournalReader(entry_path(home.journal, entry_id), home.keys) as entry:
                is_under_it = entry.key_id == key_id
            if is_under_it:
                yield home.index.revisions.by_entry(entry_id).servable.revision_id
        except DataFault:
            continue  # Archived since it was listed, or of no use under any key.


def _covered(home: Home, rows: Sequence[int]) -> Iterator[Covered]:
    """Say what is to be marked, leaving out what is marked already."""
    for page in pages(rows, _AT_ONCE):
        try:
            yield home.index.deletions.covering_rows(page)
        except Unknown:
            continue


def _mark(home: Home, key_id: bytes, author: Author) -> list[int]:
    covered = list(_covered(home, list(_rows(home, key_id))))
    return [Deletion(home).delete(one.revisions, author, grace_days=0) for one in covered]


def _is_needed(home: Home, key_id: bytes) -> bool:
    """Whether something under a key is not marked, or a note would be lost with it."""
    unmarked = any(True for _ in _covered(home, list(_rows(home, key_id))))
    return unmarked or any(key == key_id for _, key in _note_keys(home))


def _note_keys(home: Home) -> Iterator[tuple[bytes, bytes]]:
    notes = LocalNotes(home.notes)
    for note_id in note_ids(home.notes):
        yield note_id, note_key(notes.read(note_id))


def _reseal_notes(home: Home, key_id: bytes) -> None:
    """Take notes out from under a key: what was decided is not lost with it."""
    for note_id, key in list(_note_keys(home)):
        if key == key_id:
            write_note(home.notes, home.keys, read_note(home.notes, home.keys, note_id))
            home.remove_note(note_id)


def _orphans(home: Home, key_id: bytes) -> int:
    named, count = set(home.index.revisions.object_ids()), 0
    for object_id in home.store.ids():
        if object_id not in named:
            try:
                with home.store.open(object_id) as file:
                    count += read_clear(file).key_id == key_id
            except DataFault:
                continue
    return count
