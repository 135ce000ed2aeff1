"""Associations that this archive opens itself: to C-MOVE destinations, for commitment reports."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from dicom.archive import Node
from dicom.association import (
    AssociateRequest,
    Association,
    ConnectionLost,
    ProposedContext,
    RoleSelection,
    request_association,
)
from dicom.contexts import user_information
from dicom.session import ServerOptions


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
