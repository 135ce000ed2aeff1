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
from dicom.association.identity import IdentityType, UserIdentity
from dicom.association.negotiation import (
    MAX_CONTEXTS,
    AssociateAccept,
    AssociateReject,
    AssociateRequest,
    ContextAnswer,
    ContextResult,
    ProposedContext,
    RoleSelection,
    UserInformation,
)
from dicom.association.transport import SecureTransport, Transport

__all__ = [
    "MAX_CONTEXTS",
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
    "IdentityType",
    "Message",
    "PeerAborted",
    "ProposedContext",
    "ProtocolFault",
    "RoleSelection",
    "SecureTransport",
    "TimedOut",
    "Timeouts",
    "Transport",
    "UserIdentity",
    "UserInformation",
    "accept_association",
    "request_association",
]
