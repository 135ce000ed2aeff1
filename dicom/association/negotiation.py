"""What is proposed and agreed: A-ASSOCIATE-RQ, -AC, -RJ (PS3.8 9.3.2-9.3.4, PS3.7 D.3.3)."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum

from dicom.association.faults import AssociationFault, ProtocolFault
from dicom.association.identity import ACCEPTED, UserIdentity, decode_identity
from dicom.association.pdu import PduType, encode_pdu

APPLICATION_CONTEXT = "1.2.840.10008.3.1.1.1"
"""The DICOM Application Context Name (PS3.7 A.2.1)."""

_FIXED = struct.Struct(">H2x16s16s32x")
_ITEM = struct.Struct(">BxH")
_LENGTH = struct.Struct(">L")
_UID_LENGTH = struct.Struct(">H")
_PROTOCOL_VERSION = 1
_LONGEST_ITEM = 0xFFFF

MAX_CONTEXTS = 128
"""Presentation context ids are the odd numbers from 1 to 255 (PS3.8 9.3.2.2)."""


class Item(IntEnum):
    """Item types of an A-ASSOCIATE PDU (PS3.8 9.3.2, PS3.7 D.3.3)."""

    APPLICATION_CONTEXT = 0x10
    PROPOSED_CONTEXT = 0x20
    CONTEXT_ANSWER = 0x21
    ABSTRACT_SYNTAX = 0x30
    TRANSFER_SYNTAX = 0x40
    USER_INFORMATION = 0x50
    MAXIMUM_LENGTH = 0x51
    IMPLEMENTATION_CLASS_UID = 0x52
    ROLE_SELECTION = 0x54
    IMPLEMENTATION_VERSION_NAME = 0x55
    USER_IDENTITY = 0x58
    USER_IDENTITY_RESPONSE = 0x59


class ContextResult(IntEnum):
    """Result of one presentation context (PS3.8 Table 9-18)."""

    ACCEPTANCE = 0
    USER_REJECTION = 1
    NO_REASON = 2
    ABSTRACT_SYNTAX_NOT_SUPPORTED = 3
    TRANSFER_SYNTAXES_NOT_SUPPORTED = 4


@dataclass(frozen=True, slots=True)
class ProposedContext:
    """A presentation context as its requestor offers it."""

    context_id: int
    abstract_syntax: str
    transfer_syntaxes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ContextAnswer:
    """The acceptor's answer to one proposed context."""

    context_id: int
    result: ContextResult
    transfer_syntax: str


@dataclass(frozen=True, slots=True)
class RoleSelection:
    """SCP/SCU role selection: what the association's requestor is to be (PS3.7 D.3.3.4)."""

    sop_class_uid: str
    scu: bool
    scp: bool


@dataclass(frozen=True, slots=True)
class UserInformation:
    """The user information that both sides exchange; other sub-items are skipped."""

    max_length: int = 0
    """Longest P-DATA-TF that the sender of this item takes, 0 for unlimited."""
    implementation_class_uid: str = ""
    implementation_version_name: str = ""
    roles: tuple[RoleSelection, ...] = ()
    identity: UserIdentity | None = None
    """Who uses the requestor; in a request only."""
    is_identity_accepted: bool = False
    """Whether the acceptor confirms the identity; in an answer only."""


@dataclass(frozen=True, slots=True)
class AssociateRequest:
    """An A-ASSOCIATE-RQ."""

    called_ae: str
    calling_ae: str
    contexts: tuple[ProposedContext, ...]
    user: UserInformation
    application_context: str = APPLICATION_CONTEXT
    protocol_version: int = _PROTOCOL_VERSION

    def encode(self) -> bytes:
        """Encode the whole PDU."""
        contexts = b"".join(_encode_proposal(context) for context in self.contexts)
        return encode_pdu(PduType.ASSOCIATE_RQ, _encode_body(self, contexts))


@dataclass(frozen=True, slots=True)
class AssociateAccept:
    """An A-ASSOCIATE-AC. The AE titles repeat the request's and are not to be tested."""

    called_ae: str
    calling_ae: str
    contexts: tuple[ContextAnswer, ...]
    user: UserInformation

    def encode(self) -> bytes:
        """Encode the whole PDU."""
        contexts = b"".join(_encode_answer(context) for context in self.contexts)
        return encode_pdu(PduType.ASSOCIATE_AC, _encode_body(self, contexts))


@dataclass(frozen=True, slots=True)
class AssociateReject:
    """An A-ASSOCIATE-RJ (PS3.8 Table 9-21)."""

    result: int
    source: int
    reason: int

    def encode(self) -> bytes:
        """Encode the whole PDU."""
        body = bytes((0, self.result, self.source, self.reason))
        return encode_pdu(PduType.ASSOCIATE_RJ, body)


def decode_request(body: memoryview) -> AssociateRequest:
    """Decode the body of an A-ASSOCIATE-RQ.

    Raises:
        ProtocolFault: it is cut short, or its items' lengths do not fit.
    """
    version, called, calling = _decode_fixed(body)
    contexts: list[ProposedContext] = []
    user, application = UserInformation(), ""
    for kind, value in _items(body[_FIXED.size :]):
        if kind == Item.PROPOSED_CONTEXT:
            if len(contexts) == MAX_CONTEXTS:
                raise ProtocolFault(f"more than {MAX_CONTEXTS} presentation contexts")
            contexts.append(_decode_proposal(value))
        elif kind == Item.USER_INFORMATION:
            user = _decode_user(value)
        elif kind == Item.APPLICATION_CONTEXT:
            application = _text(value)
    return AssociateRequest(called, calling, tuple(contexts), user, application, version)


def decode_accept(body: memoryview) -> AssociateAccept:
    """Decode the body of an A-ASSOCIATE-AC.

    Raises:
        ProtocolFault: it is cut short, or its items' lengths do not fit.
    """
    _, called, calling = _decode_fixed(body)
    contexts, user = [], UserInformation()
    for kind, value in _items(body[_FIXED.size :]):
        if kind == Item.CONTEXT_ANSWER:
            contexts.append(_decode_answer(value))
        elif kind == Item.USER_INFORMATION:
            user = _decode_user(value)
    return AssociateAccept(called, calling, tuple(contexts), user)


def decode_reject(body: memoryview) -> AssociateReject:
    """Decode the body of an A-ASSOCIATE-RJ.

    Raises:
        ProtocolFault: it is cut short.
    """
    if len(body) < 4:
        raise ProtocolFault("an A-ASSOCIATE-RJ that is cut short")
    return AssociateReject(*body[1:4])


def _encode_body(pdu: AssociateRequest | AssociateAccept, contexts: bytes) -> bytes:
    fixed = _FIXED.pack(_PROTOCOL_VERSION, _ae_title(pdu.called_ae), _ae_title(pdu.calling_ae))
    application = _item(Item.APPLICATION_CONTEXT, APPLICATION_CONTEXT.encode("ascii"))
    return fixed + application + contexts + _encode_user(pdu.user)


def _encode_proposal(context: ProposedContext) -> bytes:
    syntaxes = b"".join(_item(Item.TRANSFER_SYNTAX, _uid(uid)) for uid in context.transfer_syntaxes)
    abstract = _item(Item.ABSTRACT_SYNTAX, _uid(context.abstract_syntax))
    return _item(Item.PROPOSED_CONTEXT, bytes((context.context_id, 0, 0, 0)) + abstract + syntaxes)


def _encode_answer(context: ContextAnswer) -> bytes:
    syntax = _item(Item.TRANSFER_SYNTAX, _uid(context.transfer_syntax))
    return _item(Item.CONTEXT_ANSWER, bytes((context.context_id, 0, context.result, 0)) + syntax)


def _encode_user(user: UserInformation) -> bytes:
    version = user.implementation_version_name.encode("ascii")
    items = (
        _item(Item.MAXIMUM_LENGTH, _LENGTH.pack(user.max_length)),
        _item(Item.IMPLEMENTATION_CLASS_UID, user.implementation_class_uid.encode("ascii")),
        *(_encode_role(role) for role in user.roles),
        _item(Item.IMPLEMENTATION_VERSION_NAME, version),
        _item(Item.USER_IDENTITY, user.identity.encode()) if user.identity else b"",
        _item(Item.USER_IDENTITY_RESPONSE, ACCEPTED) if user.is_identity_accepted else b"",
    )
    return _item(Item.USER_INFORMATION, b"".join(items))


def _encode_role(role: RoleSelection) -> bytes:
    uid = _uid(role.sop_class_uid)
    return _item(
        Item.ROLE_SELECTION, _UID_LENGTH.pack(len(uid)) + uid + bytes((role.scu, role.scp))
    )


def _decode_fixed(body: memoryview) -> tuple[int, str, str]:
    if len(body) < _FIXED.size:
        raise ProtocolFault(f"an A-ASSOCIATE PDU of {len(body)} bytes")
    version, called, calling = _FIXED.unpack_from(body)
    return version, _text(called), _text(calling)


def _decode_proposal(value: memoryview) -> ProposedContext:
    context_id, _ = _context_head(value)
    abstract, syntaxes = "", []
    for kind, uid in _items(value[4:]):
        if kind == Item.ABSTRACT_SYNTAX:
            abstract = _text(uid)
        elif kind == Item.TRANSFER_SYNTAX:
            syntaxes.append(_text(uid))
    if not abstract or not syntaxes:
        raise ProtocolFault("a presentation context without an abstract or a transfer syntax")
    return ProposedContext(context_id, abstract, tuple(syntaxes))


def _decode_answer(value: memoryview) -> ContextAnswer:
    context_id, result = _context_head(value)
    syntax = next(
        (_text(uid) for kind, uid in _items(value[4:]) if kind == Item.TRANSFER_SYNTAX), ""
    )
    if result not in ContextResult.__members__.values():
        raise ProtocolFault(f"a presentation context's result of {result}")
    return ContextAnswer(context_id, ContextResult(result), syntax)


def _context_head(value: memoryview) -> tuple[int, int]:
    if len(value) < 4:
        raise ProtocolFault("a presentation context that is cut short")
    return value[0], value[2]


def _decode_user(value: memoryview) -> UserInformation:
    max_length, class_uid, version = 0, "", ""
    roles, identity, is_accepted = [], None, False
    for kind, data in _items(value):
        if kind == Item.MAXIMUM_LENGTH:
            max_length = _decode_max_length(data)
        elif kind == Item.IMPLEMENTATION_CLASS_UID:
            class_uid = _text(data)
        elif kind == Item.IMPLEMENTATION_VERSION_NAME:
            version = _text(data)
        elif kind == Item.ROLE_SELECTION:
            roles.append(_decode_role(data))
        elif kind == Item.USER_IDENTITY:
            identity = decode_identity(data)
        elif kind == Item.USER_IDENTITY_RESPONSE:
            is_accepted = True
    return UserInformation(max_length, class_uid, version, tuple(roles), identity, is_accepted)


def _decode_max_length(data: memoryview) -> int:
    if len(data) != _LENGTH.size:
        raise ProtocolFault(f"a maximum length item of {len(data)} bytes")
    length: int = _LENGTH.unpack(data)[0]
    if 0 < length < 16:
        raise ProtocolFault(f"a maximum length of {length} bytes")
    return length


def _decode_role(data: memoryview) -> RoleSelection:
    if len(data) < _UID_LENGTH.size:
        raise ProtocolFault("a role selection that is cut short")
    end = _UID_LENGTH.size + _UID_LENGTH.unpack_from(data)[0]
    if len(data) != end + 2:
        raise ProtocolFault("a role selection whose length does not fit")
    return RoleSelection(_text(data[_UID_LENGTH.size : end]), bool(data[end]), bool(data[end + 1]))


def _items(value: memoryview) -> Iterator[tuple[int, memoryview]]:
    offset = 0
    while offset < len(value):
        if len(value) - offset < _ITEM.size:
            raise ProtocolFault("an item header that is cut short")
        kind, length = _ITEM.unpack_from(value, offset)
        offset += _ITEM.size
        if length > len(value) - offset:
            raise ProtocolFault(f"an item 0x{kind:02X} longer than what holds it")
        yield kind, value[offset : offset + length]
        offset += length


def _item(kind: Item, value: bytes) -> bytes:
    if len(value) > _LONGEST_ITEM:
        raise AssociationFault(f"an item 0x{kind:02X} of {len(value)} bytes cannot be sent")
    return _ITEM.pack(kind, len(value)) + value


def _uid(uid: str) -> bytes:
    """Encode a UID; those of stored instances are opaque, and may not even be ASCII."""
    return uid.encode("latin-1", "replace")


def _ae_title(title: str) -> bytes:
    return title.encode("latin-1", "replace")[:16].ljust(16)


def _text(value: memoryview | bytes) -> str:
    return bytes(value).decode("latin-1").strip(" \0")
