"""The index as it follows from what is sealed, made anew beside the real one to be compared.

Revisions come in the order of their rows, which is the order they were committed in, and decisions
where their receive sequence puts them, as :mod:`service.upkeep.rebuild` does it; which of an
instance's revisions is served follows the setting of that time, of which the trail tells.
"""

from __future__ import annotations

import tempfile
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from pydicom.dataset import Dataset

from service.errors import DataFault
from service.home import Home
from service.index import Index, Policy, RevisionFacts, Unlike
from service.index.attributes import dataset_of
from service.receive import add
from service.records import Received
from service.upkeep.decisions import Decision, purged_entries, purged_numbers, read_decisions
from service.upkeep.examine import Examined
from service.upkeep.ledger import Ledger

_NAME: Final = "audit.sqlite"


@contextmanager
def replaying(home: Home, ledger: Ledger) -> Iterator[Replay]:
    """Make an empty index in the archive's folder (it holds patients' names), and remove it.

    Raises:
        IoFault, OSError: it cannot be made.
    """
    with tempfile.TemporaryDirectory(prefix="audit-", dir=home.path) as folder:
        made = Index.scratch(Path(folder, _NAME), Policy.of(home.settings))
        try:
            yield Replay(home, ledger, made)
        finally:
            made.close()


class Replay:
    """The index made anew. See :func:`replaying`."""

    def __init__(self, home: Home, ledger: Ledger, made: Index) -> None:
        self._home = home
        self._ledger = ledger
        self._made = made
        self._decided: set[int] = set()
        self._decisions: list[Decision] = []
        self.missed: set[bytes] = set()
        """Notes that cannot be read: what they decided is missing in what was made."""
        self.purged: frozenset[bytes] = frozenset()
        """Receptions of which nothing is left, by decision."""
        self._gone: Mapping[str, Collection[int]] = {}
        self._read_decisions()

    def take(self, revision: RevisionFacts, examined: Examined) -> None:
        """Take the next revision; one that cannot be read is taken as its row has it."""
        received, attributes = examined.received, examined.attributes
        if received is None or attributes is None:
            received, attributes = _as_indexed(revision), self._indexed(revision)
        self._decide(received.sequence)
        serve = self._ledger.serve.get(received.entry_id, self._home.settings.duplicates.serve)
        gone = self._gone.get(received.sop_instance_uid.strip(" \0"), ())
        others = gone if examined.number is None else range(1, examined.number)
        add(self._made.serving(serve), received, attributes, acknowledged=True, others=others)

    def unlike(self) -> list[Unlike]:
        """Name the rows of the archive's index that are not as they follow from what was taken."""
        self._read_decisions()
        self._decide(None)
        return list(self._home.index.unlike(self._made))

    def _indexed(self, revision: RevisionFacts) -> Dataset:
        try:
            kept = self._home.index.revisions.attributes(revision.servable.revision_id)
        except ValueError:  # Somebody made something else of the column.
            return Dataset()
        return dataset_of(kept)

    def _read_decisions(self) -> None:
        self.missed.clear()
        read = read_decisions(
            self._home.keys, self._home.notes, lambda note_id, _: self.missed.add(note_id)
        )
        self.purged, self._gone = purged_entries(read), purged_numbers(read)
        self._decisions = [one for one in read if one.sequence not in self._decided]

    def _decide(self, before: int | None) -> None:
        """Repeat what was decided before a reception, or everything."""
        while self._decisions and (before is None or self._decisions[0].sequence < before):
            decision = self._decisions.pop(0)
            self._decided.add(decision.sequence)
            try:
                decision.repeat(self._made)
            except DataFault:
                # What it was about is purged; or its effect is missing in the comparison.
                continue


def _as_indexed(revision: RevisionFacts) -> Received:
    servable = revision.servable
    return Received(
        entry_id=servable.entry_id,
        sop_class_uid=servable.sop_class_uid,
        sop_instance_uid=servable.sop_instance_uid,
        command_sop_class_uid=revision.command_sop_class_uid,
        command_sop_instance_uid=revision.command_sop_instance_uid,
        study_uid=revision.study_uid,
        series_uid=revision.series_uid,
        calling_ae=revision.calling_ae,
        called_ae=revision.called_ae,
        address=revision.address,
        transfer_syntax=servable.transfer_syntax,
        received_at=revision.received_at,
        sequence=revision.sequence,
        length=servable.length,
        sha256=servable.sha256,
    )
