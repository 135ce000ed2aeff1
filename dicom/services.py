"""Which service answers which request (PS3.4)."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from dicom.association import CommandField, Message
from dicom.commitment import (
    await_reports,
    give_up_reports,
    request_commitment,
    take_response,
)
from dicom.query import find
from dicom.retrieve import get, move
from dicom.session import Session
from dicom.sop_classes import (
    PATIENT_ROOT_FIND,
    PATIENT_ROOT_GET,
    PATIENT_ROOT_MOVE,
    STORAGE_COMMITMENT_PUSH_MODEL,
    STUDY_ROOT_FIND,
    STUDY_ROOT_GET,
    STUDY_ROOT_MOVE,
    VERIFICATION,
    is_storage,
)
from dicom.status import Status
from dicom.storage import store

Service = Callable[[Session, Message], None]


def serve(session: Session) -> None:
    """Answer the peer's requests until it releases the association.

    Raises:
        AssociationFault: the association ended otherwise.
    """
    try:
        while (message := _next_message(session)) is not None:
            _service(message)(session, message)
            session.association.finish(message.command.message_id)
    finally:
        give_up_reports(session)


def _next_message(session: Session) -> Message | None:
    await_reports(session)
    return session.association.receive()


def _service(message: Message) -> Service:
    field, sop_class_uid = message.command.field, message.context.abstract_syntax
    if message.command.is_response:
        return take_response
    if field == CommandField.C_CANCEL:
        return _ignore
    if not message.context.requestor_scu:
        return _refuse_class
    if field == CommandField.C_STORE and is_storage(sop_class_uid):
        return store
    return _SERVICES.get((field, sop_class_uid), _refuse_operation)


def _echo(session: Session, message: Message) -> None:
    session.reply(message, Status.SUCCESS)


def _ignore(session: Session, message: Message) -> None:
    """Take no notice of a C-CANCEL that came after its operation had ended."""


def _refuse_class(session: Session, message: Message) -> None:
    session.refuse(message, Status.SOP_CLASS_NOT_SUPPORTED)


def _refuse_operation(session: Session, message: Message) -> None:
    session.refuse(message, Status.UNRECOGNIZED_OPERATION)


_SERVICES: Mapping[tuple[int, str], Service] = {
    (CommandField.C_ECHO, VERIFICATION): _echo,
    (CommandField.C_FIND, PATIENT_ROOT_FIND): find,
    (CommandField.C_FIND, STUDY_ROOT_FIND): find,
    (CommandField.C_MOVE, PATIENT_ROOT_MOVE): move,
    (CommandField.C_MOVE, STUDY_ROOT_MOVE): move,
    (CommandField.C_GET, PATIENT_ROOT_GET): get,
    (CommandField.C_GET, STUDY_ROOT_GET): get,
    (CommandField.N_ACTION, STORAGE_COMMITMENT_PUSH_MODEL): request_commitment,
}
