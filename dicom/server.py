"""Receiving associations on a listening socket that several processes may share."""

from __future__ import annotations

import logging
import selectors
import socket
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from dicom.admission import Admission
from dicom.archive import Archive, Peer
from dicom.association import (
    Association,
    AssociationFault,
    SecureTransport,
    Transport,
    accept_association,
)
from dicom.limits import HalfOpen, Slots
from dicom.services import serve
from dicom.session import ServerOptions, Session

__all__ = ["Listener", "ServerOptions", "Stop", "bind", "serve_associations"]

_BACKLOG = 128
_STOP_POLL_SECONDS = 0.2

_LOGGER = logging.getLogger(__name__)


class Stop(Protocol):
    """What ends a server: an event of threading or of multiprocessing."""

    def is_set(self) -> bool:
        """Whether the server is to stop."""


def bind(host: str, port: int) -> socket.socket:
    """Open the listening socket; made before forking, it is shared by all receivers.

    Args:
        host: address or name to listen on; empty for every address.
        port: 0 lets the system choose.

    Raises:
        OSError: the address cannot be had.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=_BACKLOG)


@dataclass(frozen=True, slots=True)
class Listener:
    """A port that associations come in at."""

    socket: socket.socket
    """Bound and listening; other processes may accept on it as well."""
    is_secure: bool = False
    """Whether TLS runs over what comes in; :attr:`ServerOptions.security` is needed then."""


def serve_associations(
    listeners: Sequence[Listener], archive: Archive, options: ServerOptions, stop: Stop
) -> None:
    """Serve every association that comes in, each in a thread, until ``stop`` is set.

    Then nothing more is accepted; running associations get ``options.grace_s`` seconds to end and
    are aborted after that. An instance whose Success was not answered yet is forgotten then.

    Args:
        listeners: where to accept.
        archive: called from the associations' threads.
        options: how to behave.
        stop: looked at several times a second.
    """
    receiver = _Receiver(archive, options)
    with selectors.DefaultSelector() as selector:
        for listener in listeners:
            listener.socket.setblocking(False)
            selector.register(listener.socket, selectors.EVENT_READ, listener)
        while not stop.is_set():
            for key, _ in selector.select(_STOP_POLL_SECONDS):
                receiver.accept(key.data)
    receiver.drain(time.monotonic() + options.grace_s)


class _Receiver:
    """The associations of one process."""

    def __init__(self, archive: Archive, options: ServerOptions) -> None:
        self._archive = archive
        self._options = options
        self._lock = threading.Lock()
        self._threads: set[threading.Thread] = set()
        self._associations: set[Association] = set()
        self._half_open = HalfOpen(options.max_half_open)
        self._slots = Slots(options.max_associations, options.max_associations_per_peer)

    def accept(self, listener: Listener) -> None:
        """Take one connection and serve it in a thread of its own."""
        try:
            connection, address = listener.socket.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return  # Another receiver took it, or the peer is gone.
        except OSError as error:
            _LOGGER.error("cannot accept a connection: %s", error.strerror)
            time.sleep(_STOP_POLL_SECONDS)  # Descriptors are used up: let some be closed.
            return
        if len(self._threads) >= self._options.max_associations + 2 * self._options.max_half_open:
            connection.close()  # Those that were ended have not all gone yet.
            return
        try:
            transport = self._transport(connection, listener)
        except OSError:
            connection.close()  # The peer is gone already.
            return
        self._start(transport, address[0])

    def drain(self, deadline: float) -> None:
        """Let running associations end until the deadline, then abort them."""
        for thread in tuple(self._threads):
            thread.join(max(0.0, deadline - time.monotonic()))
        with self._lock:
            remaining = tuple(self._associations)
        for association in remaining:
            association.shut_down()
        for thread in tuple(self._threads):
            thread.join(_STOP_POLL_SECONDS)

    def _transport(self, connection: socket.socket, listener: Listener) -> Transport:
        if listener.is_secure and self._options.security is not None:
            return SecureTransport(self._options.security.accept(connection))
        return Transport(connection)

    def _start(self, transport: Transport, address: str) -> None:
        self._half_open.add(transport, address)
        thread = threading.Thread(
            target=self._run, args=(transport, address), name="association", daemon=True
        )
        with self._lock:
            self._threads.add(thread)
        try:
            thread.start()
        except RuntimeError as error:  # Python's word for no more threads to be had
            _LOGGER.error("cannot serve a connection: %s", error)
            self._forget(transport, thread)
            transport.shut_down()

    def _run(self, transport: Transport, address: str) -> None:
        try:
            self._establish(transport, address)
        except AssociationFault as fault:
            _LOGGER.info("association from %s ended: %s", address, fault)
        finally:
            self._forget(transport, threading.current_thread())

    def _forget(self, transport: Transport, thread: threading.Thread) -> None:
        self._half_open.remove(transport)
        with self._lock:
            self._threads.discard(thread)

    def _establish(self, transport: Transport, address: str) -> None:
        admission = Admission(self._archive, self._options, self._slots, transport, address)
        with admission:
            established = accept_association(
                transport, admission.answer, self._options.max_pdu, self._options.timeouts
            )
            if established is not None:
                self._half_open.remove(transport)
                association, request = established
                self._serve(association, admission.peer(request))

    def _serve(self, association: Association, peer: Peer) -> None:
        with self._lock:
            self._associations.add(association)
        try:
            serve(Session(association, self._archive, peer, self._options))
            association.close()
        except AssociationFault as fault:
            association.abort(fault)
            raise
        except BaseException:
            association.abort()
            raise
        finally:
            with self._lock:
                self._associations.discard(association)
