"""What serving one association needs, shared by the DIMSE services."""

from __future__ import annotations

import socket
import ssl
from dataclasses import dataclass, field, replace
from typing import Protocol

from dicom.archive import Archive, ArchiveFault, Commitment, Node, Peer, Right
from dicom.association import Association, Message, Timeouts
from dicom.elements import Buffer
from dicom.status import Status


class Security(Protocol):
    """Puts TLS over connections. Safe to use from several threads."""

    def accept(self, connection: socket.socket) -> ssl.SSLSocket:
        """Take over a connection that came in; its handshake is still to be done.

        Raises:
            OSError: the peer is gone already.
        """

    def connect(self, node: Node, connection: socket.socket) -> ssl.SSLSocket:
        """Take over a connection to a node and do the handshake, within the socket's timeout.

        Raises:
            OSError: the handshake failed, or this is not the node that was meant.
        """


@dataclass(frozen=True, slots=True)
class ServerOptions:
    """How this Application Entity behaves on the network."""

    ae_title: str
    check_called_ae: bool = False
    """Whether a request for another called AE title is rejected."""
    max_pdu: int = 131072
    """Longest P-DATA-TF taken, bytes; the longest that DCMTK sends."""
    max_associations: int = 64
    """Associations that one receiver process serves at once."""
    max_associations_per_peer: int = 64
    """How many of them one AE title at one address may have."""
    max_half_open: int = 64
    """Connections without an association yet that one receiver process holds at once."""
    timeouts: Timeouts = field(default_factory=Timeouts)
    grace_s: float = 30.0
    """Seconds that running associations get to end when the server stops."""
    pending_interval_s: float = 0.5
    """Least seconds between two Pending responses of one C-MOVE or C-GET."""
    prefetch: int = 4
    """Instances announced to the archive ahead of the one that is sent."""
    security: Security | None = None
    """TLS, None where it is not set up."""


@dataclass(frozen=True, slots=True)
class Session:
    """One association that is being served."""

    association: Association
    archive: Archive
    peer: Peer
    options: ServerOptions
    transactions: set[str] = field(default_factory=set)
    """Commitments requested on this association whose reports are still to come."""
    reports: dict[int, Commitment] = field(default_factory=dict)
    """Reports sent on this association that the peer has not responded to, by Message ID."""

    def reply(
        self,
        message: Message,
        status: int,
        comment: str | None = None,
        dataset: Buffer | None = None,
    ) -> None:
        """Answer a request.

        Raises:
            AssociationFault: the association ended.
        """
        response = message.command.reply(status, comment)
        if dataset is not None:
            response = replace(response, has_dataset=True)
        self.association.send(message.context.context_id, response, dataset)

    def refuse(self, message: Message, status: int, comment: str | None = None) -> None:
        """Answer a request whose dataset is not wanted, once all of it has arrived.

        Raises:
            AssociationFault: the association ended.
        """
        for _ in self.association.fragments():
            continue
        self.reply(message, status, comment)

    def require(self, right: Right) -> None:
        """Check that the peer may use a service.

        Raises:
            ArchiveFault: it may not (0x0124).
        """
        if not self.archive.permits(self.peer, right):
            raise ArchiveFault(Status.NOT_AUTHORIZED, f"not authorized to {right.value}")
