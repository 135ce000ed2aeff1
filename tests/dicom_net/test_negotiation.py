"""Presentation contexts and roles: what is answered, what is proposed, what is decoded."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.uid import (
    JPEG2000,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEGBaseline8Bit,
    JPEGLSLossless,
    generate_uid,
)
from pynetdicom.pdu import A_ASSOCIATE_RQ

from dicom.archive import StoredInstance
from dicom.association import (
    AssociateAccept,
    AssociateRequest,
    ContextAnswer,
    ContextResult,
    ProposedContext,
    ProtocolFault,
    RoleSelection,
    UserInformation,
)
from dicom.association.negotiation import decode_accept, decode_request
from dicom.contexts import choose_storage_syntax, negotiate, plan_storage, user_information
from dicom.sop_classes import STORAGE_COMMITMENT_PUSH_MODEL, STUDY_ROOT_FIND, VERIFICATION
from tests.dicom_net.conftest import CT

HEADER = 6
JPIP = "1.2.840.10008.1.2.4.94"
PRIVATE = "1.3.6.1.4.1.99999.7"


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [
        ((ImplicitVRLittleEndian, ExplicitVRLittleEndian), ExplicitVRLittleEndian),
        ((ImplicitVRLittleEndian, JPEGLSLossless), ImplicitVRLittleEndian),
        ((JPEGLSLossless, ExplicitVRLittleEndian), JPEGLSLossless),
        ((JPEGBaseline8Bit, JPEG2000, ImplicitVRLittleEndian), ImplicitVRLittleEndian),
        ((JPEGBaseline8Bit, JPEG2000), JPEGBaseline8Bit),
        ((ExplicitVRBigEndian,), ExplicitVRBigEndian),
        ((DeflatedExplicitVRLittleEndian,), DeflatedExplicitVRLittleEndian),
        ((JPIP, PRIVATE, JPEGBaseline8Bit), JPEGBaseline8Bit),
        ((JPIP, PRIVATE), None),
    ],
)
def test_storage_syntax(offered: tuple[str, ...], chosen: str | None) -> None:
    assert choose_storage_syntax(offered) == chosen


def answers(*contexts: tuple[str, str]) -> list[ContextResult]:
    proposed = tuple(
        ProposedContext(2 * index + 1, abstract, (syntax,))
        for index, (abstract, syntax) in enumerate(contexts)
    )
    accept = negotiate(AssociateRequest("A", "B", proposed, UserInformation()), 16384)
    return [context.result for context in accept.contexts]


def test_contexts_answered() -> None:
    assert answers(
        (VERIFICATION, ImplicitVRLittleEndian),
        (PRIVATE, ExplicitVRLittleEndian),
        (CT, JPIP),
        (STUDY_ROOT_FIND, JPEGLSLossless),
        ("1.2.840.10008.5.1.4.31", ImplicitVRLittleEndian),
    ) == [
        ContextResult.ACCEPTANCE,
        ContextResult.ACCEPTANCE,
        ContextResult.TRANSFER_SYNTAXES_NOT_SUPPORTED,
        ContextResult.TRANSFER_SYNTAXES_NOT_SUPPORTED,
        ContextResult.ABSTRACT_SYNTAX_NOT_SUPPORTED,
    ]


def test_only_storage_may_have_the_requestor_as_scp() -> None:
    roles = (RoleSelection(CT, False, True), RoleSelection(VERIFICATION, True, True))
    accept = negotiate(AssociateRequest("A", "B", (), UserInformation(0, "", "", roles)), 16384)
    assert accept.user.roles == (roles[0], RoleSelection(VERIFICATION, True, False))


uids = st.text("0123456789.", min_size=1, max_size=64)
titles = st.text("ABCDEFGHIJ_", min_size=1, max_size=16)
users = st.builds(
    UserInformation,
    max_length=st.sampled_from([0, 16, 16384, 2**32 - 1]),
    implementation_class_uid=uids,
    implementation_version_name=titles,
    roles=st.lists(st.builds(RoleSelection, uids, st.booleans(), st.booleans())).map(tuple),
)
requests = st.builds(
    AssociateRequest,
    called_ae=titles,
    calling_ae=titles,
    contexts=st.lists(
        st.builds(
            ProposedContext,
            st.integers(0, 255),
            uids,
            st.lists(uids, min_size=1, max_size=4).map(tuple),
        ),
        max_size=8,
    ).map(tuple),
    user=users,
)
accepts = st.builds(
    AssociateAccept,
    called_ae=titles,
    calling_ae=titles,
    contexts=st.lists(
        st.builds(ContextAnswer, st.integers(0, 255), st.sampled_from(ContextResult), uids)
    ).map(tuple),
    user=users,
)


@given(requests)
def test_request_round_trip(request: AssociateRequest) -> None:
    assert decode_request(memoryview(request.encode())[HEADER:]) == request


@given(accepts)
def test_accept_round_trip(accept: AssociateAccept) -> None:
    assert decode_accept(memoryview(accept.encode())[HEADER:]) == accept


def test_pynetdicom_reads_the_request_alike() -> None:
    role = RoleSelection(STORAGE_COMMITMENT_PUSH_MODEL, False, True)
    contexts = (ProposedContext(1, CT, (ExplicitVRLittleEndian, ImplicitVRLittleEndian)),)
    request = AssociateRequest("CALLED", "CALLING", contexts, user_information(16384, (role,)))
    read = A_ASSOCIATE_RQ()
    read.decode(request.encode())
    primitive = read.to_primitive()
    assert (primitive.called_ae_title, primitive.calling_ae_title) == ("CALLED", "CALLING")
    (context,) = primitive.presentation_context_definition_list
    assert (context.context_id, context.abstract_syntax) == (1, CT)
    assert tuple(context.transfer_syntax) == contexts[0].transfer_syntaxes
    assert primitive.maximum_length_received == 16384


@given(requests, st.data())
def test_damaged_requests_are_protocol_faults(
    request: AssociateRequest, data: st.DataObject
) -> None:
    body = bytearray(request.encode()[HEADER:])
    for position in data.draw(st.lists(st.integers(0, len(body) - 1), max_size=4)):
        body[position] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(body)))
    for decode in (decode_request, decode_accept):
        try:
            decode(memoryview(bytes(body))[:cut])
        except ProtocolFault:
            continue


def test_unknown_items_are_skipped() -> None:
    request = AssociateRequest("A", "B", (), user_information(16384))
    body = request.encode()[HEADER:] + b"\x77\0\0\2ab"
    assert decode_request(memoryview(body)) == request


def stored(sop_class: str, syntax: str) -> StoredInstance:
    uid = generate_uid()
    return StoredInstance(uid, sop_class, uid, syntax)


def test_one_context_for_each_class_and_stored_syntax_and_one_to_fall_back_on() -> None:
    instances = [stored(CT, JPEGLSLossless), stored(CT, JPEG2000), stored(CT, JPEGLSLossless)]
    (plan,) = plan_storage(instances)
    assert plan.instances == tuple(instances)
    assert plan.contexts == (
        ProposedContext(1, CT, (JPEGLSLossless,)),
        ProposedContext(3, CT, (JPEG2000,)),
        ProposedContext(5, CT, (ExplicitVRLittleEndian, ImplicitVRLittleEndian)),
    )


@given(st.lists(st.tuples(st.integers(0, 99), st.integers(0, 40)), max_size=300))
def test_plans_never_exceed_128_contexts_and_lose_nothing(pairs: list[tuple[int, int]]) -> None:
    instances = [stored(f"1.2.{a}", f"1.2.840.10008.1.2.4.{b}") for a, b in pairs]
    plans = list(plan_storage(instances))
    assert [one for plan in plans for one in plan.instances] == instances
    for plan in plans:
        assert len(plan.contexts) <= 128
        assert max(context.context_id for context in plan.contexts) <= 255
        offered = {
            (context.abstract_syntax, context.transfer_syntaxes) for context in plan.contexts
        }
        for one in plan.instances:
            assert (one.sop_class_uid, (one.transfer_syntax,)) in offered
