"""Fuzzed: PDUs, negotiation, command sets, and whole associations served from raw bytes."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from functools import cache

from dicom.archive import Peer
from dicom.association import (
    AssociateRequest,
    AssociationFault,
    Command,
    CommandField,
    ProposedContext,
    RoleSelection,
    Timeouts,
    UserInformation,
    accept_association,
)
from dicom.association.command import decode_command
from dicom.association.negotiation import decode_accept, decode_reject, decode_request
from dicom.association.pdu import RELEASE_RQ
from dicom.association.transport import Transport
from dicom.contexts import negotiate
from dicom.services import serve
from dicom.session import ServerOptions, Session
from dicom.sop_classes import (
    PATIENT_ROOT_FIND,
    STORAGE_COMMITMENT_PUSH_MODEL,
    STUDY_ROOT_FIND,
    STUDY_ROOT_GET,
    STUDY_ROOT_MOVE,
    VERIFICATION,
)
from tests.dicom_net.memory_archive import MemoryArchive
from tests.dicom_net.raw_peer import pdata
from tests.fuzz.target import Target
from tests.service.made import CT, EXPLICIT, dataset

_CLASSES = (
    VERIFICATION,
    CT,
    STUDY_ROOT_FIND,
    PATIENT_ROOT_FIND,
    STUDY_ROOT_GET,
    STUDY_ROOT_MOVE,
    STORAGE_COMMITMENT_PUSH_MODEL,
)
_TIMEOUTS = Timeouts(connect=0.2, acse=1.0, dimse=1.0, idle=1.0)
_MAX_PDU = 16384


class Wire(socket.socket):
    """One end of a pair of connected sockets; TCP's options mean nothing to it."""

    def setsockopt(self, *_: object) -> None:
        """Take no notice."""


@cache
def _request() -> AssociateRequest:
    contexts = tuple(
        ProposedContext(2 * number + 1, uid, (EXPLICIT, "1.2.840.10008.1.2"))
        for number, uid in enumerate(_CLASSES)
    )
    user = UserInformation(_MAX_PDU, "1.2.3", "FUZZ", (RoleSelection(CT, True, True),))
    return AssociateRequest("RADIOLITH", "FUZZ", contexts, user)


def _negotiation(data: bytes) -> None:
    for decode in (decode_request, decode_accept, decode_reject):
        try:
            decoded = decode(memoryview(data))
        except AssociationFault:
            continue
        if isinstance(decoded, AssociateRequest):
            negotiate(decoded, _MAX_PDU).encode()


def _negotiation_seeds() -> Iterator[bytes]:
    yield _request().encode()[6:]
    yield negotiate(_request(), _MAX_PDU).encode()[6:]
    yield b"\0\1\1\1"


def _command(data: bytes) -> None:
    try:
        command = decode_command(data)
    except AssociationFault:
        return
    assert decode_command(command.encode()) == command


def _command_seeds() -> Iterator[bytes]:
    yield from (command.encode() for command, _ in _messages())
    yield Command(CommandField.C_STORE, message_id=1).reply(0xA700, "out of resources").encode()


def _messages() -> Iterator[tuple[Command, bytes]]:
    identifier = b"\x08\0\x52\0CS\x06\0STUDY \x10\0\x20\0LO\x02\0P1\x20\0\x0d\0UI\0\0"
    yield Command(CommandField.C_ECHO, False, VERIFICATION, message_id=1), b""
    store = Command(
        CommandField.C_STORE,
        True,
        CT,
        message_id=2,
        affected_sop_instance_uid="1.2.3.4",
        priority=0,
    )
    yield store, dataset(size=8)
    yield Command(CommandField.C_FIND, True, STUDY_ROOT_FIND, message_id=3), identifier
    yield Command(CommandField.C_FIND, True, PATIENT_ROOT_FIND, message_id=4), identifier
    yield Command(CommandField.C_GET, True, STUDY_ROOT_GET, message_id=5), identifier
    move = Command(CommandField.C_MOVE, True, STUDY_ROOT_MOVE, message_id=6, move_destination="X")
    yield move, identifier
    commit = Command(
        CommandField.N_ACTION,
        True,
        requested_sop_class_uid=STORAGE_COMMITMENT_PUSH_MODEL,
        requested_sop_instance_uid="1.2.840.10008.1.20.1.1",
        message_id=7,
        action_type_id=1,
    )
    item = b"\x08\0\x50\x11UI\x04\x001.2\0\x08\0\x55\x11UI\x04\x001.3\0"
    items = b"\xfe\xff\0\xe0" + len(item).to_bytes(4, "little") + item
    referenced = b"\x08\0\x99\x11SQ\0\0" + len(items).to_bytes(4, "little") + items
    yield commit, b"\x08\0\x95\x11UI\x04\x001.9\0" + referenced


def _association(data: bytes) -> None:
    ours, theirs = socket.socketpair()
    theirs.settimeout(1.0)
    theirs.sendall(data)
    theirs.shutdown(socket.SHUT_WR)
    wire = Wire(fileno=ours.detach())
    try:
        _serve(wire)
    except AssociationFault:
        pass
    finally:
        wire.close()
        theirs.close()


def _serve(wire: socket.socket) -> None:
    established = accept_association(
        Transport(wire), lambda request: negotiate(request, _MAX_PDU), _MAX_PDU, _TIMEOUTS
    )
    assert established is not None
    association, request = established
    archive = MemoryArchive()
    peer = Peer(request.calling_ae, request.called_ae, "127.0.0.1")
    try:
        serve(Session(association, archive, peer, ServerOptions("RADIOLITH", timeouts=_TIMEOUTS)))
    finally:
        association.abort()


def _association_seeds() -> Iterator[bytes]:
    start = _request().encode()
    messages = [
        pdata(1 + 2 * _CLASSES.index(uid), 3, command.encode())
        + (pdata(1 + 2 * _CLASSES.index(uid), 2, data) if data else b"")
        for command, data in _messages()
        if (uid := command.affected_sop_class_uid or command.requested_sop_class_uid or "")
    ]
    yield from (start + message + RELEASE_RQ for message in messages)
    yield start + b"".join(messages) + RELEASE_RQ


TARGETS = (
    Target("negotiation", _negotiation, _negotiation_seeds, ("dicom",)),
    Target("command", _command, _command_seeds, ("dicom",), 1024),
    Target("association", _association, _association_seeds, ("dicom",)),
)
