"""``serve``: one process that binds the port, starts all others, and starts them again.

Order at the start: lock the archive, bind, recover (in a process of its own, since the supervisor
must have neither threads nor engines when it forks), fork the receivers and the housekeeper, start
the workers, wait until every receiver accepts, announce. On SIGTERM or SIGINT: close the port, let
running associations end up to ``service.shutdown_grace_s``, stop the rest between two instances.

For the command: :func:`serve`.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import select
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Final

import structlog

from config.settings import Settings, load
from dicom.server import Listener, bind
from service import logs, tls
from service.errors import Fault, IoFault, Unknown
from service.home import KEYRING, Home, Overrides, root_secret, run_folder, serving
from service.keys import KeyStore
from service.keys.memory import shield
from service.processes import decode_server
from service.processes.children import Children, Running, forked, fresh
from service.processes.housekeeper import keep_house
from service.processes.lifeline import Lifeline
from service.processes.receiver import receive
from service.upkeep.recovery import recover

READY_S: Final = 60.0
"""How long receivers may take to open the archive; a scrypt and a SQLite take a second."""
_LOOK_S: Final = 0.2
"""How soon the supervisor sees a signal or a death."""
_LOCK_S: Final = 30.0
"""How long the processes of a killed supervisor may take to end (see
:mod:`service.processes.lifeline`): until then nothing may be recovered, as one could still publish
an object. It takes milliseconds."""
_BIND_S: Final = 5.0

_log = structlog.get_logger()


def serve(path: Path, overrides: Overrides | None, announce: Callable[[str], None]) -> bool:
    """Serve the archive in a folder until SIGTERM or SIGINT.

    Args:
        path: the archive's folder.
        overrides: settings from flags, over those of file and environment.
        announce: told a line for each port, ``listening on HOST:PORT as AET``, with `` over TLS``
            behind it where that is so, when associations are accepted.

    Returns:
        Whether every process ended by itself when asked.

    Raises:
        SettingsError: the settings are wrong.
        Busy: another process serves this archive.
        Fault: the archive cannot be opened or recovered.
        OSError: the address cannot be bound.
    """
    settings = load(path, overrides)
    logs.configure(settings.log.level, settings.log.format, settings.log.phi)
    shield()
    _check_keys(settings)
    tls.security(settings)
    run = run_folder(settings)
    stopping = _Signals()
    with serving(settings, _LOCK_S) as lock, bound(settings) as listeners:
        _in_own_process(_begin, settings)
        with decode_server.listen(run / "decode.sock") as decoding:
            children = Children()
            try:
                _start(children, settings, listeners, (decoding.fileno(), lock), stopping)
                for listener in listeners if not stopping.asked else ():
                    announce(_line(settings, listener))
                while not stopping.asked:
                    time.sleep(_LOOK_S)
                    children.mend()
            finally:
                _close(listeners)
                ended = children.stop(settings.service.shutdown_grace_s)
        _in_own_process(_end, settings)
    return ended


def _check_keys(settings: Settings) -> None:
    """Open the keyring, so that a wrong folder or root secret is told here and now."""
    keyring = settings.home / KEYRING
    if not keyring.exists():
        raise Unknown(f"no archive in {settings.home}: run radiolith init")
    keys = KeyStore(keyring, root_secret(settings, asks=False))
    _log.info("keyring opened", key=keys.keyring.active.key_id.hex())


class _Signals:
    """Remembers that a signal asked the supervisor to stop."""

    def __init__(self) -> None:
        self.asked = False
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._ask)

    def _ask(self, number: int, _: FrameType | None) -> None:
        self.asked = True


def _line(settings: Settings, listener: Listener) -> str:
    host, port = listener.socket.getsockname()[:2]
    how = " over TLS" if listener.is_secure else ""
    return f"listening on {host}:{port} as {settings.service.ae_title}{how}"


@contextmanager
def bound(settings: Settings) -> Iterator[Sequence[Listener]]:
    """Bind the ports, the plain one first, for as long as the block lasts.

    Raises:
        OSError: an address cannot be had.
    """
    listeners: list[Listener] = []
    try:
        if settings.tls.plain:
            listeners.append(Listener(_bind(settings, settings.service.port)))
        if settings.tls.certificate is not None:
            listeners.append(Listener(_bind(settings, settings.tls.port), is_secure=True))
        yield listeners
    finally:
        _close(listeners)


def _close(listeners: Sequence[Listener]) -> None:
    for listener in listeners:
        listener.socket.close()


def _bind(settings: Settings, port: int) -> socket.socket:
    """Bind a port; receivers of a supervisor that was killed may hold it for a moment."""
    deadline = time.monotonic() + _BIND_S
    while True:
        try:
            return bind(settings.service.host, port)
        except OSError:
            if time.monotonic() > deadline:
                raise
        time.sleep(_LOOK_S)


def _begin(home: Home) -> None:
    recover(home)
    _enter(home, "service started")


def _end(home: Home) -> None:
    _enter(home, "service stopped")


def _enter(home: Home, event: str) -> None:
    """Enter in the trail that the service started or stopped; it does so with a full disk too."""
    try:
        home.index.trail.append(event, {})
    except Fault as fault:
        _log.error("not entered in the trail", exc_info=fault)


def _in_own_process(task: Callable[[Home], object], settings: Settings) -> None:
    """Run a task on the opened archive in a forked process, and wait.

    Raises:
        IoFault: it failed; the log says how.
    """

    def run() -> None:
        try:
            with Home(settings) as home:
                task(home)
        except Exception as fault:  # noqa: BLE001 - a process ends with its fault in the log
            _log.error("start-up failed", exc_info=fault)
            sys.exit(1)

    process = multiprocessing.get_context("fork").Process(target=run)
    process.start()
    process.join()
    if process.exitcode:
        raise IoFault("the archive could not be recovered: see the log above")


def _start(
    children: Children,
    settings: Settings,
    listeners: Sequence[Listener],
    shared: tuple[int, int],
    stopping: _Signals,
) -> None:
    """Start every process and wait until each receiver accepts associations, or a signal came."""
    ready, tell = os.pipe()
    for number in range(settings.service.receivers):
        children.add(f"receiver {number}", _receiver(settings, listeners, tell))
    children.add("housekeeper", _without_port(keep_house, settings, listeners))
    if settings.replica.is_set:
        children.add("replicator", _without_port(_replicate, settings, listeners))
    for number in range(settings.service.workers):
        name = f"worker {number} of {socket.gethostname()}"
        children.add(name, _worker(settings, shared, name))
    _wait_for_receivers(ready, settings.service.receivers, children, stopping)


def _receiver(
    settings: Settings, listeners: Sequence[Listener], tell: int
) -> Callable[[int, Sequence[Lifeline]], Running]:
    def start(end: int, siblings: Sequence[Lifeline]) -> Running:
        return forked(lambda end: receive(settings, listeners, end, tell), end, siblings)

    return start


def _without_port(
    work: Callable[[Settings, int], None], settings: Settings, listeners: Sequence[Listener]
) -> Callable[[int, Sequence[Lifeline]], Running]:
    def main(end: int) -> None:
        _close(listeners)
        work(settings, end)

    return lambda end, siblings: forked(main, end, siblings)


def _replicate(settings: Settings, end: int) -> None:
    # Only in its own process: it reads objects, and so loads the codec.
    from service.processes.replicator import replicate

    replicate(settings, end)


def _worker(
    settings: Settings, shared: tuple[int, int], name: str
) -> Callable[[int, Sequence[Lifeline]], Running]:
    """Start a worker: a fresh interpreter, whose libraries use as many threads as set.

    It shares the socket that receivers ask at, and the lock of the archive.
    """
    decoding, lock = shared
    threads = str(settings.worker.threads)
    limits = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"), threads)

    def start(end: int, _: Sequence[Lifeline]) -> Running:
        given = {
            "name": name,
            "home": str(settings.home),
            "settings": settings.model_dump(mode="json", exclude={"home"}),
            "decoding": decoding,
            "lifeline": end,
        }
        return fresh("service.processes.work", json.dumps(given), [decoding, lock, end], limits)

    return start


def _wait_for_receivers(ready: int, count: int, children: Children, stopping: _Signals) -> None:
    """Wait until each receiver has said, by one byte, that it accepts, or a signal came.

    Raises:
        IoFault: a process died at its start, or took too long.
    """
    deadline = time.monotonic() + READY_S
    while count > 0 and not stopping.asked:
        if select.select([ready], [], [], _LOOK_S)[0]:
            count -= len(os.read(ready, count))
        elif children.dead() or time.monotonic() > deadline:
            names = ", ".join(children.dead()) or "a receiver, which is late"
            raise IoFault(f"could not start {names}: see the log above")
