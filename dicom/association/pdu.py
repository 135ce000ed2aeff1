"""Protocol data units on one TCP connection (PS3.8 9.3)."""

from __future__ import annotations

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
from dicom.association.transport import Transport
from dicom.elements import Buffer

_HEADER = struct.Struct(">BxL")
_PDV_HEADER = struct.Struct(">BxLLBB")

PDV_OVERHEAD = 6
"""Bytes of the peer's maximum length that a fragment's length, context id and control byte take."""

MAX_ASSOCIATE_LENGTH = 1 << 20
"""Longest A-ASSOCIATE PDU taken: 128 contexts of 60 syntaxes with 64-character UIDs are 530 KB."""

MAX_FRAGMENT = 1 << 18
"""Longest fragment sent, whatever the peer allows: bounds the copies of a send."""

_ABORT_SECONDS = 1.0
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

    def __init__(self, transport: Transport, max_length: int) -> None:
        """Take over a connection.

        Args:
            transport: closed by :meth:`close`.
            max_length: longest P-DATA-TF PDU taken, in bytes after the PDU header.
        """
        self._transport = transport
        self._max_length = max_length
        self._buffer = memoryview(bytearray(max_length + _HEADER.size))
        self._start = 0
        self._end = 0

    def read(self, timeout: float | None) -> tuple[PduType, memoryview]:
        """Wait for one PDU.

        Args:
            timeout: seconds in which its first byte must come, and again all others: who sends
                them one by one is not waited for. None waits for ever.

        Returns:
            The PDU's type, and its body, which is valid until the next call.

        Raises:
            ProtocolFault: an unknown type, or a length over what this type may have.
            ConnectionLost: the connection ended.
            TimedOut: it did not come in time.
        """
        try:
            self._hold(1, _deadline(timeout))
            deadline = _deadline(timeout)
            kind, length = _HEADER.unpack(self._take(_HEADER.size, deadline))
            return self._checked(kind, length), self._take(length, deadline)
        except TimeoutError:
            raise TimedOut(f"no whole PDU received for {timeout} s") from None
        except OSError as error:
            raise ConnectionLost(f"receiving failed: {error.strerror}") from error

    def pending(self) -> bool:
        """Whether the peer has sent something that was not read yet."""
        return self.wait(0)

    def wait(self, timeout: float) -> bool:
        """Wait at most ``timeout`` seconds for the peer to send something."""
        return self._end > self._start or self._transport.wait(timeout)

    def write(self, *parts: Buffer, timeout: float | None) -> None:
        """Send all parts.

        Raises:
            ConnectionLost: the connection ended.
            TimedOut: the peer did not take them in ``timeout`` seconds.
        """
        try:
            self._transport.set_timeout(timeout)
            self._transport.send(parts)
        except TimeoutError:
            raise TimedOut(f"nothing taken for {timeout} s") from None
        except OSError as error:
            raise ConnectionLost(f"sending failed: {error.strerror}") from error

    def close(self) -> None:
        """Close the connection, letting the peer read what was sent last."""
        self._transport.close()

    def abort(self, fault: AssociationFault | None = None) -> None:
        """Send an A-ABORT and close the connection.

        Args:
            fault: why; a :class:`ProtocolFault` is reported as the service provider's abort.
        """
        message = USER_ABORT
        if isinstance(fault, ProtocolFault):
            message = provider_abort(fault.reason)
        try:
            self.write(message, timeout=_ABORT_SECONDS)
        except AssociationFault:
            return  # The connection is gone: there is nobody left to be told.
        finally:
            self.close()

    def shut_down(self) -> None:
        """End the connection from another thread: its reader gets :class:`ConnectionLost`."""
        self._transport.shut_down()

    def _checked(self, kind: int, length: int) -> PduType:
        if kind not in PduType.__members__.values():
            raise ProtocolFault(f"PDU type 0x{kind:02X}", AbortReason.UNRECOGNIZED_PDU)
        is_data = kind == PduType.P_DATA
        limit = self._max_length if is_data else MAX_ASSOCIATE_LENGTH
        if length > limit:
            raise ProtocolFault(f"a PDU of {length} bytes, over the limit of {limit}")
        return PduType(kind)

    def _take(self, count: int, deadline: float | None) -> memoryview:
        self._hold(count, deadline)
        view = self._buffer[self._start : self._start + count]
        self._start += count
        return view

    def _hold(self, count: int, deadline: float | None) -> None:
        """Receive until ``count`` bytes are there that were not taken yet."""
        held = self._end - self._start
        if held < count and self._start + count > len(self._buffer):
            self._make_room(held, count)
        while self._end - self._start < count:
            self._transport.set_timeout(_left(deadline))
            received = self._transport.receive_into(self._buffer[self._end :])
            if not received:
                raise ConnectionLost("closed by the peer")
            self._end += received

    def _make_room(self, held: int, count: int) -> None:
        kept = bytes(self._buffer[self._start : self._end])
        if count > len(self._buffer):
            self._buffer = memoryview(bytearray(count))
        self._buffer[:held] = kept
        self._start, self._end = 0, held


def _deadline(timeout: float | None) -> float | None:
    return None if timeout is None else time.monotonic() + timeout


def _left(deadline: float | None) -> float | None:
    """Give the seconds until a deadline.

    Raises:
        TimeoutError: it has passed; a timeout of 0 would make the socket non-blocking.
    """
    if deadline is None:
        return None
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left
