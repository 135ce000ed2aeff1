"""What comes of a rejection note that is received (IHE RAD IOCM; :mod:`dicom.rejection`).

The note is stored like any instance, and it is a decision: a sealed note of it is durable before
its row, so that it is in force before its sender hears Success, and after a rebuild of the index.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import structlog

from dicom.attributes import read_attributes
from dicom.rejection import (
    KEY_OBJECT_SELECTION_DOCUMENT,
    QUALITY,
    REASONS,
    RETENTION_EXPIRED,
    read_rejection_note,
)
from service.errors import Conflict, DataFault, Held, Unknown
from service.home import Home
from service.index import Added, Author
from service.index.rejections import Note
from service.records import Received
from service.upkeep.decisions import REJECTION, authored, noted
from service.upkeep.deletion import Deletion

_log = structlog.get_logger()


class _Known(DataFault):
    """The same note was received before: nothing is to be noted."""


def take_in(home: Home, received: Received, head: memoryview, add: Callable[[], Added]) -> Added:
    """Index a reception by ``add``; where it is a rejection note, with its effect.

    Args:
        home: the archive.
        received: the facts of the reception, whose journal entry is durable.
        head: the first bytes of its dataset.
        add: makes its row.

    Raises:
        Fault: as ``add``; or the note cannot be kept.
    """
    note = _read(home, received, head)
    if note is None:
        return add()
    author = Author(received.calling_ae, REASONS[note.code], received.sequence)
    added: list[Added] = []
    try:
        with noted(home, authored(REJECTION, note.to_json(), author), received.sequence):
            added.append(add())
            _require_new(added[0])
            home.index.rejections.enter(note, author)
    except _Known:
        if not _apply_again(home, note, author, added[0]):
            return added[0]
    _delete_expired(home, note, author)
    return added[0]


def _require_new(added: Added) -> None:
    if added.duplicate:
        raise _Known("the same rejection note was received before")


def _apply_again(home: Home, note: Note, author: Author, added: Added) -> bool:
    """Let a note that came again have its effect, if that failed when it came first."""
    entry_id = home.index.revisions.get(added.revision_id).servable.entry_id
    if home.index.rejections.knows(entry_id):
        return False
    again = replace(note, entry_id=entry_id)
    with noted(home, authored(REJECTION, again.to_json(), author)) as at:
        home.index.rejections.enter(again, replace(author, at=at))
    return True


def _read(home: Home, received: Received, head: memoryview) -> Note | None:
    if received.sop_class_uid != KEY_OBJECT_SELECTION_DOCUMENT:
        return None
    # What is longer than a query key is read here: a note may name thousands.
    document = read_attributes(head, received.transfer_syntax, longest=len(head))
    note = read_rejection_note(document)
    if note is None:
        return None
    if not note.instances:
        _log.warning("rejection note names nothing", entry=received.entry_id.hex())
        return None
    return Note(
        entry_id=received.entry_id,
        sop_instance_uid=received.sop_instance_uid.strip(" \0"),
        code=note.code,
        hides=note.code != QUALITY or home.settings.rejection.hide_quality,
        instances=[*note.instances, (received.study_uid, received.sop_instance_uid)],
    )


def _delete_expired(home: Home, note: Note, author: Author) -> None:
    """Delete what a note says the retention period of is over, where settings and sender allow."""
    settings = home.settings.rejection
    if note.code != RETENTION_EXPIRED or not settings.delete_expired:
        return
    if author.by not in settings.delete_from:
        _log.warning("expiry not to be decided by this node", ae_title=author.by)
        return
    try:
        covered = home.index.deletions.covering_instances(note.instances[:-1])
        Deletion(home).delete(covered.revisions, replace(author, at=None))
    except Unknown:
        _log.info("nothing of a rejection note to delete", entry=note.entry_id.hex())
    except (Held, Conflict) as fault:
        _log.warning("expired but not deleted", entry=note.entry_id.hex(), exc_info=fault)
