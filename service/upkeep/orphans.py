"""Objects that no row names: adopted where they hold what nothing else does, else removed.

An index that was set back, or files restored from a backup, leave such objects; the audit names
them. Nothing is removed whose bytes are not either destroyed on purpose or held, verified, by
another object; nothing is adopted that was not opened and decoded. ``rebuild-index`` does the same
for a whole archive while nothing serves it; this goes beside a service.

For the command: :func:`orphans`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from codec import Predictor
from dicom.attributes import read_attributes
from service.errors import Conflict, DataFault, Fault, Unknown
from service.head import Head
from service.home import Home
from service.index import RevisionFacts
from service.receive import add
from service.sealing.journal import remove_entry
from service.sealing.reader import ObjectReader
from service.sequence import utc_now
from service.upkeep.sound import verify

ADOPTED: Final = "adopted"
REMOVED: Final = "removed"
LEFT: Final = "left"

YOUNG_S: Final = 600
"""Seconds. A worker may be about to name an object that it has just published."""


@dataclass(frozen=True, slots=True)
class Orphan:
    """One object without a row."""

    object: str
    """Its id in hexadecimal."""
    sop_instance_uid: str
    """Empty where it cannot be read."""
    outcome: str
    """``adopted``, ``removed`` or ``left``; or what would become of it."""
    detail: str


def orphans(
    home: Home,
    predictors: Mapping[bytes, Predictor],
    *,
    settle: bool,
    young_s: float = YOUNG_S,
) -> list[Orphan]:
    """Name every object without a row; adopt or remove it, if asked to ``settle``.

    Args:
        home: the archive; a service may run.
        predictors: ``models.registry.all_models()``.
        settle: whether anything is to be done.
        young_s: objects sealed so many seconds ago are left alone.

    Raises:
        IoFault: store or index as a whole cannot be used.
    """
    named = set(home.index.revisions.object_ids())
    purged = home.index.deletions.purged_entries()
    settler = _Settler(home, predictors, purged, settle)
    found = (settler.settle(one, young_s) for one in home.store.ids() if one not in named)
    return [orphan for orphan in found if orphan is not None]


_Act = Callable[[], None]


@dataclass(frozen=True, slots=True)
class _Plan:
    outcome: str
    detail: str
    act: _Act


class _Settler:
    def __init__(
        self,
        home: Home,
        predictors: Mapping[bytes, Predictor],
        purged: Mapping[bytes, int],
        settle: bool,
    ) -> None:
        self._home = home
        self._predictors = predictors
        self._purged = purged
        self._settle = settle

    def settle(self, object_id: bytes, young_s: float) -> Orphan | None:
        """Settle one object; None where it has a row by now, or is too young to tell."""
        uid = ""
        try:
            with self._home.store.open(object_id) as file:
                reader = ObjectReader(file, self._home.keys, object_id, self._predictors)
                uid = reader.received.sop_instance_uid
                if utc_now() - reader.facts.sealed_at < young_s * 1_000_000:
                    return None
                plan = self._plan(reader)
            if plan is None:
                return None
            if self._settle:
                with self._home.settling(reader.facts.key_id):
                    plan.act()
                self._tell(object_id, plan)
        except Fault as fault:
            return Orphan(object_id.hex(), uid, LEFT, str(fault))
        return Orphan(object_id.hex(), uid, plan.outcome, plan.detail)

    def _plan(self, reader: ObjectReader) -> _Plan | None:
        entry_id, object_id = reader.received.entry_id, reader.facts.object_id
        if self._has_row(object_id):
            return None
        if entry_id in self._purged:
            return self._removal(object_id, "its instance is purged")
        try:
            revision = self._home.index.revisions.by_entry(entry_id)
        except Unknown:
            return self._new(reader)
        other = revision.servable.object_id
        if other is not None and self._is_sound(revision):
            return self._removal(object_id, f"object {other.hex()} holds the same")
        self._require_sound(reader)
        detail = "its row has no sound object"
        return _Plan(ADOPTED, detail, lambda: self._adopt(revision, reader))

    def _has_row(self, object_id: bytes) -> bool:
        try:
            self._home.index.revisions.by_object(object_id)
        except Unknown:
            return False
        return True

    def _removal(self, object_id: bytes, detail: str) -> _Plan:
        return _Plan(REMOVED, detail, lambda: self._home.remove_object(object_id))

    def _is_sound(self, revision: RevisionFacts) -> bool:
        """Whether the object that a row names holds what was received, to the last bit."""
        object_id = revision.servable.object_id or b""
        try:
            with self._home.store.open(object_id) as file:
                verify(file, self._home.keys, self._predictors, revision)
        except DataFault:
            return False
        return True

    def _require_sound(self, reader: ObjectReader) -> None:
        """Decode an object: what is not sound is not adopted.

        Raises:
            DataFault: it is not.
        """
        for _ in reader.pieces():
            continue

    def _new(self, reader: ObjectReader) -> _Plan:
        """Adopt an object whose reception the index does not know."""
        head = Head(reader.received.transfer_syntax)
        for piece in reader.pieces():
            head.write(piece)
        return _Plan(
            ADOPTED, "the index does not know its reception", lambda: self._index(reader, head)
        )

    def _index(self, reader: ObjectReader, head: Head) -> None:
        received = reader.received
        attributes = read_attributes(head.taken, received.transfer_syntax)
        added = add(self._home.index, received, attributes, acknowledged=True)
        if added.duplicate:
            number = added.revision
            raise Conflict(f"the same bytes are there as revision {number} of another reception")
        self._home.index.archived(added.revision_id, reader.facts)

    def _adopt(self, revision: RevisionFacts, reader: ObjectReader) -> None:
        """Let a row name this object, and the journal entry go where it waited for one."""
        servable, index = revision.servable, self._home.index
        if servable.object_id is None:
            index.archived(servable.revision_id, reader.facts)
            remove_entry(self._home.journal, servable.entry_id)
        else:
            index.revisions.replace_object(servable.revision_id, servable.object_id, reader.facts)

    def _tell(self, object_id: bytes, plan: _Plan) -> None:
        details = {"object": object_id.hex(), "outcome": plan.outcome, "why": plan.detail}
        self._home.index.trail.append("orphan settled", details)
