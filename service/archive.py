"""The archive behind the DIMSE services: :class:`dicom.archive.Archive` over one home.

Thin: each method passes on to the part that does the work, and tells its faults as DIMSE statuses.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from dicom.archive import (
    ArchiveFault,
    Commitment,
    Incoming,
    Match,
    Node,
    Peer,
    Query,
    Right,
    StoredInstance,
    StoreRequest,
)
from dicom.association import UserIdentity
from service import coerce, inquiry
from service.access import Access
from service.commitment import Commitments
from service.errors import Fault, rendering
from service.home import Home
from service.receive import COMMENT_LENGTH, Origin, Reception
from service.retrieve import Retriever
from service.upkeep.alarm import alarmed


class ServiceArchive:
    """One receiver's view of the archive. Safe to use from the threads of its associations."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._retriever = Retriever(home)
        self._commitments = Commitments(home)
        self._access = Access(home.index, is_open=home.settings.service.open_to_unknown_peers)

    def __enter__(self) -> ServiceArchive:
        return self

    def __exit__(self, *exception: object) -> None:
        self._retriever.close()

    def admits(self, peer: Peer, identity: UserIdentity | None) -> bool:
        """Whether a peer may open an association."""
        with _as_dimse():
            return self._access.admits(peer, identity)

    def permits(self, peer: Peer, right: Right) -> bool:
        """Whether a peer may use a service."""
        with _as_dimse():
            return self._access.permits(peer, right)

    def permits_move(self, peer: Peer, destination: Node) -> bool:
        """Whether a peer may have instances sent to a node."""
        with _as_dimse():
            return self._access.permits_move(peer, destination)

    def node(self, ae_title: str) -> Node | None:
        """Look up a node; a new one counts at once."""
        with _as_dimse():
            return self._home.index.nodes.get(ae_title)

    def incoming(self, request: StoreRequest) -> Incoming:
        """Open the way in for one C-STORE."""
        return Reception(self._home, Origin.of(request))

    def find(self, query: Query) -> Iterator[Match]:
        """Match a query, lazily; it leaves a trail entry."""
        with _as_dimse():
            yield from inquiry.find(self._home, query)

    def select(self, query: Query) -> Sequence[StoredInstance]:
        """Name the instances that a retrieval covers."""
        with _as_dimse():
            return [
                StoredInstance(
                    handle=str(servable.revision_id),
                    sop_class_uid=servable.sop_class_uid,
                    sop_instance_uid=servable.sop_instance_uid,
                    transfer_syntax=servable.transfer_syntax,
                )
                for servable in self._home.index.select(query)
            ]

    @contextmanager
    def read(
        self, instance: StoredInstance, transfer_syntax: str | None = None
    ) -> Iterator[memoryview]:
        """Lend the dataset, verified: as received, or transcoded by a worker."""
        number = int(instance.handle)
        with (
            _as_dimse(),
            alarmed(self._home, number, transfer_syntax),
            self._retriever.read(number, transfer_syntax) as dataset,
        ):
            yield dataset

    def coerce(
        self, instance: StoredInstance, dataset: memoryview, transfer_syntax: str
    ) -> bytes | None:
        """Apply the corrections that concern an instance; None when there are none."""
        with _as_dimse():
            changes = self._home.index.corrections.coerced(int(instance.handle))
            if changes is None:
                return None
            return coerce.apply(changes, dataset, transfer_syntax)

    def prefetch(self, instance: StoredInstance, transfer_syntax: str | None = None) -> None:
        """Begin reading what will be asked for soon."""
        with _as_dimse():
            self._retriever.prefetch(int(instance.handle), transfer_syntax)

    def request_commitment(self, commitment: Commitment) -> None:
        """Record a storage commitment request."""
        with _as_dimse():
            self._commitments.request(commitment)

    def due_commitments(self) -> Sequence[Commitment]:
        """Name the reports that are to be sent now."""
        with _as_dimse():
            return self._commitments.due()

    def claim_commitment(self, commitment: Commitment) -> bool:
        """Take a due report on."""
        with _as_dimse():
            return self._commitments.claim(commitment)

    def commitment_reported(self, commitment: Commitment, delivered: bool) -> None:
        """Record what became of a report."""
        with _as_dimse():
            self._commitments.reported(commitment, delivered)

    def retrieved(
        self, peer: Peer, query: Query, completed: int, failed: int, destination: str
    ) -> None:
        """Leave the trail entry of a retrieval."""
        with _as_dimse():
            self._home.index.trail.append(
                "retrieve",
                {
                    "peer": peer.calling_ae,
                    "address": peer.address,
                    "level": query.level,
                    "completed": completed,
                    "failed": failed,
                    "destination": destination,
                    "study_uids": inquiry.studies(self._home, query),
                },
            )


@contextmanager
def _as_dimse() -> Iterator[None]:
    """Tell our faults as DIMSE statuses."""
    try:
        yield
    except Fault as fault:
        told = rendering(fault)
        raise ArchiveFault(told.dimse, told.message[:COMMENT_LENGTH]) from fault
