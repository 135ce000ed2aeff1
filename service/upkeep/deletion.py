"""Deletion: marked and hidden, undone within the grace period, purged after it.

The order is that of storing, in reverse (docs/architecture.md, "must" 6): a sealed note is durable,
then the rows are gone, then the files, and their folders are synced. A crash in between leaves what
:func:`finish` removes at the next start; by the note, a rebuild of the index brings nothing back.

For the command: :class:`Deletion`. For the housekeeper: :func:`purge_due`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import structlog

from service.errors import Conflict, Held
from service.failpoints import failpoint
from service.files import sync_folder
from service.home import Home
from service.index import Author
from service.index.doomed import Doomed
from service.index.hiding import PURGING
from service.sealing.journal import entry_path, remove_entry
from service.sequence import utc_now
from service.upkeep.decisions import DELETE, PURGE, UNDELETE, authored, noted, told

DAY: Final = 86_400_000_000
"""Microseconds."""
HOUSEKEEPER: Final = Author("housekeeper", "the grace period is over")

_log = structlog.get_logger()


@dataclass(slots=True)
class Purged:
    """What a purge removed."""

    deletions: int = 0
    objects: int = 0
    entries: int = 0
    """Journal entries."""
    held: int = 0
    """Deletions that a hold forbids; they stay marked."""


class Deletion:
    """Deletions of one archive."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._index = home.index.deletions

    def delete(
        self, revisions: Sequence[Doomed], author: Author, grace_days: float | None = None
    ) -> int:
        """Mark revisions as deleted: no peer finds or gets them any more. Gives a number.

        Args:
            revisions: as :meth:`service.index.deletions.Deletions.covering` names them.
            author: who, and why.
            grace_days: days until they may be purged; by default as the settings say.

        Raises:
            Held: a hold covers one of them.
        """
        settings = self._home.settings.deletion
        days = settings.grace_days if grace_days is None else grace_days
        due = utc_now() + round(days * DAY)
        content = authored(DELETE, {"revisions": [told(one) for one in revisions]}, author)
        with noted(self._home, content | {"due": due}) as at:
            return self._index.enter(revisions, replace(author, at=at), due)

    def undo(self, deletion: int, author: Author) -> None:
        """Bring back what a deletion hides.

        Raises:
            Unknown: no such deletion.
            Conflict: it is undone or purged already.
        """
        about = {"deletion": self._index.made_at(deletion)}
        with noted(self._home, authored(UNDELETE, about, author)) as at:
            self._index.undo(deletion, replace(author, at=at))

    def purge(self, deletion: int, author: Author) -> Purged:
        """Destroy what a deletion hides, whatever is left of its grace. Nothing brings it back.

        One that was interrupted goes on.

        Raises:
            Unknown: no such deletion.
            Conflict: it is undone or purged already.
            Held: a hold covers something of it.
        """
        if self._index.state(deletion) != PURGING:
            about = {"deletion": self._index.made_at(deletion)}
            with noted(self._home, authored(PURGE, about, author)) as at:
                self._index.purge(deletion, replace(author, at=at))
            failpoint("purge.entered")
        return finish(self._home, deletion)


def finish(home: Home, deletion: int) -> Purged:
    """Remove the files of a deletion whose rows are gone."""
    left = home.index.deletions.leftover(deletion)
    for object_id in left.objects:
        home.remove_object(object_id)
    failpoint("purge.objects")
    entries = [one for one in left.entries if entry_path(home.journal, one).exists()]
    for entry_id in entries:
        remove_entry(home.journal, entry_id)
    if entries:
        sync_folder(home.journal)
    home.index.deletions.purged(deletion)
    failpoint("purge.done")
    _log.info("purged", count=len(left.entries), removed=len(left.objects) + len(entries))
    return Purged(1, len(left.objects), len(entries))


def finish_all(home: Home) -> Purged:
    """Go on with every purge that was interrupted."""
    done = Purged()
    for deletion in home.index.deletions.purging():
        _count(done, finish(home, deletion))
    return done


def purge_due(home: Home, author: Author = HOUSEKEEPER) -> Purged:
    """Purge every deletion whose grace is over; what is held stays, and is named in the log.

    Raises:
        IoFault: index, store or journal failed; run it again.
    """
    done = Purged()
    for deletion in home.index.deletions.due(utc_now()):
        try:
            _count(done, Deletion(home).purge(deletion, author))
        except Held:
            done.held += 1
        except Conflict as fault:  # Undone or purged by someone else since it was listed.
            _log.info("not purged", exc_info=fault)
    return done


def _count(done: Purged, one: Purged) -> None:
    done.deletions += one.deletions
    done.objects += one.objects
    done.entries += one.entries
