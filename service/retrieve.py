"""Giving datasets back: from the journal here, from objects by way of the workers, ahead of need.

A handle is a revision's number as text. Where its bytes are is looked up at each read, since a
worker may archive an instance, and a re-encryption move it, between selection and reading.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import partial
from threading import Lock
from typing import Final

from service.decode_server import DecodeClient
from service.errors import Missing
from service.home import Home
from service.index import Servable
from service.sealing.journal import JournalReader, entry_path

DECODE_TIMEOUT_S: Final = 300.0
"""Seconds for one dataset. Decoding runs at over 1 MB/s on one core, and an instance of 100 MB may
wait behind others; a peer's own timeout is what ends a hopeless retrieval."""

_LOOKS: Final = 3
"""How often a row is read again when what it named is gone: it moved meanwhile."""

Lent = tuple[memoryview, ExitStack]
"""A dataset, and what frees it."""


class Retriever:
    """Reads revisions for the association threads of one receiver."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._client = DecodeClient(home.run / "decode.sock", DECODE_TIMEOUT_S)
        self._ahead = _Ahead(home.settings.retrieve.max_memory_bytes)
        threads = max(1, home.settings.retrieve.prefetch)
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="prefetch")

    def close(self) -> None:
        """Free what was read ahead."""
        self._pool.shutdown(cancel_futures=True)
        self._ahead.clear()

    @contextmanager
    def read(self, revision: int) -> Iterator[memoryview]:
        """Lend the dataset of a revision, as received and verified against its SHA-256.

        Raises:
            DataFault: it is missing, altered or not decodable.
            IoFault: it cannot be read now.
        """
        ready = self._ahead.take(revision)
        view, held = ready.result() if ready is not None else self._lend(revision)
        with held:
            yield view

    def prefetch(self, revisions: Sequence[int]) -> None:
        """Begin reading the next ``retrieve.prefetch`` of these, as far as memory allows."""
        for revision in revisions[: self._home.settings.retrieve.prefetch]:
            length = self._home.index.revisions.get(revision).servable.length
            self._ahead.put(revision, length, partial(self._pool.submit, self._lend, revision))

    def _lend(self, revision: int) -> Lent:
        for look in range(1, _LOOKS + 1):
            servable = self._home.index.revisions.get(revision).servable
            held = ExitStack()
            try:
                return held.enter_context(self._open(servable)), held
            except Missing:
                if look == _LOOKS:
                    raise
        raise AssertionError("unreachable")

    @contextmanager
    def _open(self, servable: Servable) -> Iterator[memoryview]:
        if servable.object_id is not None:
            with self._client.dataset(servable.object_id, servable.sha256) as view:
                yield view
        else:
            path = entry_path(self._home.journal, servable.entry_id)
            with JournalReader(path, self._home.keys) as entry:
                dataset = entry.dataset()
            yield memoryview(dataset)


class _Ahead:
    """Datasets read ahead of need, at most ``limit`` bytes of them; the oldest give way."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._lock = Lock()
        self._pending: OrderedDict[int, tuple[int, Future[Lent]]] = OrderedDict()
        self._bytes = 0

    def put(self, revision: int, length: int, start: Callable[[], Future[Lent]]) -> None:
        """Start reading a revision of ``length`` bytes, unless it is pending or has no room."""
        with self._lock:
            if revision in self._pending or length > self._limit:
                return
            while self._bytes + length > self._limit:
                self._drop()
            self._pending[revision] = (length, start())
            self._bytes += length

    def take(self, revision: int) -> Future[Lent] | None:
        """Hand over what was started for a revision; freeing it is the caller's from now on."""
        with self._lock:
            length, pending = self._pending.pop(revision, (0, None))
            self._bytes -= length
            return pending

    def clear(self) -> None:
        """Free everything."""
        with self._lock:
            while self._pending:
                self._drop()

    def _drop(self) -> None:
        _, (length, pending) = self._pending.popitem(last=False)
        self._bytes -= length
        pending.add_done_callback(_free)


def _free(pending: Future[Lent]) -> None:
    if not pending.cancelled() and pending.exception() is None:
        pending.result()[1].close()
