"""An archive in memory: what the DIMSE services are tested against."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from pydicom.dataset import Dataset

from dicom.archive import (
    ArchiveFault,
    Commitment,
    Match,
    Node,
    Peer,
    Query,
    Right,
    StoredInstance,
    StoreRequest,
)
from dicom.association import UserIdentity
from dicom.attributes import read_attributes
from dicom.matching import ListOfUid, SingleValue, matches, parse_identifier
from dicom.transcode import TranscodeError, to_uncompressed

LEVEL_KEYS = {
    "PATIENT": "PatientID",
    "STUDY": "StudyInstanceUID",
    "SERIES": "SeriesInstanceUID",
    "IMAGE": "SOPInstanceUID",
}
LEVELS = tuple(LEVEL_KEYS)
UNSUPPORTED_KEY = 0x00181030
"""Protocol Name: this archive does not answer it."""

_NOT_KEYS = {0x00080005, 0x00080052, UNSUPPORTED_KEY}


@dataclass(frozen=True)
class Kept:
    request: StoreRequest
    data: bytes
    attributes: Dataset

    @property
    def instance(self) -> StoredInstance:
        uid = str(self.attributes.get("SOPInstanceUID") or self.request.sop_instance_uid)
        sop_class = self.request.sop_class_uid
        return StoredInstance(uid, sop_class, uid, self.request.transfer_syntax)


class MemoryIncoming:
    def __init__(self, archive: MemoryArchive, request: StoreRequest) -> None:
        self._archive = archive
        self._request = request
        self._data = bytearray()

    def write(self, fragment: bytes) -> int:
        self._data += fragment
        self._archive.fragments += 1
        return len(fragment)

    def commit(self) -> None:
        if self._archive.store_fault is not None:
            raise self._archive.store_fault
        data = bytes(self._data)
        attributes = read_attributes(data, self._request.transfer_syntax)
        kept = Kept(self._request, data, attributes)
        self._archive.kept[kept.instance.handle] = kept

    def abort(self) -> None:
        self._archive.aborted.append(self._request)
        self._archive.something_aborted.set()


@dataclass
class MemoryArchive:
    """Keeps everything in dictionaries; faults and refusals are set by the tests."""

    known: set[str] | None = None
    """Calling AE titles that are admitted; None for all."""
    rights: frozenset[Right] = frozenset(Right)
    forbidden_destinations: set[str] = field(default_factory=set)
    identities: list[UserIdentity | None] = field(default_factory=list)
    """What the requestors said of their users."""
    nodes: dict[str, Node] = field(default_factory=dict)
    store_fault: ArchiveFault | None = None
    read_faults: dict[str, ArchiveFault] = field(default_factory=dict)
    coercions: dict[str, Callable[[bytes, str], bytes]] = field(default_factory=dict)
    """What is done to a dataset and its transfer syntax for coerced nodes, by instance."""
    kept: dict[str, Kept] = field(default_factory=dict)
    aborted: list[StoreRequest] = field(default_factory=list)
    something_aborted: threading.Event = field(default_factory=threading.Event)
    fragments: int = 0
    prefetched: list[tuple[str, str | None]] = field(default_factory=list)
    retrievals: list[tuple[Query, int, int]] = field(default_factory=list)
    requested: list[Commitment] = field(default_factory=list)
    due: list[Commitment] = field(default_factory=list)
    claimed: set[str] = field(default_factory=set)
    reported: list[tuple[Commitment, bool]] = field(default_factory=list)
    found: list[Query] = field(default_factory=list)
    find_closed: threading.Event = field(default_factory=threading.Event)
    endless: bool = False
    """Whether a query never runs out of matches."""

    def admits(self, peer: Peer, identity: UserIdentity | None) -> bool:
        self.identities.append(identity)
        return self.known is None or peer.calling_ae in self.known

    def permits(self, peer: Peer, right: Right) -> bool:
        return right in self.rights

    def permits_move(self, peer: Peer, destination: Node) -> bool:
        return destination.ae_title not in self.forbidden_destinations

    def node(self, ae_title: str) -> Node | None:
        return self.nodes.get(ae_title)

    def incoming(self, request: StoreRequest) -> MemoryIncoming:
        return MemoryIncoming(self, request)

    def find(self, query: Query) -> Generator[Match, None, None]:
        self.found.append(query)
        try:
            while True:
                yield from self._matches(query)
                if not self.endless:
                    return
        finally:
            self.find_closed.set()

    def select(self, query: Query) -> Sequence[StoredInstance]:
        levels = LEVELS[: LEVELS.index(query.level) + 1]
        keys = parse_identifier(query.identifier)
        for tag, condition in keys.items():
            if tag not in _NOT_KEYS and not isinstance(condition, SingleValue | ListOfUid):
                raise ArchiveFault(0xA900, f"{levels[-1]} retrieval by other than unique keys")
        return [kept.instance for kept in self._selected(query)]

    @contextmanager
    def read(
        self, instance: StoredInstance, transfer_syntax: str | None = None
    ) -> Iterator[memoryview]:
        if instance.handle in self.read_faults:
            raise self.read_faults[instance.handle]
        received = memoryview(self.kept[instance.handle].data)
        if transfer_syntax is None:
            yield received
            return
        try:
            transcoded = to_uncompressed(received, instance.transfer_syntax, transfer_syntax)
        except TranscodeError as error:
            raise ArchiveFault(0xC000, "cannot be transcoded") from error
        yield memoryview(transcoded)

    def coerce(
        self, instance: StoredInstance, dataset: memoryview, transfer_syntax: str
    ) -> bytes | None:
        change = self.coercions.get(instance.handle)
        return None if change is None else change(bytes(dataset), transfer_syntax)

    def prefetch(self, instance: StoredInstance, transfer_syntax: str | None = None) -> None:
        self.prefetched.append((instance.handle, transfer_syntax))

    def request_commitment(self, commitment: Commitment) -> None:
        self.requested.append(commitment)

    def settle(self) -> None:
        """Decide on all requested commitments: what is kept is committed."""
        for commitment in self.requested:
            items = [
                replace(item, failure=None if item.sop_instance_uid in self.kept else 0x0112)
                for item in commitment.items
            ]
            self.due.append(replace(commitment, items=items))
        self.requested.clear()

    def due_commitments(self) -> Sequence[Commitment]:
        return list(self.due)

    def claim_commitment(self, commitment: Commitment) -> bool:
        is_free = commitment.transaction_uid not in self.claimed
        self.claimed.add(commitment.transaction_uid)
        return is_free

    def commitment_reported(self, commitment: Commitment, delivered: bool) -> None:
        self.claimed.discard(commitment.transaction_uid)
        self.reported.append((commitment, delivered))
        if delivered:
            self.due.remove(commitment)

    def retrieved(
        self, peer: Peer, query: Query, completed: int, failed: int, destination: str
    ) -> None:
        self.retrievals.append((query, completed, failed))

    def _selected(self, query: Query) -> Iterator[Kept]:
        conditions = parse_identifier(query.identifier)
        for kept in list(self.kept.values()):
            held: Mapping[int, Any] = {int(e.tag): e.value for e in kept.attributes}
            if all(
                tag in _NOT_KEYS or matches(condition, _values(held.get(tag)))
                for tag, condition in conditions.items()
            ):
                yield kept

    def _matches(self, query: Query) -> Iterator[Match]:
        seen = set()
        for kept in self._selected(query):
            key = kept.attributes.get(LEVEL_KEYS[query.level])
            if key not in seen:
                seen.add(key)
                yield _match(kept, query)


def _values(value: object) -> list[object]:
    if value is None:
        return []
    return list(value) if isinstance(value, (list, tuple)) else [value]


def _match(kept: Kept, query: Query) -> Match:
    reply = Dataset()
    if "SpecificCharacterSet" in kept.attributes:
        reply.SpecificCharacterSet = kept.attributes.SpecificCharacterSet
    for element in query.identifier:
        if int(element.tag) not in _NOT_KEYS:
            reply.add_new(element.tag, element.VR, kept.attributes.get(element.tag, _Empty).value)
    reply.RetrieveAETitle = "MEMORY"
    reply.InstanceAvailability = "ONLINE"
    unsupported = {UNSUPPORTED_KEY} & {int(element.tag) for element in query.identifier}
    return Match(reply, frozenset(unsupported))


class _Empty:
    value = None
