"""Read a stored revision in this process: from its object, or from the journal before that.

Loads the codec, so receivers do not import this: they ask the workers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from codec import Predictor
from service.home import Home
from service.index import Servable
from service.records import Received
from service.sealing.journal import JournalReader, entry_path
from service.sealing.reader import ObjectReader


@dataclass(frozen=True, slots=True)
class Contents:
    """One revision, opened."""

    received: Received
    pieces: Iterator[bytes]
    """The encoded dataset in order; its SHA-256 is compared before the last piece is given."""


@contextmanager
def opened(
    home: Home, servable: Servable, predictors: Mapping[bytes, Predictor]
) -> Iterator[Contents]:
    """Open a revision where the index says that it is.

    Raises:
        DataFault: it is missing, altered or not decodable; also while pieces are read.
        IoFault: it cannot be read.
    """
    if servable.object_id is None:
        path = entry_path(home.journal, servable.entry_id)
        with JournalReader(path, home.keys) as entry:
            yield Contents(entry.received, entry.chunks())
    else:
        with home.store.open(servable.object_id) as file:
            reader = ObjectReader(file, home.keys, servable.object_id, predictors)
            yield Contents(reader.received, reader.pieces())
