"""Storage Commitment Push Model, as SCP (PS3.4 Annex J)."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable

from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from dicom.archive import ArchiveFault, Commitment, CommitmentItem, Node, Right
from dicom.association import (
    Association,
    AssociationFault,
    Command,
    CommandField,
    Context,
    Message,
    ProposedContext,
    RoleSelection,
)
from dicom.contexts import UNCOMPRESSED_LITTLE
from dicom.identifiers import encode_dataset, read_whole
from dicom.requestor import associate
from dicom.session import ServerOptions, Session
from dicom.sop_classes import (
    STORAGE_COMMITMENT_PUSH_MODEL,
    STORAGE_COMMITMENT_PUSH_MODEL_INSTANCE,
)
from dicom.status import Status

_REQUEST = 1
"""Action Type ID of a commitment request (PS3.4 Table J.3-1)."""

_ALL_COMMITTED = 1
_FAILURES_EXIST = 2
"""Event Type IDs (PS3.4 Table J.3-2)."""

_POLL_SECONDS = 0.25
"""How often an idle association asks whether its report is due: a quarter of a second keeps a
modality that waits for it waiting no longer than a person notices, at four questions a second."""

_PROPOSED = ProposedContext(1, STORAGE_COMMITMENT_PUSH_MODEL, UNCOMPRESSED_LITTLE)
_SCP = RoleSelection(STORAGE_COMMITMENT_PUSH_MODEL, scu=False, scp=True)
"""What a report's association offers: we, its requestor, stay the SCP (PS3.4 J.3.3)."""

_LOGGER = logging.getLogger(__name__)


def request_commitment(session: Session, message: Message) -> None:
    """Serve one N-ACTION: the archive takes the transaction down, its report comes later.

    Raises:
        AssociationFault: the association ended.
    """
    try:
        session.require(Right.COMMIT)
        commitment = _read_request(session, message)
        session.archive.request_commitment(commitment)
    except ArchiveFault as fault:
        session.refuse(message, fault.status, fault.comment)
        return
    session.reply(message, Status.SUCCESS)
    session.transactions.add(commitment.transaction_uid)


def await_reports(session: Session) -> None:
    """Send the reports asked for on this association while the peer keeps it open and silent.

    Returns as soon as the peer has sent something, no report is left to come, or the idle timeout
    has passed.

    Raises:
        AssociationFault: the association ended.
    """
    idle = session.options.timeouts.idle
    deadline = None if idle is None else time.monotonic() + idle
    while session.transactions and not session.association.wait(_POLL_SECONDS):
        for commitment in _claim_here(session):
            _report_here(session, commitment)
        if deadline is not None and time.monotonic() > deadline:
            return


def take_response(session: Session, message: Message) -> None:
    """Take the peer's response to a report that was sent on its own association."""
    commitment = session.reports.pop(message.command.message_id_responded or 0, None)
    if commitment is not None:
        delivered = message.command.status == Status.SUCCESS
        session.archive.commitment_reported(commitment, delivered)


def give_up_reports(session: Session) -> None:
    """Record that the association ended before the peer responded to its reports."""
    for commitment in session.reports.values():
        session.archive.commitment_reported(commitment, delivered=False)


def send_commitment_report(commitment: Commitment, node: Node, options: ServerOptions) -> bool:
    """Send one report over an association of our own, as its SCP (PS3.4 J.3.3).

    Returns:
        Whether the peer took it.
    """
    try:
        association = associate(node, (_PROPOSED,), options, (_SCP,))
    except AssociationFault as fault:
        _LOGGER.warning("commitment report to %s: %s", node.ae_title, fault)
        return False
    try:
        delivered = _report(association, commitment, options.ae_title)
        association.release()
    except AssociationFault as fault:
        _LOGGER.warning("commitment report to %s: %s", node.ae_title, fault)
        association.abort(fault)
        return False
    return delivered


def _read_request(session: Session, message: Message) -> Commitment:
    command = message.command
    if command.action_type_id != _REQUEST:
        raise ArchiveFault(Status.NO_SUCH_ACTION, "no such action type")
    if command.requested_sop_instance_uid != STORAGE_COMMITMENT_PUSH_MODEL_INSTANCE:
        raise ArchiveFault(Status.NO_SUCH_SOP_INSTANCE, "not the well-known SOP Instance")
    dataset = read_whole(
        session.association.dataset(), message.context.transfer_syntax, Status.PROCESSING_FAILURE
    )
    transaction_uid = str(dataset.get("TransactionUID") or "")
    items = tuple(_read_items(dataset.get("ReferencedSOPSequence") or ()))
    if not transaction_uid or not items:
        raise ArchiveFault(Status.INVALID_ATTRIBUTE_VALUE, "no transaction UID or no instances")
    return Commitment(transaction_uid, session.peer, items)


def _read_items(sequence: Iterable[Dataset]) -> Iterable[CommitmentItem]:
    for item in sequence:
        yield CommitmentItem(
            str(item.get("ReferencedSOPClassUID") or ""),
            str(item.get("ReferencedSOPInstanceUID") or ""),
        )


def _claim_here(session: Session) -> list[Commitment]:
    """Claim the due reports that were asked for on this association."""
    try:
        return [
            commitment
            for commitment in session.archive.due_commitments()
            if commitment.peer.calling_ae == session.peer.calling_ae
            and commitment.transaction_uid in session.transactions
            and session.archive.claim_commitment(commitment)
        ]
    except ArchiveFault as fault:
        _LOGGER.warning("no commitment reports to be had: %s", fault)
        return []


def _report_here(session: Session, commitment: Commitment) -> None:
    """Send a report without waiting: the peer's next request may be on its way already."""
    session.transactions.discard(commitment.transaction_uid)
    context = _context(session.association)
    if context is not None:
        request = _request(session.association, commitment)
        information = _information(commitment, session.options.ae_title)
        session.reports[request.message_id or 0] = commitment
        encoded = encode_dataset(information, context.transfer_syntax)
        session.association.send(context.context_id, request, encoded)


def _report(association: Association, commitment: Commitment, ae_title: str) -> bool:
    context = _context(association)
    if context is None:
        return False
    request = _request(association, commitment)
    information = encode_dataset(_information(commitment, ae_title), context.transfer_syntax)
    response = association.exchange(context.context_id, request, information)
    return response.status == Status.SUCCESS


def _context(association: Association) -> Context | None:
    contexts = association.contexts.values()
    return next((c for c in contexts if c.abstract_syntax == STORAGE_COMMITMENT_PUSH_MODEL), None)


def _request(association: Association, commitment: Commitment) -> Command:
    has_failures = any(item.failure is not None for item in commitment.items)
    return Command(
        CommandField.N_EVENT_REPORT,
        has_dataset=True,
        message_id=association.next_message_id(),
        affected_sop_class_uid=STORAGE_COMMITMENT_PUSH_MODEL,
        affected_sop_instance_uid=STORAGE_COMMITMENT_PUSH_MODEL_INSTANCE,
        event_type_id=_FAILURES_EXIST if has_failures else _ALL_COMMITTED,
    )


def _information(commitment: Commitment, ae_title: str) -> Dataset:
    """Build the Event Information (PS3.4 Table J.3-2); an empty sequence is left out."""
    committed = [_reference(item) for item in commitment.items if item.failure is None]
    failed = [_reference(item) for item in commitment.items if item.failure is not None]
    information = Dataset()
    information.TransactionUID = commitment.transaction_uid
    information.RetrieveAETitle = ae_title
    if committed:
        information.ReferencedSOPSequence = Sequence(committed)
    if failed:
        information.FailedSOPSequence = Sequence(failed)
    return information


def _reference(item: CommitmentItem) -> Dataset:
    reference = Dataset()
    reference.ReferencedSOPClassUID = item.sop_class_uid
    reference.ReferencedSOPInstanceUID = item.sop_instance_uid
    if item.failure is not None:
        reference.FailureReason = item.failure
    return reference
