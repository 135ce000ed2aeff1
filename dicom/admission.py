"""Who may open an association: the acceptor's answer to one A-ASSOCIATE-RQ (PS3.8 7.1.1)."""

from __future__ import annotations

import logging
from types import TracebackType

from dicom.archive import Archive, ArchiveFault, Peer
from dicom.association import AssociateAccept, AssociateReject, AssociateRequest, Transport
from dicom.association.negotiation import APPLICATION_CONTEXT
from dicom.contexts import negotiate
from dicom.limits import Slots
from dicom.session import ServerOptions

APPLICATION_CONTEXT_NOT_SUPPORTED = AssociateReject(1, 1, 2)
CALLING_AE_NOT_RECOGNIZED = AssociateReject(1, 1, 3)
CALLED_AE_NOT_RECOGNIZED = AssociateReject(1, 1, 7)
PROTOCOL_VERSION_NOT_SUPPORTED = AssociateReject(1, 2, 2)
LOCAL_LIMIT_EXCEEDED = AssociateReject(2, 3, 2)
CANNOT_TELL = AssociateReject(2, 1, 1)
"""Result, source and reason of A-ASSOCIATE-RJ (PS3.8 Table 9-21)."""

_LOGGER = logging.getLogger(__name__)


class Admission:
    """The answer to the request of one connection.

    A context: on its exit, the room that the association took is free again.
    """

    def __init__(
        self,
        archive: Archive,
        options: ServerOptions,
        slots: Slots,
        transport: Transport,
        address: str,
    ) -> None:
        self._archive = archive
        self._options = options
        self._slots = slots
        self._transport = transport
        self._address = address
        self._taken: Peer | None = None

    def __enter__(self) -> Admission:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._taken is not None:
            self._slots.give_back(self._taken)

    def peer(self, request: AssociateRequest) -> Peer:
        """Say who the requestor is: what it claims, and what is known of its connection."""
        identity = request.user.identity
        return Peer(
            request.calling_ae,
            request.called_ae,
            self._address,
            self._transport.is_secure,
            self._transport.certificate,
            identity.username if identity is not None else "",
        )

    def answer(self, request: AssociateRequest) -> AssociateAccept | AssociateReject:
        """Accept the request or reject it."""
        try:
            reject = self._objection(request)
        except ArchiveFault as fault:
            _LOGGER.error("the archive cannot tell whom it admits: %s", fault)
            reject = CANNOT_TELL
        if reject is None:
            return negotiate(request, self._options.max_pdu)
        _LOGGER.warning("rejected %s from %s: %s", request.calling_ae, self._address, reject)
        return reject

    def _objection(self, request: AssociateRequest) -> AssociateReject | None:
        if not request.protocol_version & 1:
            return PROTOCOL_VERSION_NOT_SUPPORTED
        if request.application_context != APPLICATION_CONTEXT:
            return APPLICATION_CONTEXT_NOT_SUPPORTED
        if self._options.check_called_ae and request.called_ae != self._options.ae_title:
            return CALLED_AE_NOT_RECOGNIZED
        peer = self.peer(request)
        if not self._archive.admits(peer, request.user.identity):
            return CALLING_AE_NOT_RECOGNIZED
        if not self._slots.take(peer):
            return LOCAL_LIMIT_EXCEEDED
        self._taken = peer
        return None
