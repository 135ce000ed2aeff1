"""The runbook of docs/operations.md, step by step: after each, every instance is back, exactly.

Each drill does with the archive's files what the disaster does, then gives the commands that the
runbook names, and no more. "Exactly" is by SHA-256 of the encoded dataset, from the archive's own
store; decisions, holds and deletions are compared too.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path

import pytest

from service.encode import Codec
from service.home import INDEX, KEYRING, ROOT_KEY, Home
from service.processes.worker import drain
from service.sealing.journal import entry_ids, entry_path
from service.upkeep.audit import audit
from service.upkeep.backup import backup
from service.upkeep.decisions import Decisions
from service.upkeep.deletion import Deletion
from service.upkeep.recovery import recover
from service.upkeep.replication import catch_up
from tests.drills.conftest import AUTHOR, Command, Promise, Site, kept, promise
from tests.service.made import content, damage, dataset, take


def is_sound(radiolith: Command) -> None:
    """The last step of every drill: an audit that finds nothing."""
    code, audited = radiolith("audit")
    assert audited["faults"] == []
    assert code == 0


def test_the_index_is_lost(site: Site, codec: Codec, promised: Promise, radiolith: Command) -> None:
    for file in site.home.glob("index.sqlite*"):
        file.unlink()
    code, rebuilt = radiolith("rebuild-index")
    assert (code, rebuilt["faults"]) == (0, [])
    assert kept(site, codec) == promised
    is_sound(radiolith)


def test_the_index_is_lost_and_a_backup_has_its_nodes(
    site: Site, codec: Codec, promised: Promise, radiolith: Command
) -> None:
    with Home.open(site.home) as home:
        backup(home, site.backup)
    for file in site.home.glob("index.sqlite*"):
        file.unlink()
    aside = site.home.parent / "aside"
    aside.mkdir()
    shutil.copy(site.root_key, aside / ROOT_KEY)
    assert radiolith("--home", aside, "restore", site.backup)[0] == 0
    shutil.move(aside / INDEX, site.home / INDEX)
    code, rebuilt = radiolith("rebuild-index")
    assert (code, rebuilt["faults"], rebuilt["carried"]) == (0, [], True)
    assert kept(site, codec) == promised
    is_sound(radiolith)
    _, nodes = radiolith("nodes", "ls")
    assert [node["ae_title"] for node in nodes] == ["PEER"]


def test_the_object_store_is_lost(
    site: Site, codec: Codec, promised: Promise, radiolith: Command
) -> None:
    shutil.rmtree(site.home / "objects")
    code, audited = radiolith("audit", "--repair")
    assert (audited["faults"], code) == ([], 0)
    assert audited["repaired"]["restored"] == len(promised.datasets)
    assert audited["repaired"]["notes"] == len(list((site.home / "objects/notes").iterdir()))
    assert kept(site, codec) == promised
    is_sound(radiolith)


def test_half_of_the_objects_are_lost_or_damaged(
    site: Site, codec: Codec, promised: Promise, radiolith: Command
) -> None:
    for number, path in enumerate(sorted((site.home / "objects").rglob("*.dcm"))):
        if number % 4 == 0:
            path.unlink()
        elif number % 4 == 1:
            path.chmod(0o600)
            os.truncate(path, path.stat().st_size // 2)
        elif number % 4 == 2:
            damage(path, path.stat().st_size // 2)
    code, _ = radiolith("audit")
    assert code == 2
    code, _ = radiolith("audit", "--repair")
    assert code == 0
    assert kept(site, codec) == promised


def test_index_and_object_store_are_lost(
    site: Site, codec: Codec, promised: Promise, radiolith: Command
) -> None:
    shutil.rmtree(site.home / "objects")
    for file in site.home.glob("index.sqlite*"):
        file.unlink()
    code, rebuilt = radiolith("rebuild-index")
    assert (code, rebuilt["faults"]) == (0, [])
    assert rebuilt["refilled"]["objects"] == len(promised.datasets)
    assert kept(site, codec) == promised
    is_sound(radiolith)


def test_the_keyring_is_lost(
    site: Site, codec: Codec, promised: Promise, radiolith: Command
) -> None:
    (site.home / KEYRING).unlink()
    code, _ = radiolith("status")
    assert code != 0
    newest = max(site.keyrings.glob("keyring-*.json"))
    shutil.copy(newest, site.home / KEYRING)
    assert kept(site, codec) == promised
    is_sound(radiolith)


def test_half_of_the_journal_is_left(site: Site, codec: Codec, promised: Promise) -> None:
    sent = {f"1.3.{number}": dataset(f"1.3.{number}", seed=number) for number in range(6)}
    with Home.open(site.home) as home:
        for uid, encoded in sent.items():
            take(home, encoded, uid)
        waiting = {
            one.servable.entry_id: one.servable.sop_instance_uid
            for one in home.index.revisions.all()
            if one.servable.object_id is None
        }
        acknowledged = promise(home, codec)
    lost = sorted(waiting)[::2]
    for entry_id in lost:
        entry_path(site.home / "journal", entry_id).unlink()
    with Home.open(site.home) as home:
        recover(home)
        drain(home, codec)
        named = _missing(home, codec)
        assert named == {waiting[entry_id] for entry_id in lost}
        left = _readable(home, codec, lost)
        gone = {entry_id.hex() for entry_id in lost}
        wanted = acknowledged.datasets.items()
        assert left == {entry: digest for entry, digest in wanted if entry not in gone}
        for uid in named:  # The senders send what the audit names, and all is back.
            take(home, sent[uid], uid)
        _retry(home)
        drain(home, codec)
        assert promise(home, codec) == acknowledged
        assert _missing(home, codec) == set()
        assert list(entry_ids(home.journal)) == []


def _missing(home: Home, codec: Codec) -> set[str]:
    faults = audit(home, codec.predictors).faults
    assert {fault.kind for fault in faults} <= {"missing"}
    return {fault.sop_instance_uid for fault in faults}


def _readable(home: Home, codec: Codec, lost: list[bytes]) -> dict[str, str]:
    return {
        one.servable.entry_id.hex(): hashlib.sha256(content(home, one, codec)).hexdigest()
        for one in home.index.revisions.all()
        if one.servable.entry_id not in lost
    }


def _retry(home: Home) -> None:
    """Try again at once what failed: in a service that takes ``worker.retry_s``."""
    home.index.release_all()


def test_the_machine_is_lost(
    site: Site, codec: Codec, promised: Promise, radiolith: Command
) -> None:
    with Home.open(site.home) as home:
        backup(home, site.backup)
    site.lose_everything()
    code, _ = radiolith("restore", site.backup)
    assert code == 0
    code, rebuilt = radiolith("rebuild-index")
    assert (code, rebuilt["faults"], rebuilt["carried"]) == (0, [], True)
    assert kept(site, codec) == promised
    is_sound(radiolith)
    _, nodes = radiolith("nodes", "ls")
    assert [node["ae_title"] for node in nodes] == ["PEER"]
    code, _ = radiolith("trail", "verify")
    assert code == 0


def test_the_machine_is_lost_after_more_came_than_the_backup_has(
    site: Site, codec: Codec, promised: Promise, radiolith: Command
) -> None:
    with Home.open(site.home) as home:
        backup(home, site.backup)
        take(home, dataset("1.4.1", seed=41), "1.4.1")
        drain(home, codec)
        Decisions(home).hold("instance", "1.4.1", AUTHOR)
        catch_up(home)
        latest = promise(home, codec)
    assert latest != promised
    site.lose_everything()
    assert radiolith("restore", site.backup)[0] == 0
    code, rebuilt = radiolith("rebuild-index")
    assert (code, rebuilt["faults"]) == (0, [])
    assert kept(site, codec) == latest
    is_sound(radiolith)


def test_what_was_purged_stays_away_although_the_replica_was_behind(
    site: Site, codec: Codec, promised: Promise, radiolith: Command
) -> None:
    with Home.open(site.home) as home:
        backup(home, site.backup)
        replica = home.require_replica()
        doomed = home.index.deletions.covering("instance", "1.2.9")
        purged = home.index.revisions.of_instance("1.2.9")[0].servable.object_id
        assert purged is not None
        with replica.objects.open(purged) as file:
            still = file.read()
        deletion = Deletion(home)
        deletion.purge(deletion.delete(doomed.revisions, AUTHOR), AUTHOR)
        catch_up(home)
        with replica.objects.draft(purged) as draft:  # As before the removal reached it.
            draft.file.write(still)
            draft.publish()
        after = promise(home, codec)
    site.lose_everything()
    assert radiolith("restore", site.backup)[0] == 0
    code, rebuilt = radiolith("rebuild-index")
    assert (code, rebuilt["faults"]) == (0, [])
    assert not list((site.home / "objects").rglob(f"{purged.hex()}.dcm"))
    assert kept(site, codec) == after


def test_the_replica_is_lost(
    site: Site, codec: Codec, promised: Promise, radiolith: Command
) -> None:
    with Home.open(site.home) as home:
        replica = home.require_replica()
        for object_id in list(replica.objects.ids()):
            replica.objects.remove(object_id)
        for note_id in list(replica.notes.ids()):
            replica.notes.remove(note_id)
    code, replicated = radiolith("replicate", "--anew")
    assert (code, replicated["copied"]) == (0, len(promised.datasets))
    shutil.rmtree(site.home / "objects")
    assert radiolith("audit", "--repair")[0] == 0
    assert kept(site, codec) == promised


def test_backup_alone_brings_decisions_back(
    site: Site, codec: Codec, promised: Promise, radiolith: Command
) -> None:
    """Objects and journal from another backup, of files, but not the notes among them."""
    with Home.open(site.home) as home:
        backup(home, site.backup)
    files = _set_aside(site, site.home.parent / "files")
    site.lose_everything()
    (site.home / "radiolith.toml").write_text("")
    assert radiolith("restore", site.backup)[0] == 0
    shutil.copytree(files, site.home / "objects", dirs_exist_ok=True)
    code, rebuilt = radiolith("rebuild-index")
    assert (code, rebuilt["faults"]) == (0, [])
    assert kept(site, codec) == promised


def _set_aside(site: Site, files: Path) -> Path:
    shutil.copytree(site.home / "objects", files)
    shutil.rmtree(files / "notes")
    return files


@pytest.mark.parametrize("damaged", ["keyring.json", "index.snapshot", "notes"])
def test_a_damaged_backup_is_refused(
    site: Site, promised: Promise, radiolith: Command, damaged: str
) -> None:
    with Home.open(site.home) as home:
        backup(home, site.backup)
    path = site.backup / damaged
    path = min(path.iterdir()) if path.is_dir() else path
    damage(path, -5)
    site.lose_everything()
    code, _ = radiolith("restore", site.backup)
    assert code == 81
    assert not (site.home / KEYRING).exists()
