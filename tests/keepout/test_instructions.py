"""docs/operations.md: its commands make certificates that the archive and a peer agree by."""

from __future__ import annotations

import re
import shutil
import ssl
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from config.settings import load
from dicom.sop_classes import VERIFICATION
from service.certificates import normal
from service.tls import Tls
from tests.dicom_net.conftest import OPTIONS, serving
from tests.dicom_net.memory_archive import MemoryArchive
from tests.dicom_net.raw_peer import RawPeer

OPERATIONS = Path(__file__).resolve().parents[2] / "docs" / "operations.md"


def block(start: str) -> str:
    """Give the indented lines of the document from one that starts so, to the next blank one."""
    (found,) = re.findall(rf"^    ({re.escape(start)}.*?)\n\n", OPERATIONS.read_text(), re.M | re.S)
    return str(found)


def shell(folder: Path, script: str) -> str:
    bash = shutil.which("bash")
    if bash is None or shutil.which("openssl") is None:
        pytest.skip("bash and openssl are needed")
    done = subprocess.run(
        [bash, "-e", "-c", script], cwd=folder, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def ct1(script: str) -> str:
    """Make of the archive's commands those of a peer."""
    return script.replace("archive.", "ct1.").replace("RADIOLITH", "CT1")


def test_the_commands_set_tls_up(tmp_path: Path) -> None:
    made = block("openssl req -x509").replace("10.0.0.4", "127.0.0.1")
    shell(tmp_path, made)
    _, *of_a_peer = ct1(made).splitlines()  # the authority stays the one of before
    shell(tmp_path, "\n".join(of_a_peer))
    table = block("[tls]").replace("/etc/radiolith", str(tmp_path))
    (tmp_path / "radiolith.toml").write_text(table.replace("\n    ", "\n"))
    settings = load(tmp_path)
    assert not settings.tls.plain
    client = ssl.create_default_context(cafile=str(tmp_path / "authority.pem"))
    client.load_cert_chain(tmp_path / "ct1.pem", tmp_path / "ct1.key")
    options = replace(OPTIONS, security=Tls(settings))
    with serving(MemoryArchive(), options) as served, RawPeer(served.port, tls=client) as peer:
        assert peer.associate(VERIFICATION)[:1] == b"\x02"


def test_the_commands_that_name_a_certificate(tmp_path: Path) -> None:
    shell(
        tmp_path, block("openssl req -x509").replace("archive.", "ct1.").replace("RADIOLITH", "CT1")
    )
    (printed,) = re.findall(r'"\$\((openssl x509 .*?)\)"', OPERATIONS.read_text())
    assert re.fullmatch("[0-9a-f]{64}", normal(shell(tmp_path, printed)))
    (named,) = re.findall(r"# (openssl x509 .*RFC2253)", OPERATIONS.read_text())
    subject = shell(tmp_path, f"{named} -in ct1.pem").removeprefix("subject=")
    assert normal(subject) == "CN=CT1,O=Hospital"
