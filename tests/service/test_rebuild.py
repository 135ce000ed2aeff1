"""A rebuilt index equals the one that grew: patients to revisions, states and hashes."""

import sqlite3
from pathlib import Path

import pytest

from service.encode import Codec
from service.errors import Busy
from service.home import Home, serving
from service.processes.worker import drain
from service.upkeep.jobs import reencrypt
from service.upkeep.rebuild import rebuild_index
from tests.service.made import dataset, take, without_pixels

TABLES = ("patients", "studies", "series", "instances", "revisions", "objects", "command_uids")
ROWS = {
    "patients": "SELECT key, attributes FROM patients ORDER BY key",
    "studies": "SELECT study_uid, attributes, ambiguous FROM studies ORDER BY study_uid",
    "series": "SELECT series_uid, attributes FROM series ORDER BY series_uid",
    "instances": "SELECT sop_instance_uid, number FROM instances ORDER BY sop_instance_uid",
    "revisions": """SELECT sop_instance_uid, revisions.number, entry_id, state, served, quarantined,
        sop_class_uid, command_sop_instance_uid, patient_key, study_uid, calling_ae, address,
        transfer_syntax, received_at, sequence, length, sha256, attributes FROM revisions
        JOIN instances ON instances.id = instance_id ORDER BY entry_id""",
    "objects": """SELECT object_id, entry_id, key_id, size, model, coding, objects.sealed_at
        FROM objects JOIN revisions ON revisions.id = revision_id ORDER BY object_id""",
    "command_uids": """SELECT sop_instance_uid, entry_id FROM command_uids
        JOIN revisions ON revisions.id = revision_id ORDER BY sop_instance_uid""",
}


def _contents(path: Path) -> dict[str, list[tuple[object, ...]]]:
    connection = sqlite3.connect(path / "index.sqlite")
    try:
        return {table: connection.execute(ROWS[table]).fetchall() for table in TABLES}
    finally:
        connection.close()


def _fill(home: Home, codec: Codec) -> None:
    take(home, dataset("1.2.1"), "1.2.1")
    take(home, dataset("1.2.1", seed=1), "1.2.1")
    take(home, dataset("1.2.1", study="1.9.9"), "1.2.1")
    take(home, without_pixels("1.2.2", 2_000_000), "7.7.7")
    take(home, without_pixels("1.2.2", 2_000_000), "7.7.8")
    take(home, b"nothing that can be parsed", "1.2.5")
    drain(home, codec)
    home.keys.rotate()
    reencrypt(home, codec)
    take(home, dataset("1.2.6", study="1.8"), "1.2.6")
    take(home, dataset("1.2.1", seed=2), "1.2.1")


def test_every_row_comes_back_from_what_is_sealed(folder: Path, codec: Codec) -> None:
    with Home.open(folder) as home:
        _fill(home, codec)
    before = _contents(folder)
    assert len(before["revisions"]) == 7
    assert [uid for uid, _ in before["command_uids"]] == ["7.7.7", "7.7.8"]
    rebuilt = rebuild_index(folder)
    assert _contents(folder) == before
    assert (rebuilt.objects, rebuilt.entries, rebuilt.quarantined) == (5, 2, 1)
    assert (rebuilt.faults, rebuilt.renumbered) == ([], 0)
    assert rebuilt.kept is not None
    assert rebuilt.kept.exists()


def test_a_lost_index_is_made_anew(folder: Path, codec: Codec) -> None:
    with Home.open(folder) as home:
        take(home, dataset())
        drain(home, codec)
    before = _contents(folder)
    for path in folder.glob("index.sqlite*"):
        path.unlink()
    assert rebuild_index(folder).kept is None
    assert _contents(folder) == before


def test_what_cannot_be_opened_is_named_and_the_rest_is_indexed(folder: Path, codec: Codec) -> None:
    with Home.open(folder) as home:
        take(home, dataset("1.2.1"), "1.2.1")
        take(home, dataset("1.2.2", seed=1), "1.2.2")
        drain(home, codec)
        damaged = next(home.settings.store.path.rglob("*.dcm"))
    damaged.chmod(0o600)
    damaged.write_bytes(damaged.read_bytes()[:300])
    rebuilt = rebuild_index(folder)
    assert rebuilt.objects == 1
    assert [(fault.name, fault.kind) for fault in rebuilt.faults] == [(damaged.stem, "Truncated")]


def test_an_earlier_sealing_of_the_same_reception_is_not_indexed_again(
    folder: Path, codec: Codec
) -> None:
    with Home.open(folder) as home:
        take(home, dataset())
        drain(home, codec)
        (path,) = home.settings.store.path.rglob("*.dcm")
        content = path.read_bytes()
        home.keys.rotate()
        reencrypt(home, codec)
    before = _contents(folder)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    rebuilt = rebuild_index(folder)
    assert [fault.name for fault in rebuilt.faults] == [path.stem]
    assert _contents(folder) == before


def test_it_waits_for_no_service_but_says_that_one_runs(folder: Path) -> None:
    with Home.open(folder) as home, serving(home.settings), pytest.raises(Busy):
        rebuild_index(folder)
