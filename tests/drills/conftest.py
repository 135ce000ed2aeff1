"""An archive in use, and what it has to give back after a disaster."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from config.settings import FILE_NAME
from dicom.archive import Node
from service import logs
from service.cli.main import run
from service.encode import Codec
from service.home import ROOT_KEY, Home, init
from service.index import Author
from service.keys import KeyringBackups
from service.processes.worker import drain, load_codec
from service.upkeep.decisions import Decisions
from service.upkeep.deletion import Deletion
from service.upkeep.replication import catch_up
from tests.service.made import content, dataset, take, without_pixels
from tests.store.s3_server import BUCKET, S3Server, s3_server

AUTHOR = Author("tester", "a drill")

Command = Callable[..., tuple[int, Any]]
"""Runs a verb with ``--json``; gives its exit code and what it printed."""


@dataclass(frozen=True)
class Promise:
    """What an archive has acknowledged, and what was decided about it."""

    datasets: Mapping[str, str]
    """SHA-256 of each revision by entry id."""
    decisions: tuple[object, ...]
    """Corrections, holds and deletions, as the index lists them."""


@dataclass(frozen=True)
class Site:
    """One machine's disk, and what lies elsewhere."""

    home: Path
    root_key: Path
    """Kept elsewhere, as ``init`` asks for."""
    backup: Path
    keyrings: Path
    """Where each new keyring is copied."""
    settings: str
    """The replica's, among others."""

    def lose_everything(self) -> None:
        """Lose the machine; put the root key on a new one."""
        shutil.rmtree(self.home)
        self.home.mkdir()
        shutil.copy(self.root_key, self.home / ROOT_KEY)


@pytest.fixture(scope="session")
def codec() -> Codec:
    """The shipped models, self-tested."""
    return load_codec()


@pytest.fixture(scope="session")
def s3() -> Iterator[S3Server]:
    """An S3-compatible server."""
    with s3_server() as server:
        yield server


@pytest.fixture(params=["folder", pytest.param("s3", marks=pytest.mark.slow)])
def replica_settings(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Settings of a replica, which exists."""
    if request.param == "folder":
        folder = tmp_path / "other disk"
        folder.mkdir()
        return f'[replica]\npath = "{folder}"\n'
    s3: S3Server = request.getfixturevalue("s3")
    credentials = tmp_path / "credentials"
    credentials.write_text(s3.credentials())
    credentials.chmod(0o600)
    return (
        f'[replica]\nbucket = "{BUCKET}"\nprefix = "{s3.place().prefix}"\nregion = "us-east-1"\n'
        f'endpoint = "{s3.endpoint}"\ncredentials_file = "{credentials}"\n'
    )


@pytest.fixture
def site(tmp_path: Path, replica_settings: str, monkeypatch: pytest.MonkeyPatch) -> Site:
    """An archive whose root key, backups and replica lie elsewhere."""
    for name in [name for name in os.environ if name.startswith("RADIOLITH_")]:
        monkeypatch.delenv(name)
    monkeypatch.setattr(logs, "configure", lambda *_: None)  # It would replace pytest's handlers.
    home, keyrings = tmp_path / "home", tmp_path / "keyrings"
    settings = f'{replica_settings}[keys]\nbackup_path = "{keyrings}"\n'
    home.mkdir()
    (home / FILE_NAME).write_text(settings)
    init(home)
    root_key = Path(shutil.copy(home / ROOT_KEY, tmp_path / "safe.key"))
    return Site(home, root_key, tmp_path / "backup", keyrings, settings)


@pytest.fixture
def radiolith(
    site: Site, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Command:
    """Run the command as an administrator does."""
    monkeypatch.setenv("RADIOLITH_HOME", str(site.home))

    def call(*arguments: object) -> tuple[int, Any]:
        monkeypatch.setattr(sys, "argv", ["radiolith", *map(str, arguments), "--json"])
        capsys.readouterr()
        code = run()
        printed = capsys.readouterr().out.splitlines()  # Before the document, the log of this test.
        return code, json.loads(printed[-1]) if printed else None

    return call


def use(home: Home, codec: Codec) -> None:
    """Have the archive take, keep and decide what a site does, rotate its key, and go on."""
    home.index.nodes.add(Node("PEER", "127.0.0.1", 104))
    for number in range(4):
        take(home, dataset(f"1.2.{number}", seed=number), f"1.2.{number}")
    take(home, without_pixels("1.2.8", 300_000), "1.2.8")
    take(home, dataset("1.2.1", seed=21), "1.2.1")  # Another revision.
    take(home, dataset("1.2.2", study="1.2.77", seed=22), "1.2.2")  # Quarantined.
    drain(home, codec)
    (waiting,) = home.index.revisions.quarantined()
    Decisions(home).accept(waiting.servable.revision_id, "tester", "a drill")
    Decisions(home).hold("instance", "1.2.0", AUTHOR)
    _delete(home, "1.2.3", purge=False)
    _delete(home, "1.2.8", purge=True)
    assert home.settings.keys.backup_path is not None
    key = home.keys.rotate(KeyringBackups(home.settings.keys.backup_path))
    home.index.trail.append("key rotated", {"key": key.key_id.hex()})
    take(home, dataset("1.2.9", seed=9), "1.2.9")
    drain(home, codec)


def _delete(home: Home, sop_instance_uid: str, purge: bool) -> None:
    deletion = Deletion(home)
    doomed = home.index.deletions.covering("instance", sop_instance_uid)
    number = deletion.delete(doomed.revisions, AUTHOR)
    if purge:
        deletion.purge(number, AUTHOR)


def promise(home: Home, codec: Codec) -> Promise:
    """Read every revision back, and what was decided."""
    datasets = {
        one.servable.entry_id.hex(): hashlib.sha256(content(home, one, codec)).hexdigest()
        for one in home.index.revisions.all()
    }
    decisions = (
        [(one.level, one.key, one.by, one.at) for one in home.index.holds.list()],
        [(one.number, one.hidden, one.served) for one in _by_sequence(home)],
        sorted(home.index.decisions.known()),
    )
    return Promise(datasets, decisions)


def _by_sequence(home: Home) -> list[Any]:
    return sorted(home.index.revisions.all(), key=lambda one: one.sequence)


@pytest.fixture
def promised(site: Site, codec: Codec) -> Promise:
    """Use the archive, and bring its replica up to date."""
    with Home.open(site.home) as home:
        use(home, codec)
        catch_up(home)
        return promise(home, codec)


def kept(site: Site, codec: Codec) -> Promise:
    """Read back what the archive has now, from its own store."""
    with Home.open(site.home) as home:
        home.replica = None
        return promise(home, codec)
