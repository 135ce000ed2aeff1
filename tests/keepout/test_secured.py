"""Associations over TLS in this process: what a TCP stream does, a TLS stream does too; and our own
side of them, to C-MOVE destinations and for commitment reports."""

from __future__ import annotations

import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pynetdicom import AE, evt
from pynetdicom.sop_class import StorageCommitmentPushModel  # type: ignore[attr-defined]

from config.settings import load
from dicom.archive import Commitment, CommitmentItem, Node, Peer
from dicom.association import AssociationFault, Command, CommandField, Timeouts
from dicom.commitment import send_commitment_report
from dicom.identifiers import encode_dataset
from dicom.requestor import verify
from dicom.session import ServerOptions
from dicom.sop_classes import STUDY_ROOT_FIND, VERIFICATION
from service.certificates import normal
from service.processes import supervisor
from service.tls import Tls
from tests.dicom_net.conftest import CT, OPTIONS, serving
from tests.dicom_net.filling import fill
from tests.dicom_net.memory_archive import MemoryArchive
from tests.dicom_net.raw_peer import EXPLICIT, RawPeer, pdata
from tests.dicom_net.scu import identifier
from tests.dicom_net.test_hostile_peers import STORE, response
from tests.dicom_net.test_query import FIND
from tests.keepout.certificates import Authority, Pair

CLIENT_HELLO = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(502)
"""A record that OpenSSL reads on and on; sent a byte at a time, it takes 51 seconds."""

REPORT = Commitment(
    "1.2.3", Peer("MODALITY", "RADIOLITH", "127.0.0.1"), (CommitmentItem(CT, "1.2.3.4"),)
)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("pki"), "authority")


@pytest.fixture(scope="module")
def options(authority: Authority) -> ServerOptions:
    """Options of an archive with TLS, as the settings make it."""
    own = authority.issue("archive")
    files = {"certificate": own.certificate, "key_file": own.key, "authorities": authority.file}
    return replace(OPTIONS, security=Tls(load(authority.file.parent, {"tls": files})))


@pytest.fixture(scope="module")
def client(authority: Authority) -> ssl.SSLContext:
    return context(ssl.PROTOCOL_TLS_CLIENT, authority, authority.issue("client"))


def context(side: int, authority: Authority, pair: Pair) -> ssl.SSLContext:
    made = ssl.SSLContext(side)
    made.load_cert_chain(pair.certificate, pair.key)
    made.load_verify_locations(authority.file)
    made.verify_mode = ssl.CERT_REQUIRED
    return made


def test_a_dataset_of_many_records_comes_whole(
    options: ServerOptions, client: ssl.SSLContext
) -> None:
    dataset = bytes(range(256)) * 40_000
    with serving(MemoryArchive(), options) as served:
        with RawPeer(served.port, tls=client) as peer:
            peer.associate(CT)
            peer.command(1, STORE)
            step = options.max_pdu - 6
            for start in range(0, len(dataset), step):
                part = dataset[start : start + step]
                peer.send_pdv(1, 2 * (start + step >= len(dataset)), part)
            assert response(peer).status == 0
            peer.release()
        assert [kept.data for kept in served.archive.kept.values()] == [dataset]


def test_a_cancel_is_seen_behind_what_was_decrypted_already(
    options: ServerOptions, client: ssl.SSLContext
) -> None:
    """One TLS record holds the request, its identifier and the C-CANCEL for it."""
    archive = MemoryArchive()
    fill(archive)
    archive.endless = True
    with serving(archive, options) as served, RawPeer(served.port, tls=client) as peer:
        peer.associate(STUDY_ROOT_FIND)
        cancel = Command(CommandField.C_CANCEL, message_id_responded=7)
        keys = encode_dataset(identifier("STUDY", PatientID=""), EXPLICIT)
        commands = pdata(1, 3, FIND.encode()), pdata(1, 2, keys), pdata(1, 3, cancel.encode())
        peer.send(b"".join(commands))
        while (reply := response(peer)).status == 0xFF00:
            peer.read()
        assert (reply.status, reply.message_id_responded) == (0xFE00, 7)


def test_an_abort_reaches_the_peer_over_tls(options: ServerOptions, client: ssl.SSLContext) -> None:
    with serving(MemoryArchive(), options) as served, RawPeer(served.port, tls=client) as peer:
        peer.associate(VERIFICATION)
        peer.send(b"\x09\0\0\0\0\0")
        assert peer.read()[:1] == b"\x07"
        assert peer.read() == b""  # close_notify: the end is no truncation


def test_a_silent_peer_is_aborted_over_tls(options: ServerOptions, client: ssl.SSLContext) -> None:
    hasty = replace(options, timeouts=Timeouts(acse=5, dimse=0.3, idle=0.3))
    with serving(MemoryArchive(), hasty) as served, RawPeer(served.port, tls=client) as peer:
        peer.associate(CT)
        peer.command(1, STORE)
        assert peer.read()[:1] == b"\x07"
        assert served.archive.something_aborted.wait(5)


def test_a_handshake_that_never_ends_is_ended(
    options: ServerOptions, client: ssl.SSLContext
) -> None:
    hasty = replace(options, timeouts=Timeouts(acse=1))
    with serving(MemoryArchive(), hasty) as served, RawPeer(served.port) as slow:
        began = time.monotonic()
        with RawPeer(served.port, tls=client) as other:
            assert other.associate(VERIFICATION)[:1] == b"\x02"
        with suppress(OSError):
            for byte in CLIENT_HELLO:
                slow.send(bytes([byte]))
                time.sleep(0.1)
        assert 0.9 < time.monotonic() - began < 40


@pytest.mark.parametrize("plain", [True, False])
def test_the_plain_port_is_open_only_where_it_is_wanted(
    authority: Authority, tmp_path: Path, plain: bool
) -> None:
    own = authority.issue("archive")
    files = {"certificate": own.certificate, "key_file": own.key, "authorities": authority.file}
    tls = {**files, "plain": plain, "port": 0}
    settings = load(tmp_path, {"tls": tls, "service": {"host": "127.0.0.1", "port": 0}})
    with supervisor.bound(settings) as listeners:
        assert [one.is_secure for one in listeners] == ([False, True] if plain else [True])


def test_no_bytes_hurt_a_port_of_tls(options: ServerOptions, client: ssl.SSLContext) -> None:
    faults: list[object] = []
    records = st.builds(
        lambda kind, body: bytes((kind, 3, 3)) + len(body).to_bytes(2, "big") + body,
        st.sampled_from([20, 21, 22, 23, 24]),
        st.binary(max_size=200),
    )

    @given(st.lists(records | st.binary(max_size=60), max_size=4))
    def send(parts: list[bytes]) -> None:
        with RawPeer(served.port) as peer:
            peer.send(b"".join(parts))

    hasty = replace(options, timeouts=Timeouts(acse=5))
    with serving(MemoryArchive(), hasty) as served:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("threading.excepthook", lambda hook: faults.append(hook.exc_value))
            send()
        with RawPeer(served.port, tls=client) as peer:
            assert peer.associate(VERIFICATION)[:1] == b"\x02"
    assert not faults


def test_the_archive_is_told_how_the_peer_came(
    options: ServerOptions, client: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Peer] = []
    archive = MemoryArchive()

    def permits(peer: Peer, _: object) -> bool:
        seen.append(peer)
        return True

    monkeypatch.setattr(archive, "permits", permits)
    for security, tls in ((options.security, client), (None, None)):
        here = replace(options, security=security)
        with serving(archive, here) as served, RawPeer(served.port, tls=tls) as peer:
            peer.associate(CT)
            peer.command(1, STORE)
            peer.send_pdv(1, 2, b"a dataset")
            assert response(peer).status == 0
    assert [(peer.is_secure, peer.certificate is not None) for peer in seen] == [
        (True, True),
        (False, False),
    ]


@contextmanager
def modality(security: ssl.SSLContext | None) -> Iterator[tuple[Node, list[Any]]]:
    """Listen as a modality does for reports and echoes."""
    reports: list[Any] = []

    def take(event: Any) -> tuple[int, None]:
        reports.append(event.event_information)
        return 0, None

    entity = AE("MODALITY")
    entity.add_supported_context(StorageCommitmentPushModel, scu_role=True, scp_role=True)
    entity.add_supported_context(VERIFICATION)
    handlers: list[Any] = [(evt.EVT_N_EVENT_REPORT, take), (evt.EVT_C_ECHO, lambda _: 0)]
    server = entity.start_server(
        ("127.0.0.1", 0), block=False, evt_handlers=handlers, ssl_context=security
    )
    assert server is not None
    try:
        yield Node("MODALITY", "127.0.0.1", server.server_address[1], tls=True), reports
    finally:
        server.shutdown()


def test_reports_and_echoes_go_over_tls(authority: Authority, options: ServerOptions) -> None:
    server = context(ssl.PROTOCOL_TLS_SERVER, authority, authority.issue("modality"))
    with modality(server) as (node, reports):
        assert send_commitment_report(REPORT, node, options)
        assert len(reports) == 1
        verify(node, options)


@pytest.mark.parametrize("lack", ["no TLS here", "no TLS there", "authority", "host", "pin"])
def test_nothing_goes_to_who_does_not_prove_who_it_is(
    authority: Authority, options: ServerOptions, tmp_path: Path, lack: str
) -> None:
    issuer = Authority(tmp_path, "other") if lack == "authority" else authority
    pair = issuer.issue("modality", host="10.9.9.9" if lack == "host" else "127.0.0.1")
    server = context(ssl.PROTOCOL_TLS_SERVER, authority, pair)
    with modality(None if lack == "no TLS there" else server) as (node, reports):
        if lack == "no TLS here":
            options = replace(options, security=None)
        if lack == "pin":
            node = replace(node, certificate=normal("CN=another,O=Hospital"))
        hasty = replace(options, timeouts=Timeouts(connect=2, acse=2, dimse=2))
        assert not send_commitment_report(REPORT, node, hasty)
        with pytest.raises(AssociationFault):
            verify(node, hasty)
        assert reports == []


def test_a_node_of_one_certificate_may_have_any_host(
    authority: Authority, options: ServerOptions
) -> None:
    pair = authority.issue("moved", host="10.9.9.9")
    with modality(context(ssl.PROTOCOL_TLS_SERVER, authority, pair)) as (node, _):
        for name in (pair.fingerprint, "CN=moved,O=Hospital"):
            verify(replace(node, certificate=normal(name)), options)


def test_an_echo_that_is_not_answered_with_success_is_a_fault(options: ServerOptions) -> None:
    with serving(MemoryArchive(known=set())) as served:
        node = Node("RADIOLITH", "127.0.0.1", served.port)
        with pytest.raises(AssociationFault, match="rejected"):
            verify(node, options)
    with serving(MemoryArchive()) as served:
        verify(Node("RADIOLITH", "127.0.0.1", served.port), options)
