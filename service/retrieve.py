"""Giving datasets back, ahead of need: from the journal here, all else by way of the workers.

Workers decode objects, and transcode: no image is ever decoded in this process. Where a revision's
bytes are is looked up at each read, since a worker may archive an instance, and a re-encryption
move it, between selection and reading.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from functools import partial
from threading import Lock
from typing import Final

from service.errors import Missing, WrongKey
from service.home import Home
from service.index import Servable
from service.processes.decode_server import DecodeClient, Place, Wanted
from service.sealing.journal import JournalReader, entry_path

DECODE_TIMEOUT_S: Final = 300.0
"""Seconds for one dataset. Decoding runs at over 1 MB/s on one core, and an instance of 100 MB may
wait behind others; a peer's own timeout is what ends a hopeless retrieval."""

_LOOKS: Final = 3
"""How often a row is read again when what it named is gone: it moved meanwhile."""

Lent = tuple[memoryview, ExitStack]
"""A dataset, and what frees it."""

Reading = tuple[int, str | None]
"""A revision, and the transfer syntax to give it in; None for the bytes received."""


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
    def read(self, revision: int, transfer_syntax: str | None = None) -> Iterator[memoryview]:
        """Lend the dataset of a revision, verified against the SHA-256 of the bytes received.

        Args:
            revision: its number.
            transfer_syntax: an uncompressed one to transcode to; None for the bytes received.

        Raises:
            DataFault: it is missing, altered or not decodable.
            IoFault: it cannot be read now.
        """
        ready = self._ahead.take((revision, transfer_syntax))
        lent = ready.result() if ready is not None else self._lend(revision, transfer_syntax)
        view, held = lent
        with held:
            yield view

    def prefetch(self, revision: int, transfer_syntax: str | None = None) -> None:
        """Begin reading what :meth:`read` will ask for, as far as memory allows."""
        length = self._home.index.revisions.get(revision).servable.length
        start = partial(self._pool.submit, self._lend, revision, transfer_syntax)
        self._ahead.put((revision, transfer_syntax), length, start)

    def _lend(self, revision: int, transfer_syntax: str | None) -> Lent:
        for look in range(1, _LOOKS + 1):
            servable = self._home.index.revisions.get(revision).servable
            held = ExitStack()
            try:
                return held.enter_context(self._open(servable, transfer_syntax)), held
            except (Missing, WrongKey):  # The key may be retired since the object was opened.
                if look == _LOOKS:
                    raise
        raise AssertionError("unreachable")

    def _open(
        self, servable: Servable, transfer_syntax: str | None
    ) -> AbstractContextManager[memoryview]:
        if servable.object_id is not None:
            wanted = Wanted(Place.OBJECT, servable.object_id, transfer_syntax)
            return self._client.dataset(wanted, servable.sha256)
        if transfer_syntax is not None:
            wanted = Wanted(Place.JOURNAL, servable.entry_id, transfer_syntax)
            return self._client.dataset(wanted, servable.sha256)
        path = entry_path(self._home.journal, servable.entry_id)
        with JournalReader(path, self._home.keys) as entry:
            dataset = memoryview(bytearray(entry.received.length))
            entry.read_into(dataset)
            return nullcontext(dataset.toreadonly())


class _Ahead:
    """Datasets read ahead of need, at most ``limit`` bytes of them; the oldest give way."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._lock = Lock()
        self._pending: OrderedDict[Reading, tuple[int, Future[Lent]]] = OrderedDict()
        self._bytes = 0

    def put(self, reading: Reading, length: int, start: Callable[[], Future[Lent]]) -> None:
        """Start a reading of ``length`` bytes, unless it is pending or has no room.

        What turns out longer, as decompressed images do, is counted when it is there, and freed
        again where it has no room.
        """
        with self._lock:
            if reading in self._pending or length > self._limit:
                return
            while self._bytes + length > self._limit:
                self._drop(next(iter(self._pending)))
            pending = start()
            self._pending[reading] = (length, pending)
            self._bytes += length
        pending.add_done_callback(partial(self._weigh, reading))

    def take(self, reading: Reading) -> Future[Lent] | None:
        """Hand over what was started for a reading; freeing it is the caller's from now on."""
        with self._lock:
            length, pending = self._pending.pop(reading, (0, None))
            self._bytes -= length
            return pending

    def clear(self) -> None:
        """Free everything."""
        with self._lock:
            for reading in list(self._pending):
                self._drop(reading)

    def _weigh(self, reading: Reading, done: Future[Lent]) -> None:
        """Count what a finished reading really takes."""
        if done.cancelled() or done.exception() is not None:
            return
        with self._lock:
            length, pending = self._pending.get(reading, (0, None))
            if pending is not done:
                return
            actual = len(done.result()[0])
            self._bytes += actual - length
            self._pending[reading] = (actual, done)
            if self._bytes > self._limit:
                self._drop(reading)

    def _drop(self, reading: Reading) -> None:
        length, pending = self._pending.pop(reading)
        self._bytes -= length
        pending.add_done_callback(_free)


def _free(pending: Future[Lent]) -> None:
    if not pending.cancelled() and pending.exception() is None:
        pending.result()[1].close()
