"""Receiving associations on a listening socket that several processes may share."""

from __future__ import annotations

import logging
import selectors
import socket
import threading
import time
from typing import Protocol

from dicom.archive import Archive, ArchiveFault, Peer
from dicom.association import (
    AssociateAccept,
    AssociateReject,
    AssociateRequest,
    Association,
    AssociationFault,
    accept_association,
)
from dicom.association.negotiation import APPLICATION_CONTEXT
from dicom.contexts import negotiate
from dicom.services import serve
from dicom.session import ServerOptions, Session

__all__ = ["ServerOptions", "Stop", "bind", "serve_associations"]

_BACKLOG = 128
_STOP_POLL_SECONDS = 0.2

_APPLICATION_CONTEXT_NOT_SUPPORTED = AssociateReject(1, 1, 2)
_CALLING_AE_NOT_RECOGNIZED = AssociateReject(1, 1, 3)
_CALLED_AE_NOT_RECOGNIZED = AssociateReject(1, 1, 7)
_PROTOCOL_VERSION_NOT_SUPPORTED = AssociateReject(1, 2, 2)
_LOCAL_LIMIT_EXCEEDED = AssociateReject(2, 3, 2)
_CANNOT_TELL = AssociateReject(2, 1, 1)
"""Result, source and reason of A-ASSOCIATE-RJ (PS3.8 Table 9-21)."""

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


def serve_associations(
    listener: socket.socket, archive: Archive, options: ServerOptions, stop: Stop
) -> None:
    """Serve every association that comes in, each in a thread, until ``stop`` is set.

    Then nothing more is accepted; running associations get ``options.grace_s`` seconds to end and
    are aborted after that. An instance whose Success was not answered yet is forgotten then.

    Args:
        listener: a bound, listening socket, which other processes may accept on as well.
        archive: called from the associations' threads.
        options: how to behave.
        stop: looked at several times a second.
    """
    receiver = _Receiver(archive, options)
    listener.setblocking(False)
    with selectors.DefaultSelector() as selector:
        selector.register(listener, selectors.EVENT_READ)
        while not stop.is_set():
            if selector.select(_STOP_POLL_SECONDS):
                receiver.accept(listener)
    receiver.drain(time.monotonic() + options.grace_s)


class _Receiver:
    """The associations of one process."""

    def __init__(self, archive: Archive, options: ServerOptions) -> None:
        self._archive = archive
        self._options = options
        self._lock = threading.Lock()
        self._threads: set[threading.Thread] = set()
        self._associations: set[Association] = set()

    def accept(self, listener: socket.socket) -> None:
        """Take one connection and serve it in a thread of its own."""
        try:
            connection, address = listener.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return  # Another receiver took it, or the peer is gone.
        except OSError as error:
            _LOGGER.error("cannot accept a connection: %s", error.strerror)
            time.sleep(_STOP_POLL_SECONDS)  # Descriptors are used up: let some be closed.
            return
        if len(self._threads) >= 2 * self._options.max_associations:
            connection.close()  # Not even rejections are to pile up.
            return
        thread = threading.Thread(
            target=self._run, args=(connection, address[0]), name="association", daemon=True
        )
        with self._lock:
            self._threads.add(thread)
        thread.start()

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

    def _run(self, connection: socket.socket, address: str) -> None:
        try:
            self._establish(connection, address)
        except AssociationFault as fault:
            _LOGGER.info("association from %s ended: %s", address, fault)
        finally:
            with self._lock:
                self._threads.discard(threading.current_thread())

    def _establish(self, connection: socket.socket, address: str) -> None:
        def answer(request: AssociateRequest) -> AssociateAccept | AssociateReject:
            return self._answer(request, address)

        established = accept_association(
            connection, answer, self._options.max_pdu, self._options.timeouts
        )
        if established is not None:
            association, request = established
            self._serve(association, Peer(request.calling_ae, request.called_ae, address))

    def _answer(self, request: AssociateRequest, address: str) -> AssociateAccept | AssociateReject:
        try:
            reject = self._objection(request, address)
        except ArchiveFault as fault:
            _LOGGER.error("the archive cannot tell whom it admits: %s", fault)
            reject = _CANNOT_TELL
        if reject is None:
            return negotiate(request, self._options.max_pdu)
        _LOGGER.warning("rejected %s from %s: %s", request.calling_ae, address, reject)
        return reject

    def _objection(self, request: AssociateRequest, address: str) -> AssociateReject | None:
        if not request.protocol_version & 1:
            return _PROTOCOL_VERSION_NOT_SUPPORTED
        if request.application_context != APPLICATION_CONTEXT:
            return _APPLICATION_CONTEXT_NOT_SUPPORTED
        if self._options.check_called_ae and request.called_ae != self._options.ae_title:
            return _CALLED_AE_NOT_RECOGNIZED
        if not self._archive.admits(Peer(request.calling_ae, request.called_ae, address)):
            return _CALLING_AE_NOT_RECOGNIZED
        if len(self._associations) >= self._options.max_associations:
            return _LOCAL_LIMIT_EXCEEDED
        return None

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
