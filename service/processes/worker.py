"""One worker: archives what waits in the journal, and decodes what receivers ask for.

Orders that must hold (docs/architecture.md, "must" 2 and 3): the object is synced, opened, decoded
and found equal before its row says archived, and the row says so before the journal entry goes.

:mod:`service.processes.work` is the process that the supervisor starts; :func:`drain` archives a
journal inside any process.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final

import structlog

import models.registry
from service import logs
from service.encode import Codec, Reception, Sealed, seal
from service.errors import Fault, IoFault, Unknown
from service.home import Home
from service.index import Journalled
from service.keys.memory import shield
from service.processes.at import At
from service.processes.decode import decoder
from service.processes.decode_server import DecodeServer
from service.processes.warm import warm
from service.sealing.journal import JournalReader, entry_path, remove_entry

DECODE_THREADS: Final = 2
"""Decoding threads of one worker: one reads and opens an object while another decodes."""
MOST_DOUBLINGS: Final = 6
"""Of the time until an instance that cannot be archived is tried again: an hour, by default."""

_log = structlog.get_logger()


def load_codec() -> Codec:
    """Load the models, after they have shown on golden vectors that they compute exactly here.

    Every compiled loop has run then: none is compiled while work waits.

    Raises:
        Exception: as the self-test raises it; this machine must not encode or decode.
    """
    models.registry.self_test()
    codec = Codec(models.registry.default(), models.registry.all_models())
    warm(codec)
    return codec


class Worker:
    """Archives journal entries."""

    def __init__(self, home: Home, codec: Codec, name: str) -> None:
        self._home = home
        self._codec = codec
        self._name = name
        self._at = At(home.run, name)

    def run(self, stop: threading.Event) -> None:
        """Archive until asked to stop; stops between two instances.

        What a process of the same name had claimed when it died is taken up first.
        """
        self._take_up()
        while not stop.is_set():
            if not self.work(stop.is_set):
                stop.wait(self._home.settings.worker.poll_s)

    def _take_up(self) -> None:
        """Give back what a process of the same name had claimed; what it died over comes last."""
        over = self._at.revision
        try:
            if over is not None:
                _log.critical("worker died over an instance", revision=over)
                self._home.index.failed(over, "worker died", self._home.settings.worker.retry_s)
            self._home.index.release_all(self._name)
        except Fault as fault:
            _log.error("claims of an earlier run not released", exc_info=fault)
        else:
            self._at.leave()

    def work(self, stopping: Callable[[], bool] = lambda: False) -> int:
        """Archive one batch; give how many entries were taken up."""
        settings = self._home.settings.worker
        try:
            batch = self._home.index.claim(self._name, settings.batch, settings.lease_s)
        except Fault as fault:
            _log.error("no work to be had from the index", exc_info=fault)
            return 0
        for entry in batch:
            if stopping():
                self._home.index.release(entry.revision_id)
            else:
                self._archive(entry)
        return len(batch)

    def _archive(self, entry: Journalled) -> None:
        begun = time.monotonic()
        self._at.come_to(entry.revision_id)
        try:
            self._seal(entry)
        except Exception as fault:  # noqa: BLE001 - no instance may keep others from being archived
            _log.error("instance not archived", revision=entry.revision_id, exc_info=fault)
            self._postpone(entry, fault)
        else:
            seconds = round(time.monotonic() - begun, 3)
            _log.info("instance archived", revision=entry.revision_id, seconds=seconds)
        self._at.leave()

    def _postpone(self, entry: Journalled, fault: Exception) -> None:
        """Try again later, ever less often where it is the instance and not a disk that fails."""
        doublings = 0 if isinstance(fault, IoFault) else min(entry.attempts, MOST_DOUBLINGS)
        retry_s = self._home.settings.worker.retry_s * 2**doublings
        try:
            self._home.index.failed(entry.revision_id, type(fault).__name__, retry_s)
        except Fault as second:
            # The claim's lease runs out, and then it is tried again.
            _log.error("failure not noted", revision=entry.revision_id, exc_info=second)

    def _seal(self, entry: Journalled) -> None:
        path = entry_path(self._home.journal, entry.entry_id)
        revision = self._home.index.revisions.get(entry.revision_id).number
        commit = partial(self._home.index.archived, entry.revision_id)
        try:
            with JournalReader(path, self._home.keys) as reader:
                reader.verify()
                reception = Reception(reader.received, revision, reader.source)
                sealed = seal(self._home, self._codec, reception, commit)
        except Unknown:
            # Its lease ran out, and another worker was faster.
            _log.warning("instance archived by another worker", revision=entry.revision_id)
        else:
            self._note_mismatch(entry, sealed)
        remove_entry(self._home.journal, entry.entry_id)

    def _note_mismatch(self, entry: Journalled, sealed: Sealed) -> None:
        if sealed.mismatch is not None:
            self._home.index.trail.append(
                "mismatch",
                {"entry": entry.entry_id.hex(), "object": sealed.facts.object_id.hex()},
            )


def drain(home: Home, codec: Codec, progress: Callable[[int], None] = lambda _: None) -> int:
    """Archive everything that waits in the journal; give how many entries were taken up."""
    worker, total = Worker(home, codec, f"drain {os.getpid()}"), 0
    while done := worker.work():
        total += done
        progress(total)
    return total


def work(options: Mapping[str, Any], stop: threading.Event, begun: threading.Event) -> None:
    """Run a worker as the supervisor asks, until it is to stop; say when its work has begun."""
    shield()
    with Home.open(Path(options["home"]), options["settings"]) as home:
        log = home.settings.log
        logs.configure(log.level, log.format, log.phi)
        home.keys.open()
        listener = socket.socket(fileno=options["decoding"])
        try:
            codec = load_codec()
        except Exception as fault:
            _log.critical("the codec does not compute exactly here", exc_info=fault)
            raise SystemExit(1) from fault
        begun.set()
        server = DecodeServer(listener, decoder(home, codec), DECODE_THREADS)
        server.start()
        Worker(home, codec, options["name"]).run(stop)
        server.stop()
