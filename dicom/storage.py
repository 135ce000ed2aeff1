"""Storage service class, as SCP (PS3.4 Annex B)."""

from __future__ import annotations

from dicom.archive import ArchiveFault, Incoming, Right, StoreRequest
from dicom.association import Message
from dicom.session import Session
from dicom.status import Status, StoreStatus


def store(session: Session, message: Message) -> None:
    """Serve one C-STORE: Success is answered only after :meth:`Incoming.commit` returned.

    Raises:
        AssociationFault: the association ended; the archive has forgotten the instance.
    """
    try:
        session.require(Right.STORE)
        if not message.command.has_dataset:
            raise ArchiveFault(StoreStatus.CANNOT_UNDERSTAND, "no dataset")
        incoming = session.archive.incoming(_request(session, message))
        _take(session, incoming)
        incoming.commit()
    except ArchiveFault as fault:
        session.refuse(message, fault.status, fault.comment)
    else:
        session.reply(message, Status.SUCCESS)


def _request(session: Session, message: Message) -> StoreRequest:
    command, context = message.command, message.context
    return StoreRequest(
        session.peer,
        command.affected_sop_class_uid or context.abstract_syntax,
        command.affected_sop_instance_uid or "",
        context.transfer_syntax,
    )


def _take(session: Session, incoming: Incoming) -> None:
    try:
        for fragment in session.association.fragments():
            incoming.write(fragment)
    except BaseException:
        incoming.abort()
        raise
