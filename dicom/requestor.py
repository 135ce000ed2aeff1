"""Associations that this archive opens itself: to C-MOVE destinations, for commitment reports."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from dicom.archive import Node
from dicom.association import (
    AssociateRequest,
    Association,
    AssociationFault,
    Command,
    CommandField,
    ConnectionLost,
    ProposedContext,
    RoleSelection,
    request_association,
)
from dicom.contexts import UNCOMPRESSED_LITTLE, user_information
from dicom.session import ServerOptions
from dicom.sop_classes import VERIFICATION
from dicom.status import Status


def associate(
    node: Node,
    contexts: Sequence[ProposedContext],
    options: ServerOptions,
    roles: Sequence[RoleSelection] = (),
) -> Association:
    """Open an association with a node, over TLS where the node is set so.

    Raises:
        AssociationFault: it could not be opened; without TLS set up here, a node that is to be
            reached over TLS never is, and nothing is sent to it in the clear.
    """
    user = user_information(options.max_pdu, roles)
    request = AssociateRequest(node.ae_title, options.ae_title, tuple(contexts), user)
    if not node.tls:
        return request_association(node.host, node.port, request, options.timeouts)
    if options.security is None:
        raise ConnectionLost("the node is to be reached over TLS, which is not set up here")
    secure = partial(options.security.connect, node)
    return request_association(node.host, node.port, request, options.timeouts, secure)


def verify(node: Node, options: ServerOptions) -> None:
    """Ask a node for a C-ECHO (PS3.4 Annex A).

    Raises:
        AssociationFault: it could not be reached, or did not answer with Success.
    """
    proposed = ProposedContext(1, VERIFICATION, UNCOMPRESSED_LITTLE)
    association = associate(node, (proposed,), options)
    try:
        if proposed.context_id not in association.contexts:
            raise AssociationFault("it does not take part in Verification")
        request = Command(
            CommandField.C_ECHO,
            message_id=association.next_message_id(),
            affected_sop_class_uid=VERIFICATION,
        )
        response = association.exchange(proposed.context_id, request)
        if response.status != Status.SUCCESS:
            raise AssociationFault(f"it answered a C-ECHO with 0x{response.status or 0:04X}")
        association.release()
    except AssociationFault as fault:
        association.abort(fault)
        raise
