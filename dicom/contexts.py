"""Presentation contexts: which are accepted, which C-MOVE proposes (PS3.8 7.1, PS3.7 D.3)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from dicom.archive import StoredInstance
from dicom.association import (
    MAX_CONTEXTS,
    AssociateAccept,
    AssociateRequest,
    ContextAnswer,
    ContextResult,
    ProposedContext,
    RoleSelection,
    UserInformation,
)
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
from dicom.syntax import (
    EXPLICIT_VR_BIG_ENDIAN,
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLEMENTATION_UID,
    IMPLEMENTATION_VERSION,
    IMPLICIT_VR_LITTLE_ENDIAN,
    STORED_SYNTAXES,
    encoding,
)

UNCOMPRESSED = (EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN, EXPLICIT_VR_BIG_ENDIAN)
"""Encodings of identifiers, best first."""

UNCOMPRESSED_LITTLE = (EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN)
"""What we propose, and transcode to for a peer that does not take a dataset as stored."""

SERVICES = frozenset(
    {
        VERIFICATION,
        PATIENT_ROOT_FIND,
        PATIENT_ROOT_MOVE,
        PATIENT_ROOT_GET,
        STUDY_ROOT_FIND,
        STUDY_ROOT_MOVE,
        STUDY_ROOT_GET,
        STORAGE_COMMITMENT_PUSH_MODEL,
    }
)
"""The SOP classes served besides storage."""

_STORED = frozenset(STORED_SYNTAXES)


def user_information(max_length: int, roles: Sequence[RoleSelection] = ()) -> UserInformation:
    """Say who we are and how long a PDU may be."""
    return UserInformation(max_length, IMPLEMENTATION_UID, IMPLEMENTATION_VERSION, tuple(roles))


def negotiate(request: AssociateRequest, max_length: int) -> AssociateAccept:
    """Answer each proposed context, at a cost that grows with the request alone.

    An identity that asks for it gets the positive response: whom it did not admit, the archive
    has rejected already (PS3.7 D.3.3.7.2).
    """
    roles = tuple(_answer_role(role) for role in request.user.roles)
    identity = request.user.identity
    is_accepted = identity is not None and identity.response_requested and bool(identity.username)
    user = replace(user_information(max_length, roles), is_identity_accepted=is_accepted)
    return AssociateAccept(
        request.called_ae,
        request.calling_ae,
        tuple(_answer_context(context) for context in request.contexts),
        user,
    )


def choose_storage_syntax(offered: Sequence[str]) -> str | None:
    """Choose the encoding in which instances of one storage context come in.

    The first lossless syntax that is stored; a lossy one only if nothing else is offered; explicit
    before implicit, since a dataset in implicit VR has lost the VRs of its private elements.
    """
    stored = [uid for uid in offered if uid in _STORED]
    lossless = [uid for uid in stored if encoding(uid).is_lossless]
    if not lossless:
        return stored[0] if stored else None
    if not encoding(lossless[0]).is_explicit and EXPLICIT_VR_LITTLE_ENDIAN in lossless:
        return EXPLICIT_VR_LITTLE_ENDIAN
    return lossless[0]


def _answer_context(context: ProposedContext) -> ContextAnswer:
    if context.abstract_syntax in SERVICES:
        offered = context.transfer_syntaxes
        chosen = next((uid for uid in UNCOMPRESSED if uid in offered), None)
    elif is_storage(context.abstract_syntax):
        chosen = choose_storage_syntax(context.transfer_syntaxes)
    else:
        return _refuse(context, ContextResult.ABSTRACT_SYNTAX_NOT_SUPPORTED)
    if chosen is None:
        return _refuse(context, ContextResult.TRANSFER_SYNTAXES_NOT_SUPPORTED)
    return ContextAnswer(context.context_id, ContextResult.ACCEPTANCE, chosen)


def _refuse(context: ProposedContext, result: ContextResult) -> ContextAnswer:
    return ContextAnswer(context.context_id, result, context.transfer_syntaxes[0])


def _answer_role(role: RoleSelection) -> RoleSelection:
    """Let a requestor be SCP of storage, for C-GET; of everything else the SCP is this archive."""
    scp = role.scp and is_storage(role.sop_class_uid)
    return RoleSelection(role.sop_class_uid, role.scu, scp)


@dataclass(frozen=True, slots=True)
class StoragePlan:
    """One association of a C-MOVE: what is proposed, and what is sent over it."""

    contexts: tuple[ProposedContext, ...]
    instances: tuple[StoredInstance, ...]


def plan_storage(instances: Sequence[StoredInstance]) -> Iterator[StoragePlan]:
    """Share instances out among as few associations as their contexts need, in their order.

    Each class has one context for each encoding stored, and one to fall back on.
    """
    classes: dict[str, dict[str, None]] = {}
    batch: list[StoredInstance] = []
    for instance in instances:
        syntaxes = classes.get(instance.sop_class_uid, {})
        needed = (instance.transfer_syntax not in syntaxes) + (not syntaxes)
        if needed + sum(len(held) + 1 for held in classes.values()) > MAX_CONTEXTS:
            yield StoragePlan(_propose(classes), tuple(batch))
            classes, batch = {}, []
        classes.setdefault(instance.sop_class_uid, {})[instance.transfer_syntax] = None
        batch.append(instance)
    if batch:
        yield StoragePlan(_propose(classes), tuple(batch))


def _propose(classes: dict[str, dict[str, None]]) -> tuple[ProposedContext, ...]:
    wanted = [
        (sop_class_uid, offered)
        for sop_class_uid, syntaxes in classes.items()
        for offered in (*((uid,) for uid in syntaxes), UNCOMPRESSED_LITTLE)
    ]
    return tuple(
        ProposedContext(2 * index + 1, sop_class_uid, offered)
        for index, (sop_class_uid, offered) in enumerate(wanted)
    )
