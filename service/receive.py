"""Taking an instance in: journal, index row, and only then Success.

The order is a promise (docs/architecture.md, "must" 1): the journal entry and its folder are
synced before the index transaction commits, and :meth:`Reception.commit` returns after that.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Collection
from dataclasses import dataclass
from functools import partial
from typing import Final

import structlog
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue

from dicom.archive import ArchiveFault, StoreRequest
from dicom.attributes import read_attributes
from dicom.surrogate import surrogate_instance_uid
from service.errors import Fault, JournalFault, OutOfSpace, Unknown, rendering
from service.failpoints import failpoint
from service.head import Head
from service.home import Home
from service.index import Added, Index
from service.index.hiding import NOTHING
from service.records import ID_BYTES, Received
from service.rejection import take_in
from service.resend import restore_lost
from service.sealing.journal import JournalWriter, remove_entry
from service.sequence import utc_now

COMMENT_LENGTH: Final = 64
"""Characters of an Error Comment (0000,0902), of VR LO."""

IMPORT_ADDRESS: Final = "import"
"""Stands where a C-STORE has the peer's network address."""

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a dataset comes from, as known before its first byte."""

    sop_class_uid: str
    """Of the command, or of the file meta information of an import."""
    sop_instance_uid: str
    calling_ae: str
    called_ae: str
    address: str
    transfer_syntax: str
    prefix: bytes = b""
    """What stood before the dataset in an imported file."""

    @classmethod
    def of(cls, request: StoreRequest) -> Origin:
        """Read it off a C-STORE request."""
        return cls(
            sop_class_uid=request.sop_class_uid,
            sop_instance_uid=request.sop_instance_uid,
            calling_ae=request.peer.calling_ae,
            called_ae=request.peer.called_ae,
            address=request.peer.address,
            transfer_syntax=request.transfer_syntax,
        )

    def told(self) -> dict[str, object]:
        """Give what a journal entry says of itself from its first byte on."""
        return {
            "sop_class_uid": self.sop_class_uid,
            "sop_instance_uid": self.sop_instance_uid,
            "calling_ae": self.calling_ae,
            "called_ae": self.called_ae,
            "transfer_syntax": self.transfer_syntax,
        }


class Reception:
    """One dataset on its way in; :class:`dicom.archive.Incoming`. Use from one thread."""

    def __init__(self, home: Home, origin: Origin) -> None:
        self._home = home
        self._origin = origin
        self._head = Head(origin.transfer_syntax)
        self._fault: Fault | None = None
        self._writer: JournalWriter | None = None
        try:
            self._writer = self._open()
        except Fault as fault:
            self._fault = fault

    def write(self, fragment: bytes) -> int:
        """Take the next bytes of the encoded dataset; a fault is kept for the end."""
        if self._writer is not None and self._fault is None:
            try:
                self._writer.write(fragment)
                self._head.write(fragment)
            except Fault as fault:
                self._fault = fault
                self._writer.abort()
        return len(fragment)

    def commit(self) -> None:
        """Make the instance durable and indexed; on return, Success may be answered.

        Raises:
            ArchiveFault: it could not be made durable; nothing of it is kept.
        """
        try:
            self.take()
        except Exception as fault:
            told = rendering(fault)
            _log.error("instance refused", status=told.dimse, exc_info=fault)
            raise ArchiveFault(told.dimse, told.message[:COMMENT_LENGTH]) from fault

    def take(self) -> Added:
        """Make the instance durable and indexed; tell what it turned out to be.

        Raises:
            Fault: it could not be made durable; nothing of it is kept.
        """
        if self._fault is not None:
            raise self._fault
        if self._writer is None:
            raise RuntimeError("a reception without a fault has a journal entry")
        attributes = read_attributes(self._head.taken, self._origin.transfer_syntax)
        received = self._received(self._writer, attributes)
        with self._home.settling(self._writer.key_id):
            self._writer.finish(received)
            return self._index(received, attributes)

    def abort(self) -> None:
        """Forget what was written."""
        if self._writer is not None:
            self._writer.abort()

    def _open(self) -> JournalWriter:
        self._check_room()
        entry_id = secrets.token_bytes(ID_BYTES)
        return JournalWriter(self._home.journal, self._home.keys, entry_id, self._origin.told())

    def _check_room(self) -> None:
        try:
            disk = os.statvfs(self._home.journal)
        except OSError as fault:
            raise JournalFault(f"the journal's folder: {fault.strerror}") from fault
        if disk.f_bavail * disk.f_frsize < self._home.settings.receive.min_free_bytes:
            raise OutOfSpace("the journal's disk is nearly full")

    def _received(self, writer: JournalWriter, attributes: Dataset) -> Received:
        origin = self._origin
        return Received(
            entry_id=writer.entry_id,
            sop_class_uid=text_of(attributes, "SOPClassUID") or origin.sop_class_uid,
            sop_instance_uid=(
                text_of(attributes, "SOPInstanceUID")
                or origin.sop_instance_uid
                or surrogate_instance_uid(writer.sha256)
            ),
            command_sop_class_uid=origin.sop_class_uid,
            command_sop_instance_uid=origin.sop_instance_uid,
            study_uid=text_of(attributes, "StudyInstanceUID"),
            series_uid=text_of(attributes, "SeriesInstanceUID"),
            calling_ae=origin.calling_ae,
            called_ae=origin.called_ae,
            address=origin.address,
            transfer_syntax=origin.transfer_syntax,
            received_at=utc_now(),
            sequence=self._home.sequence.next(),
            length=writer.length,
            sha256=writer.sha256,
            prefix=origin.prefix,
        )

    def _index(self, received: Received, attributes: Dataset) -> Added:
        try:
            indexed = partial(add, self._home.index, received, attributes)
            added = take_in(self._home, received, self._head.taken, indexed)
        except Exception:
            self._withdraw(received.entry_id)
            raise
        failpoint("entry.indexed")
        mismatch = added.instance_mismatch or added.class_mismatch
        if added.quarantined is not None or mismatch:
            entry = received.entry_id.hex()
            quarantined = added.quarantined
            _log.warning("flagged", entry=entry, quarantined=quarantined, mismatch=mismatch)
        if added.past != NOTHING:
            _log.warning("deleted or rejected before", entry=received.entry_id.hex())
        if added.duplicate:
            try:
                restore_lost(self._home, added.revision_id, received)
            finally:
                remove_entry(self._home.journal, received.entry_id)
        return added

    def _withdraw(self, entry_id: bytes) -> None:
        """Remove an entry that got no row.

        A database may fail after it committed: an entry whose row is there has to stay, or the
        same bytes sent again would count as a duplicate of something lost. Where the index cannot
        tell, start-up will (:mod:`service.upkeep.recovery`).
        """
        try:
            self._home.index.revisions.by_entry(entry_id)
        except Unknown:
            remove_entry(self._home.journal, entry_id)
        except Fault as fault:
            _log.warning("entry left to recovery", entry=entry_id.hex(), exc_info=fault)


def add(
    index: Index,
    received: Received,
    attributes: Dataset,
    *,
    acknowledged: bool = False,
    others: Collection[int] = (),
) -> Added:
    """Index a reception; where its attributes defeat the index, without them.

    No instance is lost, refused, or keeps the archive from starting for what its dataset says. What
    happens here otherwise is a fault of ours, and is logged as one.

    Raises:
        Rejected: a rejection note forbids it, and it was not ``acknowledged`` before.
        Fault: it could not be made durable.
    """
    try:
        return index.add(received, attributes, acknowledged=acknowledged, others=others)
    except Fault:
        raise
    except Exception as fault:  # noqa: BLE001 - whatever it is, the instance is to be kept
        _log.critical("attributes not indexed", entry=received.entry_id.hex(), exc_info=fault)
        return index.add(received, Dataset(), acknowledged=acknowledged, others=others)


def text_of(attributes: Dataset, keyword: str) -> str:
    """Give a UID as opaque text, whatever the dataset holds in its place."""
    value = attributes.get(keyword)
    if value is None:
        return ""
    if isinstance(value, MultiValue | list):
        return "\\".join(str(item) for item in value)
    text = value.decode("latin-1") if isinstance(value, bytes) else str(value)
    return text.rstrip(" \0")
