"""A backup and a restore; what was decided outlives the index."""

import shutil
from pathlib import Path

import pytest

from dicom.archive import Node
from service.backup import MANIFEST, SNAPSHOT, backup, restore
from service.decisions import Decisions
from service.encode import Codec
from service.errors import Altered, Conflict, Missing, Unknown, WrongSecret
from service.home import ROOT_KEY, Home
from service.index import Author, patient
from service.jobs import count_keys, reencrypt, retire
from service.keys import KeyFile
from service.rebuild import rebuild_index
from service.worker import drain
from tests.service.made import dataset, only, take

ADMIN = Author("admin", "as decided on the phone")


def _without_index(folder: Path) -> None:
    for path in folder.glob("index.sqlite*"):
        path.unlink()


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
    with (tmp_path / "backup" / SNAPSHOT).open("r+b") as file:
        file.seek(500)
        file.write(b"?")
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


def _decide(home: Home) -> None:
    take(home, dataset("1.2.1"), "1.2.1")
    take(home, dataset("1.2.1", study="1.9.9"), "1.2.1")
    take(home, dataset("1.2.1", study="1.7.7"), "1.2.1")
    decisions = Decisions(home)
    second, third = home.index.revisions.quarantined()
    decisions.reject(third.servable.revision_id, "admin", "sent by mistake")
    decisions.accept(second.servable.revision_id, "admin", "the study was renumbered")
    decisions.rename(patient("P1"), {"PatientName": "Winter^Wanda"}, ADMIN)
    wrong = decisions.rename(patient("P1"), {"PatientSex": "O"}, ADMIN)
    decisions.undo(wrong, "admin")


def _state(home: Home) -> list[tuple[object, ...]]:
    revisions = [
        (item.number, item.served, item.quarantined, item.rejected)
        for item in home.index.revisions.of_instance("1.2.1")
    ]
    corrections = [
        (item.kind, item.details, item.by, item.reason, item.undone_by)
        for item in home.index.corrections.list()
    ]
    return [*revisions, *corrections]


def test_decisions_and_corrections_come_back_from_their_notes(folder: Path) -> None:
    with Home.open(folder) as home:
        _decide(home)
        before = _state(home)
    _without_index(folder)
    assert rebuild_index(folder).faults == []
    with Home.open(folder) as home:
        assert _state(home) == before
        served = [item.number for item in home.index.revisions.of_instance("1.2.1") if item.served]
        assert served == [2]


def test_notes_move_to_a_new_key_and_hold_the_old_one_until_then(
    folder: Path, codec: Codec
) -> None:
    with Home.open(folder) as home:
        _decide(home)
        drain(home, codec)
        before, old = _state(home), home.keys.keyring.active.key_id
        home.keys.rotate()
        assert {use.key_id: use.notes for use in count_keys(home)}[old] == 5
        assert reencrypt(home, codec).notes == 5
        retire(home, old.hex())
    _without_index(folder)
    assert rebuild_index(folder).faults == []
    with Home.open(folder) as home:
        assert _state(home) == before


def test_a_decision_that_the_index_refuses_leaves_no_note(home: Home) -> None:
    take(home, dataset())
    with pytest.raises(Unknown):
        Decisions(home).accept(only(home).servable.revision_id, "admin", "")
    assert list(home.notes.glob("*.note")) == []
