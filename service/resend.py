"""The same bytes sent again, for an instance whose journal entry or object is lost.

They would count as a duplicate, and be dropped with Success, although nothing is left that holds
them. So the entry is written anew instead, as it was: under its old id, and with the facts of the
first reception, which the row still has.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import structlog

from service.errors import StoreFault
from service.home import Home
from service.index import RevisionFacts
from service.records import Received
from service.sealing.journal import JournalReader, JournalWriter, entry_path

_LOOKS: Final = 3
"""How often a row is read again when what it named is gone: a worker may have moved it."""

_log = structlog.get_logger()


def restore_lost(home: Home, revision_id: int, again: Received) -> bool:
    """Make a revision whole again from the entry of its duplicate, where it is lost.

    Args:
        home: the archive.
        revision_id: the revision that has the same bytes.
        again: the facts of the duplicate, whose journal entry is there.

    Returns:
        Whether it was lost. Then it is in the journal again, durably, and its row says so.

    Raises:
        Fault: it could not be made durable.
    """
    revision = home.index.revisions.get(revision_id)
    for _ in range(_LOOKS):
        if _is_there(home, revision):
            return False
        before, revision = revision, home.index.revisions.get(revision_id)
        if before.servable == revision.servable:
            break
    received = _first(revision, again)
    _copy_entry(home, again.entry_id, received)
    lost = revision.servable.object_id
    home.index.rejournal(revision_id)
    if lost is not None:
        home.remove_object(lost)
    _log.warning("a lost instance was sent again", entry=received.entry_id.hex())
    return True


def _is_there(home: Home, revision: RevisionFacts) -> bool:
    """Whether a file holds the revision. Whether that is sound is for the audit to find."""
    object_id = revision.servable.object_id
    if object_id is None:
        return entry_path(home.journal, revision.servable.entry_id).exists()
    return home.store.exists(object_id) or _is_in_replica(home, object_id)


def _is_in_replica(home: Home, object_id: bytes) -> bool:
    try:
        return home.replica is not None and home.replica.objects.exists(object_id)
    except StoreFault:
        return False


def _first(revision: RevisionFacts, again: Received) -> Received:
    """Give the facts of the first reception: what does not follow from the bytes is in the row."""
    return replace(
        again,
        entry_id=revision.servable.entry_id,
        command_sop_class_uid=revision.command_sop_class_uid,
        command_sop_instance_uid=revision.command_sop_instance_uid,
        sop_class_uid=revision.servable.sop_class_uid,
        calling_ae=revision.calling_ae,
        called_ae=revision.called_ae,
        address=revision.address,
        received_at=revision.received_at,
        sequence=revision.sequence,
    )


def _copy_entry(home: Home, source: bytes, received: Received) -> None:
    told = {
        "sop_class_uid": received.command_sop_class_uid,
        "sop_instance_uid": received.command_sop_instance_uid,
        "calling_ae": received.calling_ae,
        "called_ae": received.called_ae,
        "transfer_syntax": received.transfer_syntax,
    }
    writer = JournalWriter(home.journal, home.keys, received.entry_id, told)
    try:
        with JournalReader(entry_path(home.journal, source), home.keys) as entry:
            for chunk in entry.chunks():
                writer.write(chunk)
        writer.finish(received)
    except BaseException:
        writer.abort()
        raise
