"""Read a stored revision in this process: from its object, or from the journal before that.

Where the object in the store is missing or damaged, the replica's is read instead, which is an
alarm: it is counted until ``radiolith audit --repair`` has mended the store.

Loads the codec, so receivers do not import this: they ask the workers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeVar

import structlog

from codec import Predictor
from service.errors import DataFault, Fault, IoFault, Missing, StoreFault, Unknown
from service.home import Home
from service.index import Servable
from service.records import Received
from service.sealing.journal import JournalReader, entry_path
from service.sealing.reader import ObjectReader
from service.store import ObjectStore

Result = TypeVar("Result")

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Contents:
    """One revision, opened."""

    received: Received
    pieces: Iterator[bytes]
    """The encoded dataset in order; its SHA-256 is compared before the last piece is given."""


Use = Callable[[Contents], Result]
"""Reads all pieces. It may be called again, with another copy: it has to start over then."""


def read(
    home: Home, servable: Servable, predictors: Mapping[bytes, Predictor], use: Use[Result]
) -> Result:
    """Read a revision where the index says that it is; a worker may have moved it meanwhile.

    Raises:
        DataFault: it is missing, altered or not decodable, here and in the replica.
        IoFault: it cannot be read.
    """
    try:
        return _read(home, servable, predictors, use)
    except Missing:
        now = home.index.revisions.get(servable.revision_id).servable
        if now == servable:
            raise
        return _read(home, now, predictors, use)


def _read(
    home: Home, servable: Servable, predictors: Mapping[bytes, Predictor], use: Use[Result]
) -> Result:
    if servable.object_id is None:
        return read_entry(home, servable.entry_id, use)
    return read_object(home, servable.object_id, predictors, use)


def read_entry(home: Home, entry_id: bytes, use: Use[Result]) -> Result:
    """Read a journal entry; raises as :func:`read`."""
    with JournalReader(entry_path(home.journal, entry_id), home.keys) as entry:
        return use(Contents(entry.received, entry.chunks()))


def read_object(
    home: Home, object_id: bytes, predictors: Mapping[bytes, Predictor], use: Use[Result]
) -> Result:
    """Read an object of the store, or else of the replica; raises as :func:`read`."""

    def read_from(store: ObjectStore) -> Result:
        with store.open(object_id) as file:
            reader = ObjectReader(file, home.keys, object_id, predictors)
            return use(Contents(reader.received, reader.pieces()))

    try:
        return read_from(home.store)
    except (DataFault, StoreFault, OSError) as fault:
        if home.replica is None or not _is_named(home, object_id):
            raise
        return _instead(home, object_id, fault, lambda: read_from(home.require_replica().objects))


def _is_named(home: Home, object_id: bytes) -> bool:
    """Whether a row still names the object: one that was replaced meanwhile is no alarm."""
    try:
        home.index.revisions.by_object(object_id)
    except Unknown:
        return False
    return True


def _instead(
    home: Home,
    object_id: bytes,
    fault: DataFault | StoreFault | OSError,
    read: Callable[[], Result],
) -> Result:
    """Read from the replica. Where that fails too, the store's own fault is what counts."""
    name, kind = object_id.hex(), type(fault).__name__
    try:
        result = read()
    except (Fault, OSError) as second:
        _log.critical("object unreadable in store and replica", object=name, exc_info=second)
        raise fault from second
    _log.critical("object read from the replica", object=name, kind=kind, exc_info=fault)
    try:
        home.index.replication.read(object_id, kind)
    except IoFault as uncounted:
        _log.error("a read from the replica was not counted", exc_info=uncounted)
    return result
