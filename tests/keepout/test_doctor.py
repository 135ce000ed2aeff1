"""`radiolith doctor`: each weakness is named where it is, and only there."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from config.settings import load
from dicom.archive import Node
from service.demo.scratch import ScratchArchive, unused_port
from service.home import Home, init
from service.index import USER_REFUSED, trail
from service.sequence import utc_now
from service.upkeep.doctor import examine
from tests.keepout.certificates import Authority

Section = Mapping[str, Any]
Settings = dict[str, dict[str, Any]]


@pytest.fixture
def sound(tmp_path: Path) -> Settings:
    """Settings of an archive with nothing to complain about."""
    authority = Authority(tmp_path / "pki", "authority")
    own = authority.issue("archive", days=400)
    (tmp_path / "secret").mkdir()
    passphrase = tmp_path / "secret" / "passphrase"
    passphrase.write_text("correct horse battery staple")
    passphrase.chmod(0o600)
    return {
        "service": {"ae_title": "ARCHIVE1", "host": "0.0.0.0"},
        "tls": {
            "certificate": own.certificate,
            "key_file": own.key,
            "authorities": own.certificate,
            "plain": False,
        },
        "keys": {"passphrase_file": passphrase, "backup_path": Path("/dev/shm")},
        "receive": {"min_free_bytes": 1 << 20},
    }


Examine = Callable[..., set[str]]


@pytest.fixture
def examined(tmp_path: Path, sound: Settings) -> Examine:
    """Change the sound settings, give the names of what is found then."""

    def examined(
        *nodes: Node, touch: Callable[[Home], object] | None = None, **changed: Section
    ) -> set[str]:
        names = {*sound, *changed}
        settings = {name: {**sound.get(name, {}), **changed.get(name, {})} for name in names}
        if not (tmp_path / "home").exists():
            init(tmp_path / "home", settings)
        with Home(load(tmp_path / "home", settings)) as home:
            for node in nodes:
                home.index.nodes.add(node)
            if touch is not None:
                touch(home)
            found = {finding.about for finding in examine(home)}
        return found - {"store-nearly-full"}  # that is for this machine's disk to say

    return examined


def test_a_sound_archive_has_no_findings(examined: Examine) -> None:
    assert examined() == set()


@pytest.mark.parametrize(
    ("section", "changed", "found"),
    [
        ("service", {"ae_title": "RADIOLITH"}, "default-ae-title"),
        ("service", {"open_to_unknown_peers": True}, "open-to-unknown-peers"),
        ("tls", {"plain": True}, "plain-port"),
        ("tls", {"require_client_certificate": False}, "no-client-certificate"),
        ("receive", {"acse_timeout_s": 0}, "endless-wait"),
        ("receive", {"min_bytes_per_s": 0}, "endless-wait"),
        ("receive", {"min_free_bytes": 0}, "no-reserve"),
        ("receive", {"min_free_bytes": 1 << 60}, "journal-nearly-full"),
        ("log", {"phi": True}, "patients-in-logs"),
        ("keys", {"backup_path": ""}, "no-keyring-backup"),
    ],
)
def test_each_weak_setting_is_named(
    examined: Examine, section: str, changed: Section, found: str
) -> None:
    assert examined(**{section: changed}) == {found}


def test_no_tls_is_weak_beyond_this_machine_alone(examined: Examine) -> None:
    off = {"certificate": "", "key_file": "", "authorities": "", "plain": True}
    assert examined(tls=off) == {"no-tls"}
    assert examined(tls=off, service={"host": "127.0.0.1"}) == set()
    assert examined(tls=off, service={"host": "::1"}) == set()


def test_weak_nodes_are_named(examined: Examine) -> None:
    good = Node("GOOD", "127.0.0.1", 104)
    assert examined(good) == set()
    assert examined(replace(good, host="10.0.0.1")) == {"node-without-tls"}
    assert examined(replace(good, host="10.0.0.1", tls=True)) == set()
    anywhere = replace(good, sources=("0.0.0.0/0", "::/0"))
    assert examined(anywhere) == {"node-from-anywhere"}
    assert examined(replace(anywhere, tls=True, certificate="ab" * 32)) == set()
    assert examined(replace(good, users=("amelie",))) == {"passcode-in-the-clear"}
    lost = {"node-without-tls", "node-without-address"}
    assert examined(replace(good, host="no.such.host.invalid")) == lost
    off = {"certificate": "", "key_file": "", "authorities": "", "plain": True}
    wants_tls = replace(good, tls=True)
    assert examined(wants_tls, tls=off, service={"host": "127.0.0.1"}) == {"node-needs-tls"}


@pytest.mark.parametrize(
    ("days", "found"), [(29, "certificate-ends-soon"), (0, "certificate-expired")]
)
def test_certificates_that_end(examined: Examine, tmp_path: Path, days: int, found: str) -> None:
    pair = Authority(tmp_path / "pki2", "other").issue("short", days=days)
    assert examined(tls={"certificate": pair.certificate, "key_file": pair.key}) == {found}
    listed = Authority(tmp_path / "pki3", "third").revoke(days=days)
    assert examined(tls={"revoked": listed}) == {found}


def test_files_that_others_may_read(examined: Examine, sound: Settings, tmp_path: Path) -> None:
    assert examined() == set()
    sound["tls"]["key_file"].chmod(0o640)
    sound["keys"]["passphrase_file"].chmod(0o644)
    (tmp_path / "home" / "keyring.json").chmod(0o604)
    assert examined() == {"secret-readable"}
    (tmp_path / "home").chmod(0o755)
    (tmp_path / "home" / "radiolith.toml").chmod(0o644)
    assert examined() == {"secret-readable", "folder-readable", "file-readable"}


def test_a_keyring_copy_that_goes_with_its_disk(examined: Examine, tmp_path: Path) -> None:
    beside = tmp_path / "copies"
    beside.mkdir()
    assert examined(keys={"backup_path": beside}) == {"keyring-backup-beside"}


def test_a_file_without_a_certificate(examined: Examine, tmp_path: Path) -> None:
    (tmp_path / "empty").write_text("no certificate")
    for path in (tmp_path / "empty", tmp_path / "none"):
        assert examined(tls={"authorities": path}) == {"certificate-unreadable"}


def test_what_time_and_use_wear_out(examined: Examine, monkeypatch: pytest.MonkeyPatch) -> None:
    assert examined() == set()
    monkeypatch.setattr("service.keys.limits.LONGEST_USE_S", 0)
    assert examined() == {"key-worn"}


def test_a_disk_nearly_full(
    examined: Examine, sound: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    examined()
    usage = shutil.disk_usage(tmp_path)._replace(total=1 << 40, free=1 << 35)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    with Home(load(tmp_path / "home", sound)) as home:
        assert {finding.about for finding in examine(home)} == {"store-nearly-full"}


def test_a_root_key_beside_what_it_opens(tmp_path: Path) -> None:
    init(tmp_path / "home")
    with Home.open(tmp_path / "home") as home:
        found = {finding.about for finding in examine(home)}
    assert "root-secret-beside-keyring" in found
    assert "default-ae-title" in found
    assert "no-tls" in found


def test_a_clock_that_jumped_back(examined: Examine) -> None:
    def enter(home: Home) -> None:
        with home.index._database.write() as connection:
            trail.append(connection, "test", {}, at=utc_now() + 3_600_000_000)

    assert examined(touch=enter) == {"clock-behind"}


def test_guessed_passcodes(examined: Examine) -> None:
    def refuse(times: int, ago_h: int) -> Callable[[Home], None]:
        told = {"peer": "CT1", "address": "10.0.0.1", "user": "amelie", "reason": "wrong"}

        def enter(home: Home) -> None:
            with home.index._database.write() as connection:
                for _ in range(times):
                    at = utc_now() - ago_h * 3_600_000_000
                    trail.append(connection, USER_REFUSED, told, at)

        return enter

    assert examined(touch=refuse(50, ago_h=25)) == set()
    assert examined(touch=refuse(19, ago_h=1)) == set()
    assert examined(touch=refuse(1, ago_h=0)) == {"passcodes-guessed"}


def test_nodes_are_called_when_asked(tmp_path: Path, served: ScratchArchive) -> None:
    """The served archive calls itself, which answers, and a node that is not there."""
    served.run("nodes", "add", "RADIOLITH", served.host, str(served.port))
    assert served.run("nodes", "ls")
    assert "node-unreachable" not in about(served, "--echo")
    served.run("nodes", "add", "GONE", "127.0.0.1", str(unused_port()))
    told = served.ask("doctor", "--echo", exits=(2,))
    (lost,) = [one for one in told if one["about"] == "node-unreachable"]
    assert "GONE" in lost["detail"]
    assert lost["remedy"]
    assert "finding" in served.run("doctor", exits=(2,))


def about(served: ScratchArchive, *options: str) -> set[str]:
    return {one["about"] for one in served.ask("doctor", *options, exits=(0, 2))}
