"""DICOM over TLS: DCMTK's programs and OpenSSL's own client as peers, each in real processes."""

from __future__ import annotations

import socket
import ssl
import subprocess
from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.data import get_testdata_file

from service.demo.scratch import command, unused_port
from tests.keepout.certificates import Authority, Pair
from tests.keepout.conftest import Fortress

pytestmark = pytest.mark.interop

SAMPLE = Path(str(get_testdata_file("CT_small.dcm", download=False)))


def test_a_peer_with_a_certificate_stores_and_finds(guarded: Fortress) -> None:
    secured = guarded.secured(guarded.pair("CT1"))
    assert guarded.call("storescu", *secured, SAMPLE).returncode == 0
    keys = ["-S", "-k", "QueryRetrieveLevel=STUDY", "-k", "PatientID"]
    found = guarded.call("findscu", *secured, *keys)
    assert found.returncode == 0
    assert str(dcmread(SAMPLE).PatientID) in found.stdout + found.stderr


@pytest.mark.parametrize("profile", ["+py", "+px", "+pz"])
def test_every_profile_of_bcp_195_is_spoken(guarded: Fortress, profile: str) -> None:
    assert guarded.echo(*guarded.secured(guarded.pair("CT1")), profile)


def test_who_shows_no_certificate_is_refused(guarded: Fortress) -> None:
    refused = guarded.call("echoscu", "+tla", "-ic")
    assert refused.returncode != 0
    assert "TLS handshake failed" in guarded.log
    assert guarded.echo(*guarded.secured(guarded.pair("CT1")))


def test_a_certificate_of_another_authority_is_refused(guarded: Fortress, tmp_path: Path) -> None:
    stranger = Authority(tmp_path, "stranger").issue("CT1")
    assert not guarded.echo(*guarded.secured(stranger))


def test_an_expired_certificate_is_refused(guarded: Fortress) -> None:
    assert not guarded.echo(*guarded.secured(guarded.authority.issue("EXPIRED", days=0)))


def test_a_peer_that_expects_another_authority_does_not_trust_us(
    guarded: Fortress, tmp_path: Path
) -> None:
    other = Authority(tmp_path, "other")
    pair = guarded.pair("CT1")
    options = ["+tls", str(pair.key), str(pair.certificate), "+cf", str(other.file)]
    assert not guarded.echo(*options)


def test_a_peer_that_speaks_plain_dicom_gets_nowhere(guarded: Fortress) -> None:
    assert guarded.call("echoscu").returncode != 0
    assert guarded.call("echoscu", port=guarded.archive.port).returncode == 0


@pytest.mark.parametrize(
    ("version", "ciphers"),
    [
        (ssl.TLSVersion.TLSv1, "ALL:@SECLEVEL=0"),
        (ssl.TLSVersion.TLSv1_1, "ALL:@SECLEVEL=0"),
        (ssl.TLSVersion.TLSv1_2, "AES128-SHA:AES256-GCM-SHA384:@SECLEVEL=0"),
        (ssl.TLSVersion.TLSv1_2, "ECDHE-ECDSA-AES256-SHA384:@SECLEVEL=0"),
        (ssl.TLSVersion.TLSv1_2, "aNULL:eNULL:@SECLEVEL=0"),
    ],
    ids=["TLS 1.0", "TLS 1.1", "no forward secrecy", "CBC", "anonymous or unencrypted"],
)
@pytest.mark.filterwarnings("ignore:.*TLSv1:DeprecationWarning")
def test_old_versions_and_weak_suites_are_refused(
    guarded: Fortress, version: ssl.TLSVersion, ciphers: str
) -> None:
    context = client_context(guarded.pair("CT1"), guarded)
    context.minimum_version = ssl.TLSVersion.TLSv1
    context.maximum_version = version
    context.set_ciphers(ciphers)
    refused = pytest.raises(OSError, match=r"alert|ALERT|EOF|reset")
    with refused, connect(context, guarded.tls_port) as connection:
        connection.recv(1)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_both_versions_are_spoken(guarded: Fortress, version: ssl.TLSVersion) -> None:
    context = client_context(guarded.pair("CT1"), guarded)
    context.minimum_version = context.maximum_version = version
    with connect(context, guarded.tls_port) as connection:
        assert connection.version() == version.name.replace("_", ".")
        cipher = connection.cipher()
        assert cipher is not None
        assert "GCM" in cipher[0]


def test_instances_move_over_tls(guarded: Fortress, tmp_path: Path) -> None:
    secured = guarded.secured(guarded.pair("CT1"))
    assert guarded.call("storescu", *secured, SAMPLE).returncode == 0
    port = unused_port()
    guarded.archive.run("nodes", "add", "SAFE", "127.0.0.1", str(port), "--tls")
    with guarded.storescp(tmp_path / "out", port, *guarded.secured(guarded.pair("SAFE"))) as out:
        assert move(guarded, "SAFE") == 0
        (file,) = out.iterdir()
        assert dcmread(file).PixelData == dcmread(SAMPLE).PixelData


@pytest.mark.parametrize("peer", ["plain", "of another authority", "of another host"])
def test_nothing_is_sent_to_a_node_that_does_not_prove_itself(
    guarded: Fortress, tmp_path: Path, peer: str
) -> None:
    secured = guarded.secured(guarded.pair("CT1"))
    assert guarded.call("storescu", *secured, SAMPLE).returncode == 0
    port = unused_port()
    guarded.archive.run("nodes", "add", "DOUBTFUL", "127.0.0.1", str(port), "--tls")
    authority = Authority(tmp_path / "pki", "other") if "authority" in peer else guarded.authority
    pair = authority.issue("DOUBTFUL", host="10.9.9.9" if "host" in peer else "127.0.0.1")
    options = [] if peer == "plain" else [*guarded.secured(pair), "-ic"]
    with guarded.storescp(tmp_path / "out", port, *options) as out:
        assert move(guarded, "DOUBTFUL") != 0
        assert not list(out.iterdir())


def test_a_renewed_certificate_counts_without_a_restart(guarded: Fortress) -> None:
    before = shown(guarded)
    guarded.authority.issue("archive")
    after = shown(guarded)
    assert after != before
    guarded.own.key.write_text("no key")
    assert shown(guarded) in (before, after)
    guarded.authority.issue("archive")
    assert shown(guarded) not in (before, after)
    assert "TLS files cannot be used; those read last stay in use" in guarded.log


def test_a_revoked_certificate_is_refused_without_a_restart(guarded: Fortress) -> None:
    lost = guarded.authority.issue("LOST")
    options = guarded.secured(lost)
    guarded.archive.run("nodes", "add", "LOST", "127.0.0.1", "104")
    assert guarded.echo(*options, title="LOST")
    guarded.authority.revoke(lost)
    assert not guarded.echo(*options, title="LOST")
    assert guarded.echo(*guarded.secured(guarded.pair("CT1")))


def test_a_wrong_setting_is_told_at_the_start(guarded: Fortress, tmp_path: Path) -> None:
    locked = guarded.authority.issue("LOCKED", password=b"secret")
    for key, reason in ((locked.key, "password"), (tmp_path / "none", "No such file")):
        environment = {
            **guarded.archive.environment(),
            "RADIOLITH_TLS__CERTIFICATE": str(locked.certificate),
            "RADIOLITH_TLS__KEY_FILE": str(key),
        }
        serve = [*command(), "serve", "--port", "0"]
        done = subprocess.run(serve, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 78
        assert reason in done.stderr


def client_context(pair: Pair, served: Fortress) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_cert_chain(pair.certificate, pair.key)
    context.load_verify_locations(served.authority.file)
    return context


def connect(context: ssl.SSLContext, port: int) -> ssl.SSLSocket:
    connection = socket.create_connection(("127.0.0.1", port), 10)
    try:
        return context.wrap_socket(connection, server_hostname="127.0.0.1")
    except OSError:
        connection.close()
        raise


def shown(served: Fortress) -> bytes:
    """Give the certificate that the archive shows."""
    with connect(client_context(served.pair("CT1"), served), served.tls_port) as connection:
        return connection.getpeercert(binary_form=True) or b""


def move(served: Fortress, destination: str) -> int:
    study = dcmread(SAMPLE).StudyInstanceUID
    keys = ["-S", "-k", "QueryRetrieveLevel=STUDY", "-k", f"StudyInstanceUID={study}"]
    # DCMTK's movescu speaks no TLS; what it asks for goes out as the node says.
    port = served.archive.port
    return served.call("movescu", "-aem", destination, *keys, port=port).returncode
