"""Every root secret, made anew for each test, and another one of its kind."""

from __future__ import annotations

import getpass
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from service.home import Home, init
from service.keys import KeyFile, PassphraseFile, PassphrasePrompt, RootSecret, VaultTransit
from tests.keys import vault_stub

KINDS = ("passphrase file", "passphrase prompt", "key file", "vault")


@dataclass
class Pair:
    """A root secret, another of its kind, and what makes the first one unavailable."""

    one: RootSecret
    other: RootSecret
    secrets: list[bytes]
    """What no message may repeat."""
    lost: RootSecret
    """One that cannot be had."""


@pytest.fixture
def vault(tmp_path: Path) -> Iterator[vault_stub.Served]:
    """A stub of Vault."""
    with vault_stub.serve(tmp_path) as served:
        yield served


@pytest.fixture(params=KINDS)
def pair(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Pair:
    if request.param == "passphrase file":
        return _files(tmp_path)
    if request.param == "passphrase prompt":
        return _prompts(monkeypatch)
    if request.param == "key file":
        return _key_files(tmp_path)
    return _vault(request.getfixturevalue("vault"))


def _files(folder: Path) -> Pair:
    (folder / "one").write_bytes(b"correct horse\n")
    (folder / "other").write_bytes(b"battery staple\n")
    one, other, lost = (
        PassphraseFile(folder / name, log2_n=4) for name in ("one", "other", "none")
    )
    return Pair(one, other, [b"correct horse", b"battery staple"], lost)


def _prompts(monkeypatch: pytest.MonkeyPatch) -> Pair:
    typed = iter(["correct horse", "battery staple"])
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(getpass, "getpass", lambda _: next(typed, ""))
    one, other, lost = (PassphrasePrompt(log2_n=4) for _ in range(3))
    one.seal(b"")
    other.seal(b"")
    return Pair(one, other, [b"correct horse", b"battery staple"], lost)


def _key_files(folder: Path) -> Pair:
    one, other = (KeyFile.create(folder / name) for name in ("one", "other"))
    secrets = [(folder / name).read_bytes().strip() for name in ("one", "other")]
    return Pair(one, other, secrets, KeyFile(folder / "none"))


def _vault(served: vault_stub.Served) -> Pair:
    one, other = (VaultTransit(served.key(name)) for name in ("one", "other"))
    lost = VaultTransit(served.key("one", address="https://localhost:1", attempts=1))
    return Pair(one, other, [b"hvs.token"], lost)


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    """An archive without instances, opened."""
    init(tmp_path / "home")
    with Home.open(tmp_path / "home") as opened:
        yield opened
