"""Protocol data units on one TCP connection (PS3.8 9.3)."""

from __future__ import annotations

import select
import socket
import struct
import time
from collections.abc import Iterator
from enum import IntEnum

from dicom.association.faults import (
    AbortReason,
    AssociationFault,
    ConnectionLost,
    ProtocolFault,
    TimedOut,
)
from dicom.elements import Buffer

_HEADER = struct.Struct(">BxL")
_PDV_HEADER = struct.Struct(">BxLLBB")

PDV_OVERHEAD = 6
"""Bytes of the peer's maximum length that a fragment's length, context id and control byte take."""

MAX_ASSOCIATE_LENGTH = 1 << 20
"""Longest A-ASSOCIATE PDU taken: 128 contexts of 60 syntaxes with 64-character UIDs are 530 KB."""

MAX_FRAGMENT = 1 << 18
"""Longest fragment sent, whatever the peer allows: bounds the copies of a send."""

_DRAIN_SECONDS = 1.0
_IS_COMMAND = 1
_IS_LAST = 2


class PduType(IntEnum):
    """PDU-type octet (PS3.8 9.3.1)."""

    ASSOCIATE_RQ = 1
    ASSOCIATE_AC = 2
    ASSOCIATE_RJ = 3
    P_DATA = 4
    RELEASE_RQ = 5
    RELEASE_RP = 6
    ABORT = 7


RELEASE_RQ = _HEADER.pack(PduType.RELEASE_RQ, 4) + bytes(4)
RELEASE_RP = _HEADER.pack(PduType.RELEASE_RP, 4) + bytes(4)
USER_ABORT = _HEADER.pack(PduType.ABORT, 4) + bytes(4)


def provider_abort(reason: AbortReason) -> bytes:
    """Encode an A-ABORT whose source is the service provider (PS3.8 9.3.8)."""
    return _HEADER.pack(PduType.ABORT, 4) + bytes((0, 0, 2, reason))


def encode_pdu(kind: PduType, body: bytes) -> bytes:
    """Put the PDU header before a body."""
    return _HEADER.pack(kind, len(body)) + body


def data_pdus(
    context_id: int, payload: Buffer, max_length: int, *, is_command: bool
) -> Iterator[Buffer]:
    """Cut a command set or dataset into P-DATA-TF PDUs (PS3.8 9.3.5, Annex E).

    Args:
        context_id: presentation context of the message.
        payload: the whole encoded command set or dataset; it is not copied.
        max_length: the peer's maximum length, 0 for unlimited.
        is_command: whether the payload is the command set.

    Yields:
        In turn the headers and the fragments that follow them.
    """
    view = memoryview(payload).cast("B")
    size = min(max_length - PDV_OVERHEAD, MAX_FRAGMENT) if max_length else MAX_FRAGMENT
    for start in range(0, len(view) or 1, size):
        fragment = view[start : start + size]
        control = is_command * _IS_COMMAND | (start + size >= len(view)) * _IS_LAST
        count = len(fragment)
        yield _PDV_HEADER.pack(PduType.P_DATA, count + PDV_OVERHEAD, count + 2, context_id, control)
        yield fragment


class PduStream:
    """Reads and writes the PDUs of one connection.

    One thread at a time may read; :meth:`shut_down` may be called from any.
    """

    def __init__(self, connection: socket.socket, max_length: int) -> None:
        """Take over a connected socket.

        Args:
            connection: closed by :meth:`close`.
            max_length: longest P-DATA-TF PDU taken, in bytes after the PDU header.
        """
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        self._connection = connection
        self._max_length = max_length
        self._buffer = memoryview(bytearray(max_length + _HEADER.size))
        self._start = 0
        self._end = 0

    def read(self, timeout: float | None) -> tuple[PduType, memoryview]:
        """Wait for one PDU.

        Args:
            timeout: seconds the peer may stay silent, None for ever.

        Returns:
            The PDU's type, and its body, which is valid until the next call.

        Raises:
            ProtocolFault: an unknown type, or a length over what this type may have.
            ConnectionLost: the connection ended.
            TimedOut: nothing came in time.
        """
        try:
            self._connection.settimeout(timeout)
            kind, length = _HEADER.unpack(self._take(_HEADER.size))
            return self._checked(kind, length), self._take(length)
        except TimeoutError:
            raise TimedOut(f"nothing received for {timeout} s") from None
        except OSError as error:
            raise ConnectionLost(f"receiving failed: {error.strerror}") from error

    def pending(self) -> bool:
        """Whether the peer has sent something that was not read yet."""
        if self._end > self._start:
            return True
        poller = select.poll()
        poller.register(self._connection, select.POLLIN)
        return bool(poller.poll(0))

    def wait(self, timeout: float) -> bool:
        """Wait at most ``timeout`` seconds for the peer to send something."""
        if self._end > self._start:
            return True
        poller = select.poll()
        poller.register(self._connection, select.POLLIN)
        return bool(poller.poll(timeout * 1000))

    def write(self, *parts: Buffer, timeout: float | None) -> None:
        """Send all parts.

        Raises:
            ConnectionLost: the connection ended.
            TimedOut: the peer took nothing for ``timeout`` seconds.
        """
        try:
            self._connection.settimeout(timeout)
            sent = self._connection.sendmsg(parts)
            if sent < sum(memoryview(part).nbytes for part in parts):
                self._connection.sendall(memoryview(b"".join(parts))[sent:])
        except TimeoutError:
            raise TimedOut(f"nothing taken for {timeout} s") from None
        except OSError as error:
            raise ConnectionLost(f"sending failed: {error.strerror}") from error

    def close(self) -> None:
        """Close the connection, letting the peer read what was sent last.

        Closing with unread bytes would reset the connection and could take an A-ABORT or
        A-ASSOCIATE-RJ away from the peer; so its bytes are thrown away for a moment first.
        """
        deadline = time.monotonic() + _DRAIN_SECONDS
        try:
            self._connection.shutdown(socket.SHUT_WR)
            self._connection.settimeout(_DRAIN_SECONDS)
            while self._connection.recv_into(self._buffer) and time.monotonic() < deadline:
                continue
        except OSError:
            return  # The peer is gone already: there is nobody to be polite to.
        finally:
            self._connection.close()

    def abort(self, fault: AssociationFault | None = None) -> None:
        """Send an A-ABORT and close the connection.

        Args:
            fault: why; a :class:`ProtocolFault` is reported as the service provider's abort.
        """
        message = USER_ABORT
        if isinstance(fault, ProtocolFault):
            message = provider_abort(fault.reason)
        try:
            self.write(message, timeout=_DRAIN_SECONDS)
        except AssociationFault:
            return  # The connection is gone: there is nobody left to be told.
        finally:
            self.close()

    def shut_down(self) -> None:
        """End the connection from another thread: its reader gets :class:`ConnectionLost`."""
        try:
            self._connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            return  # Not connected any more, which is what was asked for.

    def _checked(self, kind: int, length: int) -> PduType:
        if kind not in PduType.__members__.values():
            raise ProtocolFault(f"PDU type 0x{kind:02X}", AbortReason.UNRECOGNIZED_PDU)
        is_data = kind == PduType.P_DATA
        limit = self._max_length if is_data else MAX_ASSOCIATE_LENGTH
        if length > limit:
            raise ProtocolFault(f"a PDU of {length} bytes, over the limit of {limit}")
        return PduType(kind)

    def _take(self, count: int) -> memoryview:
        if self._end - self._start < count:
            self._fill(count)
        view = self._buffer[self._start : self._start + count]
        self._start += count
        return view

    def _fill(self, count: int) -> None:
        held = self._end - self._start
        if self._start + count > len(self._buffer):
            self._make_room(held, count)
        while self._end - self._start < count:
            received = self._connection.recv_into(self._buffer[self._end :])
            if not received:
                raise ConnectionLost("closed by the peer")
            self._end += received

    def _make_room(self, held: int, count: int) -> None:
        kept = bytes(self._buffer[self._start : self._end])
        if count > len(self._buffer):
            self._buffer = memoryview(bytearray(count))
        self._buffer[:held] = kept
        self._start, self._end = 0, held
