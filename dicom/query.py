"""Query service, C-FIND as SCP (PS3.4 C.4.1)."""

from __future__ import annotations

from collections.abc import Generator

from dicom.archive import ArchiveFault, Match, Query, Right
from dicom.association import Message
from dicom.charset import character_set, set_character_set
from dicom.identifiers import encode_dataset, read_query
from dicom.session import Session
from dicom.status import FindStatus, Status


def find(session: Session, message: Message) -> None:
    """Serve one C-FIND: a Pending response for each match, then the final one.

    Raises:
        AssociationFault: the association ended.
    """
    try:
        session.require(Right.QUERY)
        query = read_query(session, message)
        status = _send_matches(session, message, query)
    except ArchiveFault as fault:
        session.refuse(message, fault.status, fault.comment)
    else:
        session.reply(message, status)


def _send_matches(session: Session, message: Message, query: Query) -> Status:
    matches = session.archive.find(query)
    try:
        for match in matches:
            if session.association.cancelled(message.command.message_id):
                return Status.CANCEL
            identifier = _encode(match, query, message.context.transfer_syntax)
            session.reply(message, _pending(match), dataset=identifier)
        return Status.SUCCESS
    finally:
        if isinstance(matches, Generator):
            matches.close()


def _pending(match: Match) -> int:
    if match.unsupported:
        return FindStatus.PENDING_OPTIONAL_KEYS_UNSUPPORTED
    return Status.PENDING


def _encode(match: Match, query: Query, transfer_syntax: str) -> bytes:
    reply = match.attributes
    reply.QueryRetrieveLevel = query.level
    set_character_set(reply, character_set(query.identifier), character_set(reply))
    return encode_dataset(reply, transfer_syntax)
