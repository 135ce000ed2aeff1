"""The audit: objects, journal, index, trail and keyring, each compared with the others.

Every revision is read and decoded (:mod:`service.upkeep.examine`); where everything is looked at,
the index is made anew from what was sealed and compared row by row (:mod:`service.upkeep.replay`),
and what no row names, or only the trail knows, is told. It names what is wrong, notes when each
sound object was verified, and changes nothing else. A service may run at the same time: what it
moved between two looks is looked at again before it counts as a fault.

For the command: :func:`audit`.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from codec import Predictor
from service import errors
from service.errors import DataFault, StoreFault, Unknown
from service.home import Home
from service.index import RevisionFacts, Unlike
from service.index.pages import PAGE
from service.sealing.journal import entry_ids, entry_path
from service.sealing.note import note_ids, read_note
from service.sealing.reader import ObjectReader
from service.sequence import utc_now
from service.upkeep.anchor import ANCHOR
from service.upkeep.crosscheck import cross_check
from service.upkeep.examine import AuditFault, Examiner
from service.upkeep.kinds import Kind, kind_of
from service.upkeep.ledger import Ledger
from service.upkeep.replay import Replay, replaying

__all__ = ["AuditFault", "Audited", "Kind", "Scope", "audit"]

YOUNG_S: Final = 600
"""Seconds. An object without a row may be one that a worker has just published."""

_ROOMS: Final = frozenset({"drafts", "notes"})
_OBJECT: Final = re.compile(r"([0-9a-f]{2})/([0-9a-f]{2})/\1\2[0-9a-f]{28}\.dcm")
"""Where a store keeps what (docs/architecture.md)."""

_LOOKS: Final = 20
"""How often the index is compared again while receptions come in between two looks."""


@dataclass(frozen=True, slots=True)
class Scope:
    """What is looked at."""

    sample: float = 1.0
    """Share of the revisions to read, between 0 and 1, drawn anew each time."""
    since: int = 0
    """Only what was received at or after this time (microseconds since 1970 UTC)."""

    @property
    def is_whole(self) -> bool:
        """Whether everything is looked at; only then can anything be called orphaned."""
        return self.sample >= 1 and not self.since


@dataclass(slots=True)
class Audited:
    """What the audit found."""

    checked: int = 0
    """Revisions read and decoded."""
    faults: list[AuditFault] = field(default_factory=list)


Progress = Callable[[int, int], None]
"""Told the revisions looked at, and how many there are in all."""


def audit(
    home: Home,
    predictors: Mapping[bytes, Predictor],
    scope: Scope | None = None,
    progress: Progress = lambda _, __: None,
) -> Audited:
    """Audit an archive.

    Args:
        home: the archive.
        predictors: ``models.registry.all_models()``.
        scope: what to look at; everything by default.
        progress: told each revision done.

    Raises:
        IoFault: the index, the keyring or the store as a whole cannot be read.
    """
    scope = scope or Scope()
    return _Audit(home, predictors, scope).run(progress)


class _Audit:
    def __init__(self, home: Home, predictors: Mapping[bytes, Predictor], scope: Scope) -> None:
        self._home = home
        self._scope = scope
        self._audited = Audited()
        self._ledger = Ledger(home.index.trail)
        self._examiner = Examiner(home, self._ledger, predictors)
        self._sound: list[int] = []
        self._last = 0
        """The row that was examined last."""

    def run(self, progress: Progress) -> Audited:
        if self._scope.is_whole:
            self._everything(progress)
        else:
            for revision in self._revisions(progress):
                if random.random() < self._scope.sample:  # noqa: S311 - a sample, not a secret
                    self._examine(revision)
        self._note(None)
        self._audited.faults += self._notes()
        return self._audited

    def _everything(self, progress: Progress) -> None:
        with replaying(self._home, self._ledger) as replay:
            for revision in self._revisions(progress):
                self._examine(revision, replay)
            self._audited.faults += self._rows(replay)
            self._audited.faults += self._lost(replay.purged)
        self._audited.faults += self._orphans()
        self._audited.faults += cross_check(self._home, self._ledger)

    def _revisions(self, progress: Progress) -> Iterator[RevisionFacts]:
        total = self._home.index.revisions.count(since=self._scope.since)
        revisions = self._home.index.revisions.all(since=self._scope.since)
        for seen, revision in enumerate(revisions, start=1):
            yield revision
            progress(seen, max(seen, total))

    def _examine(self, revision: RevisionFacts, replay: Replay | None = None) -> None:
        self._last = revision.servable.revision_id
        try:
            examined = self._examiner.examine(revision)
            if replay is not None:
                replay.take(revision, examined)
        except Unknown:
            return  # Purged meanwhile.
        if examined.fault is not None:
            self._audited.faults.append(examined.fault)
        elif revision.servable.object_id is not None:
            self._note(revision.servable.revision_id)
        self._audited.checked += 1

    def _note(self, revision_id: int | None) -> None:
        """Note that objects were verified just now, many at a time; None for those left."""
        self._sound += [] if revision_id is None else [revision_id]
        if self._sound and (revision_id is None or len(self._sound) >= PAGE):
            self._home.index.verifications.sound(self._sound)
            self._sound.clear()

    def _rows(self, replay: Replay) -> Iterator[AuditFault]:
        """Name rows that do not follow from what is sealed; what came in meanwhile is no fault."""
        unlike = replay.unlike()
        for _ in range(_LOOKS):
            newer = list(self._home.index.revisions.all(after=self._last)) if unlike else []
            if not newer:
                break
            for revision in newer:
                self._examine(revision, replay)
            unlike = replay.unlike()
        named = {fault.sop_instance_uid for fault in self._audited.faults}
        for found in unlike:
            if not found.sop_instance_uid or found.sop_instance_uid not in named:
                yield _row_fault(found, unexplained=bool(replay.missed))

    def _orphans(self) -> Iterator[AuditFault]:
        """Name objects and journal entries without a row, if they are not just being made."""
        rows = set(self._home.index.revisions.object_ids())
        for object_id in self._home.store.ids():
            if object_id not in rows and self._is_orphan(object_id):
                detail = "no row names this object"
                yield AuditFault("", object_id.hex(), Kind.ORPHANED.value, detail)
        for entry_id in entry_ids(self._home.journal):
            if not self._has_row(entry_id):
                name = f"journal/{entry_id.hex()}"
                detail = "no row names this journal entry; serve indexes it when it starts"
                yield AuditFault("", name, Kind.ORPHANED.value, detail)
        for path in _strays(self._home.settings.store.path):
            yield AuditFault("", str(path), Kind.ORPHANED.value, "the archive has no such file")

    def _is_orphan(self, object_id: bytes) -> bool:
        try:
            self._home.index.revisions.by_object(object_id)
        except Unknown:
            return self._is_old(object_id)
        return False

    def _is_old(self, object_id: bytes) -> bool:
        try:
            with self._home.store.open(object_id) as file:
                sealed_at = ObjectReader(file, self._home.keys, object_id).facts.sealed_at
        except errors.Missing:
            return False
        except (DataFault, StoreFault):
            return True
        return utc_now() - sealed_at > YOUNG_S * 1_000_000

    def _notes(self) -> Iterator[AuditFault]:
        """Name what was decided that cannot be read any more, or is gone."""
        left = set(self._home.index.decisions.known())
        unreadable = 0
        for note_id in note_ids(self._home.notes):
            try:
                note = read_note(self._home.notes, self._home.keys, note_id)
                left.discard(note["sequence"])
            except DataFault as fault:
                unreadable += 1
                yield AuditFault("", f"notes/{note_id.hex()}", kind_of(fault).value, str(fault))
        if len(left) > unreadable:
            for sequence in sorted(left):
                detail = "the index knows this decision, and its note is gone"
                yield AuditFault("", f"notes/{sequence}", Kind.MISSING.value, detail)

    def _has_row(self, entry_id: bytes) -> bool:
        try:
            self._home.index.revisions.by_entry(entry_id)
        except Unknown:
            return not entry_path(self._home.journal, entry_id).exists()
        return True

    def _lost(self, purged: frozenset[bytes]) -> Iterator[AuditFault]:
        """Name receptions that the trail knows and no row does: the index was set back."""
        for entry_id, sop_instance_uid in self._ledger.stored.items():
            if entry_id in purged:
                continue
            try:
                self._home.index.revisions.by_entry(entry_id)
            except Unknown:
                detail = "the trail has this reception, the index does not: it was set back"
                name = f"journal/{entry_id.hex()}"
                yield AuditFault(sop_instance_uid, name, Kind.STALE.value, detail)


def _row_fault(found: Unlike, *, unexplained: bool) -> AuditFault:
    extra = "nothing sealed tells of this row"
    gone = "the row that follows from what is sealed is gone"
    detail = gone if found.row is None else ", ".join(found.names) or extra
    detail += "; a note that cannot be read may explain it" if unexplained else ""
    name = f"{found.table}/{'-' if found.row is None else found.row}"
    return AuditFault(found.sop_instance_uid, name, Kind.ROW_MISMATCH.value, detail)


def _strays(root: Path) -> Iterator[Path]:
    """Name files of the store that stand where no object, draft or note does."""
    for path in sorted(root.rglob("*")):
        parts = path.relative_to(root).parts
        if path.is_dir() or parts[0] in _ROOMS or parts == (ANCHOR,):
            continue
        if not _OBJECT.fullmatch("/".join(parts)):
            yield path.relative_to(root)
