"""An established association: DIMSE messages in both directions (PS3.7 6.3, PS3.8 Annex E)."""

from __future__ import annotations

import struct
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import count
from typing import NamedTuple

from dicom.association import pdu
from dicom.association.command import Command, CommandField, decode_command
from dicom.association.faults import (
    AbortReason,
    AssociationFault,
    PeerAborted,
    ProtocolFault,
    TimedOut,
)
from dicom.association.pdu import PduStream, PduType
from dicom.elements import Buffer

_PDV = struct.Struct(">LBB")

MAX_COMMAND_LENGTH = 1 << 16
"""Longest command set taken; the longest that PS3.7 defines stays far below 1 KiB."""

MAX_IDENTIFIER_LENGTH = 1 << 26
"""Longest dataset taken into memory, 64 MiB: a commitment request for 300,000 instances fits.
Datasets of C-STORE are streamed and have no limit."""


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds; None waits for ever."""

    connect: float | None = 15.0
    """For the transport connection."""
    acse: float | None = 30.0
    """For an answer to A-ASSOCIATE and A-RELEASE requests (the ARTIM timer)."""
    dimse: float | None = 60.0
    """For the next fragment of a message under way, and for a response."""
    idle: float | None = 600.0
    """For the next request on an association."""
    min_rate: float = 0.0
    """Bytes a second: what a message that has been waited for longer than ``dimse`` must have come
    at on average, so that sending it one byte at a time holds no association for long."""


@dataclass(frozen=True, slots=True)
class Context:
    """An accepted presentation context."""

    context_id: int
    abstract_syntax: str
    transfer_syntax: str
    requestor_scu: bool = True
    """Whether the association's requestor may send requests of this SOP class."""
    requestor_scp: bool = False
    """Whether the association's requestor takes requests of this SOP class."""


@dataclass(frozen=True, slots=True)
class Message:
    """A DIMSE message whose command set has arrived; its dataset is still to be read."""

    context: Context
    command: Command


class _Pdv(NamedTuple):
    context_id: int
    is_command: bool
    is_last: bool
    data: memoryview


class _Pace:
    """How fast the message under way comes in; the time spent on its bytes here doesn't count."""

    def __init__(self, timeouts: Timeouts) -> None:
        self._timeouts = timeouts
        self._waited = 0.0
        self._received = 0

    def count(self, waited: float, received: int) -> None:
        """Take one more fragment.

        Raises:
            TimedOut: the message has been slower than it may be, for longer than it may be.
        """
        self._waited += waited
        self._received += received
        patience, rate = self._timeouts.dimse, self._timeouts.min_rate
        is_late = patience is not None and self._waited > patience
        if is_late and self._received < rate * self._waited:
            raise TimedOut(f"a message slower than {rate:.0f} bytes a second")


class Association:
    """One association, used by one thread; :meth:`shut_down` may be called from any."""

    def __init__(
        self,
        stream: PduStream,
        contexts: Mapping[int, Context],
        peer_max_length: int,
        timeouts: Timeouts,
    ) -> None:
        self.contexts = contexts
        self._stream = stream
        self._peer_max_length = peer_max_length
        self._timeouts = timeouts
        self._body = memoryview(b"")
        self._dataset_context: int | None = None
        self._cancelled: set[int] = set()
        self._message_ids = count()
        self._pace = _Pace(timeouts)

    def next_message_id(self) -> int:
        """Give a Message ID for a request of our own, 1 to 65535."""
        return next(self._message_ids) % 0xFFFF + 1

    def receive(self) -> Message | None:
        """Wait for the next message's command set.

        What was not read of the message before is skipped.

        Returns:
            The message, or None when the peer released the association.

        Raises:
            AssociationFault: the association ended otherwise.
        """
        for _ in self.fragments():
            continue
        return self._receive(self._timeouts.idle)

    def wait(self, timeout: float) -> bool:
        """Wait at most ``timeout`` seconds until the peer has sent something."""
        return len(self._body) > 0 or self._stream.wait(timeout)

    def fragments(self) -> Iterator[bytes]:
        """Read the current message's dataset as its fragments arrive.

        Raises:
            AssociationFault: the association ended before the last fragment.
        """
        while self._dataset_context is not None:
            pdv = self._continuation()
            if pdv is None or pdv.is_command or pdv.context_id != self._dataset_context:
                raise ProtocolFault("a dataset cut short", AbortReason.UNEXPECTED_PDU)
            if pdv.is_last:
                self._dataset_context = None
            yield bytes(pdv.data)

    def dataset(self) -> bytes:
        """Read the current message's whole dataset.

        Raises:
            ProtocolFault: it is longer than :data:`MAX_IDENTIFIER_LENGTH`.
            AssociationFault: the association ended before the last fragment.
        """
        dataset = bytearray()
        for fragment in self.fragments():
            dataset += fragment
            if len(dataset) > MAX_IDENTIFIER_LENGTH:
                raise ProtocolFault("an identifier over the limit of 64 MiB")
        return bytes(dataset)

    def send(self, context_id: int, command: Command, dataset: Buffer | None = None) -> None:
        """Send one message; ``command.has_dataset`` must say whether there is a dataset.

        Raises:
            AssociationFault: the association ended.
        """
        parts = pdu.data_pdus(context_id, command.encode(), self._peer_max_length, is_command=True)
        held = list(parts)
        if dataset is not None:
            fragments = pdu.data_pdus(context_id, dataset, self._peer_max_length, is_command=False)
            for header, fragment in zip(fragments, fragments, strict=True):
                self._stream.write(*held, header, fragment, timeout=self._timeouts.dimse)
                held = []
        if held:
            self._stream.write(*held, timeout=self._timeouts.dimse)

    def exchange(self, context_id: int, command: Command, dataset: Buffer | None = None) -> Command:
        """Send a request and wait for its response; a C-CANCEL that comes first is remembered.

        Raises:
            AssociationFault: the association ended, or something else came.
        """
        self.send(context_id, command, dataset)
        while True:
            message = self._receive(self._timeouts.dimse)
            if message is None:
                raise ProtocolFault("released before the response", AbortReason.UNEXPECTED_PDU)
            if message.command.message_id_responded == command.message_id and (
                message.command.is_response
            ):
                for _ in self.fragments():
                    continue
                return message.command
            self._remember_cancel(message)

    def cancelled(self, message_id: int | None) -> bool:
        """Whether the peer has sent a C-CANCEL for a request that is being served (PS3.7 9.3.2.3).

        Raises:
            AssociationFault: the association ended, or something else came.
        """
        while len(self._body) > 0 or self._stream.pending():
            message = self._receive(self._timeouts.dimse)
            if message is None:
                raise ProtocolFault("released before the response", AbortReason.UNEXPECTED_PDU)
            self._remember_cancel(message)
        return message_id in self._cancelled

    def finish(self, message_id: int | None) -> None:
        """Forget a request that was served, so that its Message ID can be used again."""
        self._cancelled.discard(message_id or 0)

    def release(self) -> None:
        """Release the association and close the connection (PS3.8 7.2).

        Raises:
            AssociationFault: the peer did not confirm.
        """
        try:
            self._stream.write(pdu.RELEASE_RQ, timeout=self._timeouts.acse)
            while (kind := self._stream.read(self._timeouts.acse)[0]) is not PduType.RELEASE_RP:
                if kind is PduType.RELEASE_RQ:  # both sides at once, PS3.8 7.2.2.7
                    self._stream.write(pdu.RELEASE_RP, timeout=self._timeouts.acse)
                elif kind is not PduType.P_DATA:
                    raise PeerAborted("aborted instead of released")
        finally:
            self._stream.close()

    def abort(self, fault: AssociationFault | None = None) -> None:
        """Tell the peer that the association is over, and close the connection.

        Args:
            fault: why; a :class:`ProtocolFault` is reported as the provider's abort.
        """
        self._stream.abort(fault)

    def close(self) -> None:
        """Close the connection after the peer released the association."""
        self._stream.close()

    def shut_down(self) -> None:
        """Abort from another thread: the association's own thread gets a ConnectionLost."""
        self._stream.shut_down()

    def _receive(self, timeout: float | None) -> Message | None:
        data = bytearray()
        pdv = self._next_pdv(timeout)
        self._pace = _Pace(self._timeouts)
        while pdv is not None:
            if not pdv.is_command or len(data) > MAX_COMMAND_LENGTH:
                raise ProtocolFault("not a command set", AbortReason.UNEXPECTED_PDU)
            data += pdv.data
            if pdv.is_last:
                return self._message(pdv.context_id, decode_command(bytes(data)))
            pdv = self._continuation()
        return None

    def _message(self, context_id: int, command: Command) -> Message:
        context = self.contexts.get(context_id)
        if context is None:
            raise ProtocolFault(f"presentation context {context_id} was not accepted")
        self._dataset_context = context_id if command.has_dataset else None
        return Message(context, command)

    def _remember_cancel(self, message: Message) -> None:
        if message.command.field != CommandField.C_CANCEL:
            raise ProtocolFault("a message while another is served", AbortReason.UNEXPECTED_PDU)
        if message.command.message_id_responded is not None:
            self._cancelled.add(message.command.message_id_responded)

    def _continuation(self) -> _Pdv | None:
        """Wait for the next fragment of the message under way, which must keep its pace."""
        began = time.monotonic()
        pdv = self._next_pdv(self._timeouts.dimse)
        self._pace.count(time.monotonic() - began, len(pdv.data) if pdv else 0)
        return pdv

    def _next_pdv(self, timeout: float | None) -> _Pdv | None:
        while not self._body:
            kind, body = self._stream.read(timeout)
            if kind is PduType.P_DATA:
                self._body = body
            elif kind is PduType.RELEASE_RQ:
                self._stream.write(pdu.RELEASE_RP, timeout=self._timeouts.acse)
                return None
            elif kind is PduType.ABORT:
                raise PeerAborted("aborted by the peer")
            else:
                raise ProtocolFault(f"an unexpected {kind.name}", AbortReason.UNEXPECTED_PDU)
        return self._take_pdv()

    def _take_pdv(self) -> _Pdv:
        body = self._body
        if len(body) < _PDV.size:
            raise ProtocolFault("a presentation data value that is cut short")
        length, context_id, control = _PDV.unpack_from(body)
        end = 4 + length
        if length < 2 or end > len(body):
            raise ProtocolFault("a presentation data value whose length does not fit")
        self._body = body[end:]
        return _Pdv(context_id, bool(control & 1), bool(control & 2), body[_PDV.size : end])
