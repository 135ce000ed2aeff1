"""User identity negotiation on the wire (PS3.7 D.3.3.7)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dicom.association import AssociateRequest, ProtocolFault, UserIdentity, UserInformation
from dicom.association.identity import decode_identity
from dicom.association.negotiation import decode_accept, decode_request
from dicom.sop_classes import VERIFICATION
from tests.dicom_net.conftest import Served
from tests.dicom_net.raw_peer import RawPeer

NAME_AND_PASSCODE = bytes.fromhex("02 01 0006") + b"amelie" + bytes.fromhex("0003") + b"abc"
"""PS3.7 Table D.3-14: type, positive response requested, and two fields with their lengths."""


def test_the_sub_item_as_the_standard_has_it() -> None:
    identity = UserIdentity(2, True, b"amelie", b"abc")
    assert decode_identity(memoryview(NAME_AND_PASSCODE)) == identity
    assert identity.encode() == NAME_AND_PASSCODE
    assert identity.username == "amelie"
    assert "abc" not in repr(identity)
    assert "amelie" not in repr(identity)


@given(
    st.builds(UserIdentity, st.integers(0, 255), st.booleans(), st.binary(max_size=99), st.binary())
)
def test_what_is_encoded_is_decoded(identity: UserIdentity) -> None:
    request = AssociateRequest("A", "B", (), UserInformation(16384, "1", "V", identity=identity))
    assert decode_request(memoryview(request.encode())[6:]).user.identity == identity
    assert bool(identity.username) <= (identity.kind in (1, 2))


@given(st.integers(0, len(NAME_AND_PASSCODE) - 1))
def test_an_item_cut_short_is_refused(length: int) -> None:
    with pytest.raises(ProtocolFault):
        decode_identity(memoryview(NAME_AND_PASSCODE[:length]))
    with pytest.raises(ProtocolFault):
        decode_identity(memoryview(NAME_AND_PASSCODE + bytes(length + 1)))


@pytest.mark.parametrize(
    ("kind", "requested", "answered"),
    [(1, True, True), (2, True, True), (1, False, False), (3, True, False), (9, True, False)],
)
def test_the_positive_response(memory: Served, kind: int, requested: bool, answered: bool) -> None:
    identity = UserIdentity(kind, requested, b"amelie", b"abc")
    with RawPeer(memory.port) as peer:
        answer = peer.associate(VERIFICATION, identity=identity)
    assert decode_accept(memoryview(answer)[6:]).user.is_identity_accepted is answered
    assert (b"\x59\0\0\2\0\0" in answer) is answered
    assert memory.archive.identities == [identity]


def test_who_states_no_user_gets_no_response(memory: Served) -> None:
    with RawPeer(memory.port) as peer:
        answer = peer.associate(VERIFICATION)
    assert not decode_accept(memoryview(answer)[6:]).user.is_identity_accepted
    assert memory.archive.identities == [None]
