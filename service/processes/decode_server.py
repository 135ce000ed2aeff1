"""Decoding for processes that must not: receivers ask over a Unix socket, workers answer.

A receiver holds no torch and no codec tables, so that it can be forked cheaply and serve
associations only. It connects to ``run/decode.sock``, sends one packet, and gets one packet back
with the decoded dataset in a file descriptor of anonymous memory: no copy passes through the
socket, no clear byte touches a disk, and nothing is left behind when either side dies, since
memory without a name ends with its last holder.

All workers accept on one listening socket that the supervisor owns. One connection is one
request, and a worker accepts only when a decoding thread is free, so that the kernel hands every
request to an idle worker; a request whose worker died is sent again by the client.

Packets are JSON in ``SOCK_SEQPACKET``; request ``{"place", "id", "transfer_syntax"}`` as in
:class:`Wanted`, answer ``{"length", "sha256"}`` with the descriptor, or ``{"fault", "detail"}``
without one.
"""

from __future__ import annotations

import fcntl
import json
import mmap
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import BinaryIO, Final

import structlog

from service.errors import TABLE, DataFault, Fault, IoFault, WrongInstance

_PACKET_BYTES: Final = 4096
_POLL_S: Final = 0.5
"""How soon an idle decoding thread sees that it is to stop."""
_RETRY_S: Final = 0.2
"""Pause before a request is sent again: a worker that died is restarted meanwhile."""
_SEALS: Final = fcntl.F_SEAL_WRITE | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_SEAL

_log = structlog.get_logger()


_FAULTS: Final = {kind.__name__: kind for kind in TABLE if issubclass(kind, Fault)}
"""The faults that travel, by name."""


class DecodeUnavailable(IoFault):
    """No worker answered: none runs, or each one that was asked died."""


class Place(Enum):
    """Where a dataset is sealed."""

    OBJECT = "object"
    JOURNAL = "journal"


@dataclass(frozen=True, slots=True)
class Wanted:
    """The dataset that is asked for."""

    place: Place
    id: bytes
    """The id of the object or journal entry."""
    transfer_syntax: str | None = None
    """The uncompressed one to give it in; None for the bytes received."""


Decode = Callable[[Wanted, BinaryIO], bytes]
"""Writes the dataset that is wanted to a file; gives the SHA-256 that what was received had, and
was verified against."""


def listen(path: Path, backlog: int = 512) -> socket.socket:
    """Open the listening socket at ``path``, replacing one that a dead supervisor left."""
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    previous = os.umask(0o177)
    try:
        with _address(path) as address:
            listener.bind(address)
    finally:
        os.umask(previous)
    listener.listen(backlog)
    return listener


@contextmanager
def _address(path: Path) -> Iterator[str]:
    """Name a socket within the 108 bytes that an address takes, however long its folder's path."""
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)


class DecodeServer:
    """The decoding threads of one worker."""

    def __init__(self, listener: socket.socket, decode: Decode, threads: int) -> None:
        """Prepare ``threads`` threads that answer with what ``decode`` writes."""
        self._listener = listener
        self._listener.settimeout(_POLL_S)
        self._decode = decode
        self._stopping = threading.Event()
        self._threads = [
            threading.Thread(target=self._serve, name=f"decode-{number}", daemon=True)
            for number in range(threads)
        ]

    def start(self) -> None:
        """Start answering."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Finish the requests under way and take no more."""
        self._stopping.set()
        for thread in self._threads:
            thread.join()

    def _serve(self) -> None:
        while not self._stopping.is_set():
            try:
                connection, _ = self._listener.accept()
            except TimeoutError:
                continue
            with connection:
                self._answer(connection)

    def _answer(self, connection: socket.socket) -> None:
        try:
            wanted = _unpack(connection.recv(_PACKET_BYTES))
            with _anonymous() as memory:
                _send_decoded(connection, memory, self._decode(wanted, memory))
        except Exception as error:  # noqa: BLE001 - the fault is the answer, whatever it is
            _log.warning("decode request failed", exc_info=error)
            _send_fault(connection, error)


def _pack(wanted: Wanted) -> bytes:
    return json.dumps(
        {
            "place": wanted.place.value,
            "id": wanted.id.hex(),
            "transfer_syntax": wanted.transfer_syntax,
        }
    ).encode()


def _unpack(packet: bytes) -> Wanted:
    request = json.loads(packet)
    place, id_ = Place(request["place"]), bytes.fromhex(request["id"])
    return Wanted(place, id_, request["transfer_syntax"])


def _send_decoded(connection: socket.socket, memory: BinaryIO, sha256: bytes) -> None:
    """Send what was written to memory, which nobody can change any more."""
    answer = {"length": memory.tell(), "sha256": sha256.hex()}
    memory.flush()
    fcntl.fcntl(memory, fcntl.F_ADD_SEALS, _SEALS)
    socket.send_fds(connection, [json.dumps(answer).encode()], [memory.fileno()])


def _send_fault(connection: socket.socket, error: Exception) -> None:
    kinds = (kind.__name__ for kind in type(error).__mro__ if kind.__name__ in _FAULTS)
    ours = isinstance(error, Fault)
    other = IoFault if isinstance(error, OSError | MemoryError) else DataFault
    answer = {
        "fault": next(kinds, other.__name__),
        "detail": str(error)[:1024] if ours else f"internal fault, {type(error).__name__}",
    }
    try:
        connection.send(json.dumps(answer).encode())
    except OSError as lost:
        _log.warning("decode request lost", exc_info=lost)


def _anonymous() -> BinaryIO:
    """Make memory without a name, to be written like a file: it grows as it is written to."""
    memory = os.memfd_create("radiolith-dataset", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    return os.fdopen(memory, "wb")


class DecodeClient:
    """Asks the workers. Stateless, so any thread may use it."""

    def __init__(self, path: Path, timeout_s: float, attempts: int = 3) -> None:
        """Ask at the socket ``path``, waiting ``timeout_s`` for each answer.

        Args:
            path: the workers' socket.
            timeout_s: seconds to wait for an answer.
            attempts: how often a request is sent before giving up on workers that die.
        """
        self._path = path
        self._timeout_s = timeout_s
        self._attempts = attempts

    @contextmanager
    def dataset(self, wanted: Wanted, sha256: bytes) -> Iterator[memoryview]:
        """Lend a dataset; what was received of it, the worker has verified against ``sha256``.

        Raises:
            DataFault: it is missing, faulty or not decodable, as its class says, or another one.
            IoFault: store or journal could not be read.
            DecodeUnavailable: no worker answered in time.
        """
        given, memory = self._ask(wanted)
        try:
            if given.sha256 != sha256.hex():
                raise WrongInstance(f"{_name(wanted)} holds another dataset")
            with _mapped(memory, given.length) as view:
                yield view
        finally:
            os.close(memory)

    def _ask(self, wanted: Wanted) -> tuple[_Given, int]:
        for attempt in range(1, self._attempts + 1):
            try:
                return self._ask_once(wanted)
            except (ConnectionError, FileNotFoundError) as error:
                _log.warning("decode request lost", attempt=attempt, exc_info=error)
                time.sleep(_RETRY_S)
            except TimeoutError as error:
                raise DecodeUnavailable(f"{_name(wanted)}: no answer in time") from error
        raise DecodeUnavailable(f"{_name(wanted)}: no worker answered")

    def _ask_once(self, wanted: Wanted) -> tuple[_Given, int]:
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as connection:
            connection.settimeout(self._timeout_s)
            with _address(self._path) as address:
                connection.connect(address)
            connection.send(_pack(wanted))
            packet, memories, _, _ = socket.recv_fds(connection, _PACKET_BYTES, 1)
        if not packet:
            raise ConnectionResetError("the worker went away")
        answer = json.loads(packet)
        if "fault" in answer:
            raise _FAULTS[answer["fault"]](answer["detail"])
        return _Given(answer["length"], answer["sha256"]), memories[0]


def _name(wanted: Wanted) -> str:
    return f"{wanted.place.value} {wanted.id.hex()}"


@dataclass(frozen=True, slots=True)
class _Given:
    length: int
    sha256: str


@contextmanager
def _mapped(memory: int, length: int) -> Iterator[memoryview]:
    if length == 0:
        yield memoryview(b"")
        return
    with (
        mmap.mmap(memory, length, mmap.MAP_PRIVATE, mmap.PROT_READ) as mapping,
        memoryview(mapping) as view,
    ):
        yield view
