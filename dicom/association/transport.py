"""The byte stream under an association: TCP, or TLS over TCP (PS3.8 9.1, PS3.15 Annex B)."""

from __future__ import annotations

import select
import socket
import ssl
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from dicom.association.faults import ConnectionLost, TimedOut
from dicom.elements import Buffer

_DRAIN_SECONDS: Final = 1.0


class Transport:
    """A connected TCP socket. One thread at a time uses it; any may call :meth:`shut_down`."""

    certificate: bytes | None = None
    """The certificate that the peer proved to be its own, DER; None where it showed none."""
    is_secure: bool = False
    """Whether TLS runs over it."""

    def __init__(self, connection: socket.socket) -> None:
        """Take over a connected socket; :meth:`close` closes it."""
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        self._connection = connection

    def handshake(self, timeout: float | None) -> None:
        """Agree on keys, where there is anything to agree on, within ``timeout`` seconds.

        Raises:
            AssociationFault: the peer did not agree; the connection is closed.
        """

    def set_timeout(self, timeout: float | None) -> None:
        """Bound each of the calls that follow, in seconds; None waits for ever."""
        self._connection.settimeout(timeout)

    def receive_into(self, buffer: memoryview) -> int:
        """Receive what there is, at least one byte; 0 at the peer's end of the stream.

        Raises:
            OSError: the connection failed, TimeoutError among them.
        """
        return self._connection.recv_into(buffer)

    def send(self, parts: Sequence[Buffer]) -> None:
        """Send all parts.

        Raises:
            OSError: the connection failed, TimeoutError among them.
        """
        sent = self._connection.sendmsg(parts)
        if sent < sum(memoryview(part).nbytes for part in parts):
            self._connection.sendall(memoryview(b"".join(parts))[sent:])

    def wait(self, timeout: float) -> bool:
        """Wait at most ``timeout`` seconds for something to receive."""
        poller = select.poll()
        poller.register(self._connection, select.POLLIN)
        return bool(poller.poll(timeout * 1000))

    def close(self) -> None:
        """Close the connection, letting the peer read what was sent last.

        Closing with unread bytes would reset the connection and could take an A-ABORT or
        A-ASSOCIATE-RJ away from the peer; so its bytes are thrown away for a moment first.
        """
        deadline = time.monotonic() + _DRAIN_SECONDS
        dropped = bytearray(1 << 16)
        try:
            self._end()
            self._connection.settimeout(_DRAIN_SECONDS)
            while _raw_receive(self._connection, dropped) and time.monotonic() < deadline:
                continue
        except OSError:
            return  # The peer is gone already: there is nobody to be polite to.
        finally:
            self._connection.close()

    def shut_down(self) -> None:
        """End the connection from another thread: its reader finds the stream's end."""
        try:
            _raw_shutdown(self._connection, socket.SHUT_RDWR)
        except OSError:
            return  # Not connected any more, which is what was asked for.

    def _end(self) -> None:
        _raw_shutdown(self._connection, socket.SHUT_WR)


class SecureTransport(Transport):
    """TLS over a TCP socket."""

    is_secure = True

    def __init__(self, connection: ssl.SSLSocket) -> None:
        """Take over a socket whose handshake is still to come."""
        super().__init__(connection)
        self._secured = connection

    def handshake(self, timeout: float | None) -> None:
        """Do the TLS handshake; all of it must be done in time, however slowly bytes drip."""
        try:
            self._secured.settimeout(timeout)
            self._secured.do_handshake()
        except TimeoutError:
            self._secured.close()
            raise TimedOut(f"no TLS handshake within {timeout} s") from None
        except OSError as error:
            self._secured.close()
            raise ConnectionLost(f"TLS handshake failed: {error.strerror}") from error
        self.certificate = self._secured.getpeercert(binary_form=True)

    def send(self, parts: Sequence[Buffer]) -> None:
        """Send all parts, in as few TLS records as they fit in."""
        self._secured.sendall(b"".join(parts))

    def wait(self, timeout: float) -> bool:
        """Wait for something to receive; a part of a record may have been decrypted already."""
        return self._secured.pending() > 0 or super().wait(timeout)

    def _end(self) -> None:
        """Say close_notify without waiting for the peer's (RFC 8446 6.1)."""
        self._secured.settimeout(0)
        with suppress(ssl.SSLError, ValueError):  # The peer's own is to come, or no session is.
            self._secured.unwrap()
        super()._end()


# An SSLSocket's own shutdown and recv act on the TLS session; these act on the TCP connection.
_raw_shutdown = socket.socket.shutdown
_raw_receive = socket.socket.recv_into
