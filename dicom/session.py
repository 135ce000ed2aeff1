"""What serving one association needs, shared by the DIMSE services."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from dicom.archive import Archive, ArchiveFault, Commitment, Peer, Right
from dicom.association import Association, Message, Timeouts
from dicom.elements import Buffer
from dicom.status import Status


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
    timeouts: Timeouts = field(default_factory=Timeouts)
    grace_s: float = 30.0
    """Seconds that running associations get to end when the server stops."""
    pending_interval_s: float = 0.5
    """Least seconds between two Pending responses of one C-MOVE or C-GET."""
    prefetch: int = 4
    """Instances announced to the archive ahead of the one that is sent."""


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
