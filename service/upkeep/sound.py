"""Whether a copy of an object or a note is sound, wherever it lies."""

from __future__ import annotations

from collections.abc import Mapping
from typing import BinaryIO

from codec import Predictor
from service.errors import DataFault, Fault, WrongInstance
from service.index import RevisionFacts
from service.keys.keystore import Keys
from service.sealing.note import open_note
from service.sealing.reader import ObjectReader
from service.store import ObjectStore
from service.store.notes import NoteStore


def authenticate(store: ObjectStore, keys: Keys, object_id: bytes) -> None:
    """Open every part of an object, without decoding what is in it.

    That its parts are those that were sealed is enough to copy it: it was decoded before it was
    published, and a copy of the same bytes decodes to the same.

    Raises:
        DataFault: it is missing, or a part is not the one that was sealed.
        StoreFault, OSError: it cannot be read.
    """
    with store.open(object_id) as file:
        reader = ObjectReader(file, keys, object_id)
        for _ in reader.streams() if reader.frames else reader.body():
            continue
        hint = reader.check_hints()
    if hint is not None:
        raise hint


def verify(
    file: BinaryIO, keys: Keys, predictors: Mapping[bytes, Predictor], revision: RevisionFacts
) -> None:
    """Open and decode an object, and compare it with its row and the SHA-256 of what was received.

    Raises:
        DataFault: it is not what the row says, in full.
        StoreFault, OSError: it cannot be read.
    """
    servable = revision.servable
    reader = ObjectReader(file, keys, servable.object_id, predictors)
    received = reader.received
    if (received.entry_id, received.sha256) != (servable.entry_id, servable.sha256):
        raise WrongInstance("the object holds another reception than its row says")
    for _ in reader.pieces():
        continue


def object_fault(store: ObjectStore, keys: Keys, object_id: bytes) -> Fault | OSError | None:
    """Give what is wrong with a copy of an object; None where it is sound."""
    try:
        authenticate(store, keys, object_id)
    except (Fault, OSError) as fault:
        return fault
    return None


def note_fault(store: NoteStore, keys: Keys, note_id: bytes) -> DataFault | None:
    """Give what is wrong with a copy of a note; None where it is sound.

    Raises:
        StoreFault: it cannot be read.
    """
    try:
        open_note(store.read(note_id), keys, note_id)
    except DataFault as fault:
        return fault
    return None
