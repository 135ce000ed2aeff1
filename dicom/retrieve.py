"""Retrieve service, C-MOVE and C-GET as SCP (PS3.4 C.4.2, C.4.3)."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from itertools import islice

from pydicom.dataset import Dataset

from dicom.archive import ArchiveFault, Node, Query, Right, StoredInstance
from dicom.association import Association, AssociationFault, Message
from dicom.contexts import StoragePlan, plan_storage
from dicom.identifiers import encode_dataset, read_query
from dicom.requestor import associate
from dicom.session import Session
from dicom.status import RetrieveStatus, Status
from dicom.suboperations import Originator, StorageScu, Tally

_LOGGER = logging.getLogger(__name__)


def get(session: Session, message: Message) -> None:
    """Serve one C-GET: the instances go over the association that asks for them.

    Raises:
        AssociationFault: the association ended.
    """
    try:
        session.require(Right.RETRIEVE)
        query = read_query(session, message)
        instances = session.archive.select(query)
        node = session.archive.node(session.peer.calling_ae)
    except ArchiveFault as fault:
        session.refuse(message, fault.status, fault.comment)
        return
    retrieval = _Retrieval(session, message, query, len(instances))
    contexts = [
        context for context in session.association.contexts.values() if context.requestor_scp
    ]
    coerced = node is not None and node.coerced
    scu = StorageScu(session.association, session.archive, contexts, coerced=coerced)
    with retrieval.recorded():
        for instance in retrieval.each(instances, scu):
            retrieval.count(instance, scu.send(instance))
    retrieval.finish()


def move(session: Session, message: Message) -> None:
    """Serve one C-MOVE: the instances go over associations of our own to a known node.

    Raises:
        AssociationFault: the association that asks ended.
    """
    try:
        session.require(Right.RETRIEVE)
        query = read_query(session, message)
        destination = _destination(session, message)
        instances = session.archive.select(query)
    except ArchiveFault as fault:
        session.refuse(message, fault.status, fault.comment)
        return
    retrieval = _Retrieval(session, message, query, len(instances))
    with retrieval.recorded():
        for plan in plan_storage(instances):
            _send_plan(retrieval, plan, destination)
    retrieval.finish()


def _destination(session: Session, message: Message) -> Node:
    node = session.archive.node(message.command.move_destination or "")
    if node is None:
        raise ArchiveFault(RetrieveStatus.MOVE_DESTINATION_UNKNOWN, "unknown move destination")
    if not session.archive.permits_move(session.peer, node):
        raise ArchiveFault(Status.NOT_AUTHORIZED, "not authorized to move to this destination")
    return node


def _send_plan(retrieval: _Retrieval, plan: StoragePlan, node: Node) -> None:
    if retrieval.is_cancelled:
        return
    try:
        association = associate(node, plan.contexts, retrieval.session.options)
    except AssociationFault as fault:
        _LOGGER.warning("C-MOVE destination %s: %s", node.ae_title, fault)
        retrieval.fail(plan.instances)
        return
    try:
        is_open = _send_over(association, retrieval, plan, node)
    except BaseException:
        association.abort()
        raise
    if is_open:
        with suppress(AssociationFault):  # All responses are in: the release changes nothing.
            association.release()


def _send_over(
    association: Association, retrieval: _Retrieval, plan: StoragePlan, node: Node
) -> bool:
    """Send the plan's instances; False when the association did not last."""
    session = retrieval.session
    originator = Originator(session.peer.calling_ae, retrieval.message.command.message_id)
    contexts = [context for context in association.contexts.values() if context.requestor_scu]
    scu = StorageScu(association, session.archive, contexts, originator, coerced=node.coerced)
    for index, instance in enumerate(retrieval.each(plan.instances, scu)):
        try:
            status = scu.send(instance)
        except AssociationFault as fault:
            _LOGGER.warning("C-MOVE destination %s: %s", node.ae_title, fault)
            association.abort(fault)
            retrieval.fail(plan.instances[index:])
            return False
        retrieval.count(instance, status)
    return True


class _Retrieval:
    """The course of one C-MOVE or C-GET: what was sent, what is announced, what is answered."""

    def __init__(self, session: Session, message: Message, query: Query, total: int) -> None:
        self.session = session
        self.message = message
        self.is_cancelled = False
        self._query = query
        self._tally = Tally(total)
        self._reported = time.monotonic()

    def each(
        self, instances: Sequence[StoredInstance], scu: StorageScu
    ) -> Iterator[StoredInstance]:
        """Go through instances until the peer cancels, announcing the later ones to ``scu``."""
        unannounced = iter(instances)
        _announce(scu, islice(unannounced, self.session.options.prefetch))
        for instance in instances:
            self.is_cancelled = self.session.association.cancelled(self.message.command.message_id)
            if self.is_cancelled:
                return
            yield instance
            _announce(scu, islice(unannounced, 1))

    def count(self, instance: StoredInstance, status: int) -> None:
        """Take the status of one sub-operation, and tell the peer now and then."""
        self._tally.count(instance, status)
        now = time.monotonic()
        is_due = now - self._reported >= self.session.options.pending_interval_s
        if is_due and self._tally.remaining:
            self._reported = now
            self._respond(Status.PENDING)

    def fail(self, instances: Iterable[StoredInstance]) -> None:
        """Count instances that could not be sent."""
        for instance in instances:
            self._tally.count(instance, RetrieveStatus.OUT_OF_RESOURCES_SUBOPERATIONS)

    def finish(self) -> None:
        """Send the final response, with the instances that failed."""
        status = Status.CANCEL if self.is_cancelled else self._tally.final_status()
        failed = Dataset()
        if self._tally.failed_uids:
            failed.FailedSOPInstanceUIDList = self._tally.failed_uids
        self._respond(status, failed)

    @contextmanager
    def recorded(self) -> Iterator[None]:
        """Leave the trail entry before the final response, and however else the retrieval ends."""
        try:
            yield
        finally:
            sent = self._tally.completed + self._tally.warning
            destination = self.message.command.move_destination or self.session.peer.calling_ae
            self.session.archive.retrieved(
                self.session.peer, self._query, sent, self._tally.failed, destination.strip()
            )

    def _respond(self, status: int, identifier: Dataset | None = None) -> None:
        response = self._tally.on(self.message.command.reply(status))
        encoded = None
        if identifier:
            response = replace(response, has_dataset=True)
            encoded = encode_dataset(identifier, self.message.context.transfer_syntax)
        self.session.association.send(self.message.context.context_id, response, encoded)


def _announce(scu: StorageScu, instances: Iterable[StoredInstance]) -> None:
    for instance in instances:
        try:
            scu.announce(instance)
        except ArchiveFault as fault:
            _LOGGER.warning("an instance cannot be prepared for sending: %s", fault)
