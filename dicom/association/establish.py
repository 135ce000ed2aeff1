"""Opening associations, as acceptor and as requestor (PS3.8 7.1)."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Mapping

from dicom.association.association import Association, Context, Timeouts
from dicom.association.faults import (
    AbortReason,
    AssociationFault,
    AssociationRejected,
    ConnectionLost,
    PeerAborted,
    ProtocolFault,
)
from dicom.association.negotiation import (
    AssociateAccept,
    AssociateReject,
    AssociateRequest,
    ContextResult,
    decode_accept,
    decode_reject,
    decode_request,
)
from dicom.association.pdu import PduStream, PduType
from dicom.association.transport import SecureTransport, Transport

Answer = Callable[[AssociateRequest], AssociateAccept | AssociateReject]
Secure = Callable[[socket.socket], ssl.SSLSocket]
"""Puts TLS over a connected socket and does the handshake; raises OSError where that fails."""


def accept_association(
    transport: Transport, answer: Answer, max_length: int, timeouts: Timeouts
) -> tuple[Association, AssociateRequest] | None:
    """Wait for an A-ASSOCIATE-RQ on a new connection and answer it.

    Args:
        transport: an accepted connection; closed unless an association is returned.
        answer: decides on the request.
        max_length: longest P-DATA-TF taken, as the answer states it.
        timeouts: ``acse`` bounds the TLS handshake, and the wait for the request.

    Returns:
        The association and the request it came from, or None when it was rejected.

    Raises:
        AssociationFault: no valid request came.
    """
    transport.handshake(timeouts.acse)
    stream = PduStream(transport, max_length)
    try:
        request = _read_request(stream, timeouts)
        reply = answer(request)
        stream.write(reply.encode(), timeout=timeouts.acse)
        if isinstance(reply, AssociateReject):
            stream.close()
            return None
    except AssociationFault as fault:
        stream.abort(fault)
        raise
    contexts = _agreed(request, reply)
    return Association(stream, contexts, request.user.max_length, timeouts), request


def request_association(
    host: str,
    port: int,
    request: AssociateRequest,
    timeouts: Timeouts,
    secure: Secure | None = None,
) -> Association:
    """Connect to a peer, over TLS where ``secure`` puts it there, and open an association.

    Raises:
        AssociationRejected: the peer refused.
        AssociationFault: the peer could not be reached, did not prove who it is, or did not answer
            as it should.
    """
    stream = PduStream(_connect(host, port, timeouts, secure), request.user.max_length)
    try:
        stream.write(request.encode(), timeout=timeouts.acse)
        accept = _read_accept(stream, timeouts)
    except AssociationFault as fault:
        stream.abort(fault)
        raise
    return Association(stream, _agreed(request, accept), accept.user.max_length, timeouts)


def _connect(host: str, port: int, timeouts: Timeouts, secure: Secure | None) -> Transport:
    try:
        connection = socket.create_connection((host, port), timeouts.connect)
    except OSError as error:
        raise ConnectionLost(f"cannot connect: {error.strerror or 'unknown host'}") from error
    if secure is None:
        return Transport(connection)
    try:
        return SecureTransport(secure(connection))
    except OSError as error:
        connection.close()
        raise ConnectionLost(f"TLS handshake failed: {error.strerror or 'too slow'}") from error


def _read_request(stream: PduStream, timeouts: Timeouts) -> AssociateRequest:
    kind, body = stream.read(timeouts.acse)
    if kind is not PduType.ASSOCIATE_RQ:
        raise ProtocolFault(f"{kind.name} instead of a request", AbortReason.UNEXPECTED_PDU)
    return decode_request(body)


def _read_accept(stream: PduStream, timeouts: Timeouts) -> AssociateAccept:
    kind, body = stream.read(timeouts.acse)
    if kind is PduType.ASSOCIATE_AC:
        return decode_accept(body)
    if kind is PduType.ASSOCIATE_RJ:
        reject = decode_reject(body)
        raise AssociationRejected(reject.result, reject.source, reject.reason)
    if kind is PduType.ABORT:
        raise PeerAborted("aborted while it was being opened")
    raise ProtocolFault(f"{kind.name} instead of an answer", AbortReason.UNEXPECTED_PDU)


def _agreed(request: AssociateRequest, accept: AssociateAccept) -> Mapping[int, Context]:
    proposed = {context.context_id: context for context in request.contexts}
    roles = {role.sop_class_uid: role for role in accept.user.roles}
    agreed = {}
    for answer in accept.contexts:
        proposal = proposed.get(answer.context_id)
        if answer.result is not ContextResult.ACCEPTANCE or proposal is None:
            continue
        role = roles.get(proposal.abstract_syntax)
        agreed[answer.context_id] = Context(
            answer.context_id,
            proposal.abstract_syntax,
            answer.transfer_syntax,
            requestor_scu=role is None or role.scu,
            requestor_scp=role is not None and role.scp,
        )
    return agreed
