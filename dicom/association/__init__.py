"""Associations and DIMSE messages (PS3.8, PS3.7): one blocking connection for each association.

The peer's word is never trusted: lengths are checked against the negotiated limits before
anything is allocated, unknown items are skipped as PS3.8 9.3.1 asks, and whatever breaks the
protocol is a :class:`~dicom.association.faults.ProtocolFault` that ends in an A-ABORT.
"""

from dicom.association.association import Association, Context, Message, Timeouts
from dicom.association.command import Command, CommandField
from dicom.association.establish import accept_association, request_association
from dicom.association.faults import (
    AssociationFault,
    AssociationRejected,
    ConnectionLost,
    PeerAborted,
    ProtocolFault,
    TimedOut,
)
from dicom.association.negotiation import (
    AssociateAccept,
    AssociateReject,
    AssociateRequest,
    ContextAnswer,
    ContextResult,
    ProposedContext,
    RoleSelection,
    UserInformation,
)

__all__ = [
    "AssociateAccept",
    "AssociateReject",
    "AssociateRequest",
    "Association",
    "AssociationFault",
    "AssociationRejected",
    "Command",
    "CommandField",
    "ConnectionLost",
    "Context",
    "ContextAnswer",
    "ContextResult",
    "Message",
    "PeerAborted",
    "ProposedContext",
    "ProtocolFault",
    "RoleSelection",
    "TimedOut",
    "Timeouts",
    "UserInformation",
    "accept_association",
    "request_association",
]
