"""What the DIMSE services ask of an archive.

The services of this package speak DICOM; where instances live, how they are found and who may
ask is the archive's business. :class:`Archive` is that boundary: ``service`` implements it, the
tests implement it in memory, and one conformance suite runs over both.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol

from pydicom.dataset import Dataset

from dicom.association import UserIdentity


class Right(Enum):
    """What a node may ask for."""

    STORE = "store"
    QUERY = "query"
    RETRIEVE = "retrieve"
    COMMIT = "commit"


class Model(Enum):
    """Query/Retrieve Information Model (PS3.4 C.6)."""

    PATIENT_ROOT = "patient"
    STUDY_ROOT = "study"


@dataclass(frozen=True, slots=True)
class Peer:
    """The requestor of an association."""

    calling_ae: str
    called_ae: str
    address: str
    is_secure: bool = False
    """Whether the association runs over TLS."""
    certificate: bytes | None = None
    """The certificate, DER, that the peer proved to be its own in the TLS handshake."""
    user: str = ""
    """The username that the requestor states (PS3.7 D.3.3.7); proven where a passcode came too."""


@dataclass(frozen=True, slots=True)
class Node:
    """A known peer Application Entity and what it may do."""

    ae_title: str
    host: str
    port: int
    rights: frozenset[Right] = frozenset(Right)
    coerced: bool = False
    """Whether this node gets corrected attributes instead of the received bytes."""
    tls: bool = False
    """Whether associations with this node run over TLS, whoever opens them."""
    certificate: str = ""
    """The only certificate by which this node proves who it is, by its SHA-256 fingerprint or its
    subject (RFC 4514); empty: any that a trusted authority vouches for."""
    sources: tuple[str, ...] = ()
    """Networks that it may call from (CIDR); empty: its host alone."""
    destinations: tuple[str, ...] = ()
    """AE titles that it may have instances moved to, ``*`` for all nodes; empty: its own alone."""
    users: tuple[str, ...] = ()
    """Usernames of which it must prove one, by a passcode; empty: it need not."""


@dataclass(frozen=True, slots=True)
class StoreRequest:
    """The command set of one C-STORE request and the context it came in (PS3.7 9.1.1)."""

    peer: Peer
    sop_class_uid: str
    sop_instance_uid: str
    transfer_syntax: str


class Incoming(Protocol):
    """One dataset on its way into the archive: fragments, then exactly one commit or abort."""

    def write(self, fragment: bytes) -> int:
        """Take the next bytes of the encoded dataset.

        Never raises: a fault is kept and raised by :meth:`commit`, so that the rest of the
        message can be read off the association.
        """

    def commit(self) -> None:
        """Make the instance durable and indexed; on return, Success may be answered.

        Raises:
            ArchiveFault: it could not be made durable; nothing of it is kept.
        """

    def abort(self) -> None:
        """Forget what was written (the association ended before the last fragment)."""


@dataclass(frozen=True, slots=True)
class Query:
    """A C-FIND, C-MOVE or C-GET identifier with its level and model (PS3.4 C.4)."""

    model: Model
    level: str
    """One of PATIENT, STUDY, SERIES, IMAGE."""
    identifier: Dataset
    peer: Peer


@dataclass(frozen=True, slots=True)
class Match:
    """One C-FIND reply before encoding, with the keys that were asked for but not supported."""

    attributes: Dataset
    """Without Query/Retrieve Level, which every reply gets from its query."""
    unsupported: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class StoredInstance:
    """One instance that a retrieval selected."""

    handle: str
    """The archive's own name for the revision to be served."""
    sop_class_uid: str
    sop_instance_uid: str
    transfer_syntax: str
    """As received; the encoding that :meth:`Archive.read` gives back unless told another."""


@dataclass(frozen=True, slots=True)
class CommitmentItem:
    """One referenced SOP Instance of a storage commitment request (PS3.4 J.3)."""

    sop_class_uid: str
    sop_instance_uid: str
    failure: int | None = None
    """Failure Reason (0008,1197), or None for success."""


@dataclass(frozen=True, slots=True)
class Commitment:
    """A storage commitment transaction whose report is due."""

    transaction_uid: str
    peer: Peer
    items: Sequence[CommitmentItem] = field(default=())


class ArchiveFault(Exception):
    """An archive could not do what a DIMSE service asked.

    ``status`` is the DIMSE status to answer with (PS3.7 Annex C), ``comment`` an Error Comment
    (0000,0902) of at most 64 characters, free of patient data.
    """

    def __init__(self, status: int, comment: str) -> None:
        super().__init__(f"0x{status:04X}: {comment}")
        self.status = status
        self.comment = comment


class Archive(Protocol):
    """The archive behind the DIMSE services. Methods are called from association threads."""

    def admits(self, peer: Peer, identity: UserIdentity | None) -> bool:
        """Whether a peer may open an association, as the user that its request states.

        Raises:
            ArchiveFault: it cannot tell for now.
        """

    def permits(self, peer: Peer, right: Right) -> bool:
        """Whether the peer may use a service."""

    def permits_move(self, peer: Peer, destination: Node) -> bool:
        """Whether the peer may have instances sent to a node."""

    def node(self, ae_title: str) -> Node | None:
        """Look up a C-MOVE destination or commitment requestor."""

    def incoming(self, request: StoreRequest) -> Incoming:
        """Open the way into the archive for one C-STORE. Faults surface in ``commit``."""

    def find(self, query: Query) -> Iterator[Match]:
        """Match, lazily and in a stable order (PS3.4 C.2.2.2). Closing the iterator ends the query.

        Raises:
            ArchiveFault: 0xA900 for an identifier that does not fit its level and model.
        """

    def select(self, query: Query) -> Sequence[StoredInstance]:
        """Name the instances that a C-MOVE or C-GET identifier covers."""

    def read(
        self, instance: StoredInstance, transfer_syntax: str | None = None
    ) -> AbstractContextManager[memoryview]:
        """Give the encoded dataset, verified against the SHA-256 of what was received.

        The view is valid inside the ``with`` block only.

        Args:
            instance: one that :meth:`select` named.
            transfer_syntax: Implicit or Explicit VR Little Endian to have it transcoded
                (:mod:`dicom.transcode`); None for the very bytes received.

        Raises:
            ArchiveFault: missing, altered or not decodable, or 0xC000 where nothing installed
                decodes its frames; nothing wrong is ever handed out.
        """

    def coerce(
        self, instance: StoredInstance, dataset: memoryview, transfer_syntax: str
    ) -> bytes | None:
        """Apply corrections for a node that gets coerced datasets; None when there are none.

        ``transfer_syntax`` is that of ``dataset``, and of what is given back.
        """

    def prefetch(self, instance: StoredInstance, transfer_syntax: str | None = None) -> None:
        """Hint that :meth:`read` will be asked for this soon.

        Raises:
            ArchiveFault: nothing can be prepared; reading may yet succeed.
        """

    def request_commitment(self, commitment: Commitment) -> None:
        """Record a storage commitment request; its report becomes due later."""

    def due_commitments(self) -> Sequence[Commitment]:
        """Name the transactions whose report is to be sent now, outcome filled in."""

    def claim_commitment(self, commitment: Commitment) -> bool:
        """Take a due report on: True for one caller alone, until it records what became of it."""

    def commitment_reported(self, commitment: Commitment, delivered: bool) -> None:
        """Record that a claimed report was delivered, or that the attempt failed."""

    def retrieved(
        self, peer: Peer, query: Query, completed: int, failed: int, destination: str
    ) -> None:
        """Leave the trail entry of one finished C-MOVE or C-GET, to the AE title named."""
