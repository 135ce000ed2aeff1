"""Who is let in, and what for: every rule, alone and over real associations."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from pydicom.data import get_testdata_file

from dicom.archive import Node, Peer, Right
from dicom.association import UserIdentity
from service.access import Access, calls_from_its_place, network
from service.certificates import is_named, normal
from service.demo.scratch import unused_port
from service.home import Home, init
from service.index import USER_REFUSED, Entry
from tests.keepout.certificates import Authority
from tests.keepout.conftest import Fortress

SAMPLE = Path(str(get_testdata_file("CT_small.dcm", download=False)))
CT1 = Node("CT1", "127.0.0.1", 104)
CALL = Peer("CT1", "RADIOLITH", "127.0.0.1")


@pytest.fixture
def home(tmp_path: Path) -> Home:
    init(tmp_path / "home")
    return Home.open(tmp_path / "home")


def admits(home: Home, node: Node, peer: Peer, identity: UserIdentity | None = None) -> bool:
    home.index.nodes.add(node)
    return Access(home.index, is_open=False).admits(peer, identity)


def test_who_is_no_node_gets_in_only_where_that_is_opened(home: Home) -> None:
    for is_open in (False, True):
        access = Access(home.index, is_open=is_open)
        assert access.admits(CALL, None) is is_open
        assert access.permits(CALL, Right.STORE) is is_open
        assert access.permits_move(CALL, CT1) is is_open


def test_a_node_calls_from_its_own_address_alone(home: Home) -> None:
    elsewhere = replace(CALL, address="10.0.0.9")
    assert admits(home, CT1, CALL)
    assert not admits(home, CT1, elsewhere)
    assert admits(home, replace(CT1, sources=("10.0.0.0/29", "10.0.0.8/31")), elsewhere)
    assert not admits(home, replace(CT1, sources=("10.0.0.0/29",)), elsewhere)


def test_an_open_archive_still_keeps_the_names_of_its_nodes(home: Home) -> None:
    home.index.nodes.add(CT1)
    access = Access(home.index, is_open=True)
    assert not access.admits(replace(CALL, address="10.0.0.9"), None)
    assert access.admits(replace(CALL, calling_ae="OTHER", address="10.0.0.9"), None)


@pytest.mark.parametrize(
    ("host", "sources", "address"),
    [
        ("127.0.0.1", (), "::ffff:127.0.0.1"),
        ("localhost", (), "127.0.0.1"),
        ("fe80::1", (), "fe80::1%eth0"),
        ("10.0.0.1", ("2001:db8::/32",), "2001:db8::7"),
        ("10.0.0.1", ("0.0.0.0/0", "::/0"), "203.0.113.5"),
    ],
)
def test_addresses_in_every_form(host: str, sources: tuple[str, ...], address: str) -> None:
    assert calls_from_its_place(Node("A", host, 104, sources=sources), address)
    assert not calls_from_its_place(Node("A", "192.0.2.1", 104), address)
    assert not calls_from_its_place(Node("A", "no.such.host.invalid", 104), address)


def test_networks_have_one_form() -> None:
    assert network("10.0.0.5") == "10.0.0.5/32"
    for wrong in ("10.0.0.5/24", "hospital", "::ffff:10.0.0.0/120"):
        with pytest.raises(ValueError, match=r".+"):
            network(wrong)


def test_a_node_of_tls_is_not_met_without(home: Home) -> None:
    assert not admits(home, replace(CT1, tls=True), CALL)
    assert admits(home, replace(CT1, tls=True), replace(CALL, is_secure=True))


def test_a_node_with_a_certificate_shows_this_one(home: Home, tmp_path: Path) -> None:
    from cryptography.hazmat.primitives.serialization import Encoding
    from cryptography.x509 import load_pem_x509_certificate

    authority = Authority(tmp_path, "authority")
    pair, other = authority.issue("CT1"), authority.issue("OTHER")
    shown = {
        name: load_pem_x509_certificate(file.certificate.read_bytes()).public_bytes(Encoding.DER)
        for name, file in (("CT1", pair), ("OTHER", other))
    }
    for name in (pair.fingerprint, "CN=CT1,O=Hospital"):
        node = replace(CT1, tls=True, certificate=normal(name))
        secured = replace(CALL, is_secure=True)
        assert admits(home, node, replace(secured, certificate=shown["CT1"]))
        assert not admits(home, node, replace(secured, certificate=shown["OTHER"]))
        assert not admits(home, node, secured)
    assert not is_named(shown["CT1"], "CN=CT1")
    for wrong in ("", " ", "ab:cd", "no subject"):
        with pytest.raises(ValueError, match=r".+"):
            normal(wrong)


def test_a_username_in_a_subject_cannot_pass_for_two_attributes() -> None:
    assert normal(r"CN=CT1\,O=Hospital") != normal("CN=CT1,O=Hospital")


def test_destinations_of_moves(home: Home) -> None:
    access = Access(home.index, is_open=False)
    far = Node("FAR", "10.0.0.7", 104)
    for allowed, itself, other in (
        ((), True, False),
        (("FAR",), False, True),
        (("*",), True, True),
    ):
        home.index.nodes.add(replace(CT1, destinations=allowed))
        assert access.permits_move(CALL, CT1) is itself
        assert access.permits_move(CALL, far) is other


def test_users_prove_themselves(home: Home) -> None:
    home.index.users.add("amelie", b"correct horse")
    home.index.users.add("bruno", b"battery staple")
    guarded = replace(CT1, users=("amelie",))

    def proven(node: Node, kind: int, name: str, passcode: bytes = b"") -> bool:
        return admits(home, node, CALL, UserIdentity(kind, False, name.encode(), passcode))

    assert proven(guarded, 2, "amelie", b"correct horse")
    assert not proven(guarded, 2, "amelie", b"correct horse ")
    assert not proven(guarded, 2, "bruno", b"battery staple")
    assert not proven(guarded, 1, "amelie")
    assert not proven(guarded, 3, "a kerberos ticket")
    assert not admits(home, guarded, CALL)
    # A node that need not name a user may claim one; a passcode that comes along must be right.
    assert proven(CT1, 1, "anyone")
    assert proven(CT1, 2, "bruno", b"battery staple")
    assert not proven(CT1, 2, "bruno", b"wrong")
    assert not proven(CT1, 2, "nobody", b"wrong")
    said = [(entry.details["user"], entry.details["proven"]) for entry in authentications(home)]
    assert said == [("amelie", True), ("anyone", False), ("bruno", True)]
    assert [one.details["user"] for one in entries(home, USER_REFUSED)] == [
        "amelie", "bruno", "amelie", "", "", "bruno", "nobody",
    ]  # fmt: skip
    assert home.index.statistics().refused_users == 7
    assert "horse" not in str([one.details for one in home.index.trail.entries()])
    home.index.users.remove("amelie")
    assert not proven(guarded, 2, "amelie", b"correct horse")


def authentications(home: Home) -> list[Entry]:
    return entries(home, "user authentication")


def entries(home: Home, event: str) -> list[Entry]:
    return [one for one in home.index.trail.entries() if one.event == event]


@pytest.mark.interop
def test_the_certificate_of_another_node_is_not_enough(guarded: Fortress) -> None:
    """CT2 has a certificate of the trusted authority, and claims to be CT1."""
    ct1, ct2 = guarded.pair("CT1"), guarded.pair("CT2")
    guarded.archive.run("nodes", "set", "CT1", "--certificate", ct1.fingerprint)
    assert guarded.echo(*guarded.secured(ct1))
    refused = guarded.call("echoscu", *guarded.secured(ct2))
    assert refused.returncode != 0
    assert "Calling AE Title Not Recognized" in refused.stdout + refused.stderr
    plain = guarded.call("echoscu", port=guarded.archive.port)
    assert plain.returncode != 0
    guarded.archive.run("nodes", "set", "CT1", "--certificate", "CN=CT2,O=Hospital")
    assert guarded.echo(*guarded.secured(ct2))
    assert '"reason": "not with the node' in guarded.log
    guarded.archive.run("nodes", "set", "CT1", "--certificate", "", "--no-tls")
    assert guarded.call("echoscu", port=guarded.archive.port).returncode == 0


@pytest.mark.interop
def test_rights_and_destinations_are_kept_over_the_network(guarded: Fortress) -> None:
    port = guarded.archive.port
    guarded.archive.run("nodes", "add", "LAB", "127.0.0.1", str(unused_port()), "--allow", "query")
    study = ["-S", "-k", "QueryRetrieveLevel=STUDY", "-k", "StudyInstanceUID=1.2.3"]
    assert guarded.call("echoscu", title="LAB", port=port).returncode == 0
    assert guarded.call("findscu", *study, title="LAB", port=port).returncode == 0
    for tool, options in (("storescu", [SAMPLE]), ("movescu", ["-aem", "LAB", *study])):
        refused = guarded.call(tool, "-d", *options, title="LAB", port=port)
        assert "0x0124" in (refused.stdout + refused.stderr).lower()
    guarded.archive.run("nodes", "set", "LAB", "--allow", "retrieve")
    moved = guarded.call("movescu", "-d", "-aem", "CT1", *study, title="LAB", port=port)
    assert "0x0124" in (moved.stdout + moved.stderr).lower()
    guarded.archive.run("nodes", "set", "LAB", "--move-to", "CT1")
    moved = guarded.call("movescu", "-d", "-aem", "CT1", *study, title="LAB", port=port)
    assert moved.returncode == 0


@pytest.mark.interop
def test_a_node_of_another_network_is_refused(guarded: Fortress) -> None:
    port = guarded.archive.port
    guarded.archive.run("nodes", "add", "FAR", "10.9.8.7", "104")
    assert guarded.call("echoscu", title="FAR", port=port).returncode != 0
    guarded.archive.run("nodes", "set", "FAR", "--from", "127.0.0.0/8")
    assert guarded.call("echoscu", title="FAR", port=port).returncode == 0
    guarded.archive.run("nodes", "set", "FAR", "--from", "host")
    assert guarded.call("echoscu", title="FAR", port=port).returncode != 0


@pytest.mark.interop
def test_dcmtk_proves_its_user(guarded: Fortress, tmp_path: Path) -> None:
    passcode = tmp_path / "passcode"
    passcode.write_text("correct horse\n")
    archive, port = guarded.archive, guarded.archive.port
    archive.run("users", "add", "amelie", "--passcode-file", passcode)
    archive.run("nodes", "add", "DESK", "127.0.0.1", "104", "--user", "amelie")
    assert archive.ask("users", "ls") == [{"username": "amelie", "nodes": ["DESK"]}]

    def stores(*options: str) -> bool:
        done = guarded.call("storescu", *options, SAMPLE, title="DESK", port=port)
        return done.returncode == 0

    right = ["-usr", "amelie", "-pwd", "correct horse"]
    assert stores(*right)
    assert stores(*right, "-rsp")  # it insists on the positive response
    assert not stores("-usr", "amelie", "-pwd", "wrong")
    assert not stores("-usr", "amelie")
    assert not stores()
    assert "correct horse" not in guarded.log
    assert b"correct horse" not in (archive.home / "index.sqlite").read_bytes()
