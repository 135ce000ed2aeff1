"""Read a stored revision in this process: from its object, or from the journal before that.

Loads the codec, so receivers do not import this: they ask the workers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from codec import Predictor
from service.errors import Missing
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
    """Open a revision where the index says that it is; a worker may have moved it meanwhile.

    Raises:
        DataFault: it is missing, altered or not decodable; also while pieces are read.
        IoFault: it cannot be read.
    """
    with ExitStack() as held:
        try:
            contents = _open(home, servable, predictors, held)
        except Missing:
            now = home.index.revisions.get(servable.revision_id).servable
            if now == servable:
                raise
            contents = _open(home, now, predictors, held)
        yield contents


def _open(
    home: Home, servable: Servable, predictors: Mapping[bytes, Predictor], held: ExitStack
) -> Contents:
    if servable.object_id is None:
        path = entry_path(home.journal, servable.entry_id)
        entry = held.enter_context(JournalReader(path, home.keys))
        return Contents(entry.received, entry.chunks())
    file = held.enter_context(home.store.open(servable.object_id))
    reader = ObjectReader(file, home.keys, servable.object_id, predictors)
    return Contents(reader.received, reader.pieces())
