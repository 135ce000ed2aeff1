"""Peers that stop in the middle, break the protocol or are not welcome."""

from __future__ import annotations

import struct
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dicom.archive import ArchiveFault, Right
from dicom.association import Command, CommandField, Timeouts
from dicom.association.command import decode_command
from dicom.association.pdu import RELEASE_RP, USER_ABORT
from dicom.sop_classes import STUDY_ROOT_FIND, VERIFICATION
from tests.dicom_net.conftest import CT, OPTIONS, Served, serving
from tests.dicom_net.memory_archive import MemoryArchive
from tests.dicom_net.raw_peer import RawPeer, pdata

STORE = Command(
    CommandField.C_STORE,
    has_dataset=True,
    message_id=1,
    affected_sop_class_uid=CT,
    affected_sop_instance_uid="1.2.3",
)
ECHO = Command(CommandField.C_ECHO, message_id=1, affected_sop_class_uid=VERIFICATION)
REJECTED = b"\x03\0\0\0\0\4\0"


def abort(reason: int) -> bytes:
    return b"\x07\0\0\0\0\4\0\0\2" + bytes((reason,))


def response(peer: RawPeer) -> Command:
    return decode_command(peer.read()[12:])


@pytest.mark.parametrize("ending", ["close", "abort", "release", "command"])
def test_a_store_cut_short_is_forgotten(memory: Served, ending: str) -> None:
    with RawPeer(memory.port) as peer:
        peer.associate(CT)
        peer.command(1, STORE)
        peer.send_pdv(1, 0, b"half of a dataset")
        if ending == "abort":
            peer.send(USER_ABORT)
        elif ending == "release":
            assert peer.release() == RELEASE_RP
        elif ending == "command":
            peer.command(1, STORE)
            assert peer.read() == abort(2)
    assert memory.archive.something_aborted.wait(5)
    assert not memory.archive.kept
    assert [request.sop_instance_uid for request in memory.archive.aborted] == ["1.2.3"]


def test_a_dataset_may_come_in_any_fragments(memory: Served) -> None:
    with RawPeer(memory.port) as peer:
        peer.associate(CT)
        command = STORE.encode()
        peer.send_pdv(1, 1, command[:5])
        peer.send(pdata(1, 3, command[5:]) + pdata(1, 0, b"a") + pdata(1, 0, b""))
        pdvs = b"".join(struct.pack(">LBB", 3, 1, last) + b"b" for last in (0, 0, 2))
        peer.send(b"\4\0" + struct.pack(">L", len(pdvs)) + pdvs)
        assert response(peer).status == 0
        assert peer.release() == RELEASE_RP
        assert peer.read() == b""
    assert [kept.data for kept in memory.archive.kept.values()] == [b"abbb"]


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        (b"\x09\0\0\0\0\0", 1),
        (b"\x02\0\0\0\0\x44" + bytes(0x44), 2),
        (b"\x04\0\xff\xff\xff\xff", 6),
        (b"\x04\0\0\0\0\3abc", 6),
        (b"\x04\0\0\0\0\6\0\0\0\x09\1\3", 6),
        (pdata(99, 3, ECHO.encode()), 6),
        (pdata(1, 2, b"a dataset without a command"), 2),
        (pdata(1, 3, b"\0\0\0\1\xff\xff\xff\xff"), 6),
        (pdata(1, 3, b""), 6),
    ],
    ids=[
        "unknown PDU type",
        "unexpected PDU",
        "PDU over the limit",
        "PDV cut short",
        "PDV longer than its PDU",
        "context not accepted",
        "dataset without command",
        "element longer than its command",
        "empty command",
    ],
)
def test_protocol_faults_are_answered_by_an_abort(memory: Served, sent: bytes, reason: int) -> None:
    with RawPeer(memory.port) as peer:
        peer.associate(VERIFICATION)
        peer.send(sent)
        assert peer.read() == abort(reason)
        assert peer.read() == b""


@pytest.mark.parametrize(
    "sent", [b"GET / HTTP/1.1\r\n\r\n", b"\x01\0\xff\xff\xff\xff", b"\x01\0\0\0\0\2ab", b""]
)
def test_what_is_no_association_request(memory: Served, sent: bytes) -> None:
    with RawPeer(memory.port) as peer:
        peer.send(sent)
        if sent:
            assert peer.read()[:1] == b"\x07"
    with RawPeer(memory.port) as peer:
        assert peer.associate(VERIFICATION)[:1] == b"\x02"


def test_no_bytes_hurt_the_server() -> None:
    with serving(MemoryArchive()) as served:
        faults: list[object] = []

        @given(st.lists(st.binary(max_size=60) | _pdvs(), max_size=6), st.booleans())
        def send(parts: list[bytes], associated: bool) -> None:
            with RawPeer(served.port) as peer:
                if associated:
                    peer.associate(CT, VERIFICATION, STUDY_ROOT_FIND)
                peer.send(b"".join(parts))

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("threading.excepthook", lambda hook: faults.append(hook.exc_value))
            send()
        with RawPeer(served.port) as peer:
            peer.associate(VERIFICATION)
            peer.command(1, ECHO)
            assert response(peer).status == 0
    assert not faults


def _pdvs() -> st.SearchStrategy[bytes]:
    commands = st.sampled_from([STORE, ECHO, replace(STORE, field=CommandField.C_FIND)])
    payloads = st.binary(max_size=40) | commands.map(lambda command: command.encode())
    return st.builds(pdata, st.sampled_from([1, 3, 5, 7]), st.integers(0, 3), payloads)


def test_unknown_calling_ae_title() -> None:
    with serving(MemoryArchive(known={"FRIEND"})) as served:
        with RawPeer(served.port) as peer:
            assert peer.associate(VERIFICATION, calling="STRANGER") == REJECTED + b"\1\1\3"
            assert peer.read() == b""
        with RawPeer(served.port) as peer:
            assert peer.associate(VERIFICATION, calling="FRIEND")[:1] == b"\x02"


def test_an_archive_that_cannot_tell_whom_it_admits_rejects_for_now(
    memory: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    def admits(*_: object) -> bool:
        raise ArchiveFault(0xA700, "the index failed")

    monkeypatch.setattr(memory.archive, "admits", admits)
    with RawPeer(memory.port) as peer:
        assert peer.associate(VERIFICATION) == REJECTED + b"\2\1\1"


def test_called_ae_title_is_checked_if_asked_for(memory: Served) -> None:
    with RawPeer(memory.port) as peer:
        assert peer.associate(VERIFICATION, called="OTHER")[:1] == b"\x02"
    options = replace(OPTIONS, check_called_ae=True)
    with serving(MemoryArchive(), options) as served:
        with RawPeer(served.port) as peer:
            assert peer.associate(VERIFICATION, called="OTHER") == REJECTED + b"\1\1\7"
        with RawPeer(served.port) as peer:
            assert peer.associate(VERIFICATION)[:1] == b"\x02"


def test_too_many_associations() -> None:
    options = replace(OPTIONS, max_associations=1)
    with serving(MemoryArchive(), options) as served, RawPeer(served.port) as first:
        first.associate(VERIFICATION)
        with RawPeer(served.port) as second:
            assert second.associate(VERIFICATION) == REJECTED + b"\2\3\2"
        first.command(1, ECHO)
        assert response(first).status == 0


def test_a_silent_peer_is_aborted() -> None:
    options = replace(OPTIONS, timeouts=Timeouts(acse=0.2, idle=0.2, dimse=0.2))
    with serving(MemoryArchive(), options) as served:
        with RawPeer(served.port) as peer:
            assert peer.read() == USER_ABORT
        with RawPeer(served.port) as peer:
            peer.associate(CT)
            peer.command(1, STORE)
            assert peer.read() == USER_ABORT
        assert served.archive.something_aborted.is_set()


@pytest.mark.parametrize(
    ("sop_class", "command", "status"),
    [
        (CT, replace(ECHO, affected_sop_class_uid=CT), 0x0211),
        (VERIFICATION, STORE, 0x0211),
        (CT, replace(STORE, has_dataset=False), 0xC000),
    ],
)
def test_requests_that_do_not_fit_their_context(
    memory: Served, sop_class: str, command: Command, status: int
) -> None:
    with RawPeer(memory.port) as peer:
        peer.associate(sop_class)
        peer.command(1, command)
        if command.has_dataset:
            peer.send_pdv(1, 2, b"a dataset")
        assert response(peer).status == status
        peer.command(1, STORE if sop_class == CT else ECHO)
        if sop_class == CT:
            peer.send_pdv(1, 2, b"a dataset")
        assert response(peer).status == 0


def test_a_fault_of_the_archive_itself_ends_the_association(
    memory: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is no ArchiveFault is a defect: it is not answered as if it were the peer's matter."""
    seen: list[type[BaseException] | None] = []

    def permits(*_: object) -> bool:
        raise ZeroDivisionError

    monkeypatch.setattr(memory.archive, "permits", permits)
    monkeypatch.setattr("threading.excepthook", lambda hook: seen.append(hook.exc_type))
    with RawPeer(memory.port) as peer:
        peer.associate(CT)
        peer.command(1, STORE)
        peer.send_pdv(1, 2, b"a dataset")
        assert peer.read() == USER_ABORT
    memory.stop()
    assert seen == [ZeroDivisionError]


def test_a_peer_without_the_right_is_told_so() -> None:
    rights = frozenset(Right) - {Right.STORE}
    with serving(MemoryArchive(rights=rights)) as served, RawPeer(served.port) as peer:
        peer.associate(CT)
        peer.command(1, STORE)
        peer.send_pdv(1, 0, b"first")
        peer.send_pdv(1, 2, b"second")
        refused = response(peer)
        assert (refused.status, refused.affected_sop_instance_uid) == (0x0124, "1.2.3")
        assert not served.archive.kept
