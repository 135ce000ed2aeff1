"""A backup, and what comes back from it."""

import shutil
from pathlib import Path

import pytest

from dicom.archive import Node
from service.encode import Codec
from service.errors import Altered, Conflict, Missing, WrongSecret
from service.home import ROOT_KEY, Home
from service.keys import KeyFile
from service.processes.worker import drain
from service.upkeep.backup import MANIFEST, SNAPSHOT, backup, restore
from service.upkeep.rebuild import rebuild_index
from tests.service.made import damage, dataset, take


def test_what_objects_do_not_tell_comes_back_from_a_backup(
    folder: Path, codec: Codec, tmp_path: Path
) -> None:
    with Home.open(folder) as home:
        home.index.nodes.add(Node("PEER", "127.0.0.1", 104))
        take(home, dataset("1.2.1"), "1.2.1")
        drain(home, codec)
        made = backup(home, tmp_path / "backup")
        take(home, dataset("1.2.2"), "1.2.2")
        trail = list(home.index.trail.entries())
    assert made.index
    assert b"Sommer" not in (tmp_path / "backup" / SNAPSHOT).read_bytes()
    lost = tmp_path / "lost"
    shutil.move(folder, lost)
    folder.mkdir()
    shutil.copy(lost / ROOT_KEY, folder / ROOT_KEY)
    restore(tmp_path / "backup", folder)
    for kept in ("objects", "journal"):
        shutil.rmtree(folder / kept)
        shutil.copytree(lost / kept, folder / kept)
    rebuilt = rebuild_index(folder)
    assert (rebuilt.objects, rebuilt.entries, rebuilt.carried) == (1, 1, True)
    with Home.open(folder) as home:
        assert [node.ae_title for node in home.index.nodes.list()] == ["PEER"]
        assert home.index.trail.verify() == []
        again = list(home.index.trail.entries())
        assert again[: made.trail_position] == trail[: made.trail_position]
        assert again[-1].event == "index rebuilt"


def test_a_backup_that_was_tampered_with_is_not_restored(home: Home, tmp_path: Path) -> None:
    backup(home, tmp_path / "backup")
    with pytest.raises(Conflict):
        backup(home, tmp_path / "backup")
    damage(tmp_path / "backup" / SNAPSHOT, 500)
    with pytest.raises(Altered):
        restore(tmp_path / "backup", tmp_path / "new")
    with pytest.raises(Missing):
        restore(tmp_path, tmp_path / "new")
    assert not (tmp_path / "new" / "keyring.json").exists()


def test_without_the_root_secret_a_backup_opens_to_nobody(home: Home, tmp_path: Path) -> None:
    backup(home, tmp_path / "backup")
    (tmp_path / "new").mkdir()
    KeyFile.create(tmp_path / "new" / ROOT_KEY)
    with pytest.raises(WrongSecret):
        restore(tmp_path / "backup", tmp_path / "new")
    assert not (tmp_path / "new" / "index.sqlite").exists()


def test_an_archive_that_is_there_is_not_overwritten(
    home: Home, folder: Path, tmp_path: Path
) -> None:
    backup(home, tmp_path / "backup")
    with pytest.raises(Conflict):
        restore(tmp_path / "backup", folder)
    assert (tmp_path / "backup" / MANIFEST).exists()
