"""The alarm that something stored is damaged: in the log, in the trail and in ``status``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import structlog

from service.errors import DataFault, IoFault, Undecodable, Unknown
from service.home import Home
from service.upkeep.kinds import Kind, kind_of

RETRIEVAL: Final = "retrieval"
SCRUB: Final = "scrub"
AUDIT: Final = "audit"

_log = structlog.get_logger()


def alarm(home: Home, revision_id: int, kind: Kind, found_by: str) -> None:
    """Tell that a revision is damaged; the trail gets an entry when that is news.

    Args:
        home: the archive.
        revision_id: its row.
        kind: what is wrong.
        found_by: :data:`RETRIEVAL`, :data:`SCRUB` or :data:`AUDIT`.
    """
    _log.error("damaged", revision=revision_id, kind=kind.value, source=found_by)
    try:
        home.index.verifications.damaged(revision_id, kind.value, found_by)
    except IoFault as fault:
        _log.error("damage not noted", revision=revision_id, exc_info=fault)


def replica_alarm(home: Home, object_id: bytes, kind: Kind, found_by: str) -> None:
    """Tell that the replica's copy of an object is damaged; args as :func:`alarm`.

    One that the replica has not got yet, or that is to leave it, is no news.
    """
    if home.index.replication.damaged(object_id, kind.value, found_by):
        name = object_id.hex()
        _log.error("damaged in the replica", object=name, kind=kind.value, source=found_by)


@contextmanager
def alarmed(home: Home, revision_id: int, transfer_syntax: str | None) -> Iterator[None]:
    """Raise the alarm where a retrieval inside the block meets damage; the fault goes on.

    That nothing transcodes a dataset to ``transfer_syntax`` is no damage.
    """
    try:
        yield
    except DataFault as fault:
        is_untranscodable = transfer_syntax is not None and isinstance(fault, Undecodable)
        if not isinstance(fault, Unknown) and not is_untranscodable:
            alarm(home, revision_id, kind_of(fault), RETRIEVAL)
        raise
