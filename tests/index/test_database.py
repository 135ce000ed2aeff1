from __future__ import annotations

import sqlite3
import subprocess
import sys
import textwrap
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text

from service.errors import Busy, Conflict, IndexFault, Missing
from service.index import Index, Policy
from service.index.migrations import configuration
from service.index.schema import HEAD
from service.index.tables import Base
from tests.index.made import add, found, texts

ROOT = Path(__file__).resolve().parents[2]


def test_migrations_make_the_tables_that_the_models_describe(index: Index) -> None:
    with index._database.read() as connection:
        assert compare_metadata(MigrationContext.configure(connection), Base.metadata) == []


def test_the_stated_version_is_the_last_step(index: Index) -> None:
    with index._database.read() as connection:
        assert MigrationContext.configure(connection).get_current_revision() == HEAD
        steps = ScriptDirectory.from_config(configuration(connection))
    assert steps.get_current_head() == HEAD


def test_opening_again_changes_nothing(opened: Callable[..., Index]) -> None:
    add(opened())
    assert opened().statistics().revisions == 1


def test_only_init_makes_an_index(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'index.sqlite'}"
    with pytest.raises(Missing):
        Index.open(url)
    assert list(tmp_path.iterdir()) == []
    sqlite3.connect(tmp_path / "index.sqlite").close()
    with pytest.raises(Missing):
        Index.open(url)


def test_an_index_of_a_newer_version_is_refused(opened: Callable[..., Index], url: str) -> None:
    index = opened()
    with index._database.write() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(Conflict, match="newer"):
        Index.open(url)


def test_sqlite_commits_are_durable_and_readers_wait_for_nobody(tmp_path: Path) -> None:
    index = Index.open(f"sqlite:///{tmp_path / 'index.sqlite'}", create=True)
    with index._database.read() as connection:
        pragmas = ("journal_mode", "synchronous", "foreign_keys")
        values = [connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in pragmas]
    assert values == ["wal", 2, 1]
    with index._database.write():
        assert index.statistics().revisions == 0
    index.close()


def test_a_database_that_cannot_keep_a_write_ahead_log_is_refused() -> None:
    with pytest.raises(IndexFault, match="memory"):
        Index.open("sqlite://", create=True)


def test_a_lock_that_is_held_too_long_is_told(tmp_path: Path) -> None:
    path = tmp_path / "index.sqlite"
    index = Index.open(f"sqlite:///{path}", Policy(busy_timeout_s=0.1), create=True)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(Busy):
        add(index)
    other.execute("ROLLBACK")
    add(index)
    other.close()
    index.close()


def test_a_fault_repeats_no_patient_data(tmp_path: Path) -> None:
    path = tmp_path / "index.sqlite"
    index = Index.open(f"sqlite:///{path}", create=True)
    with index._database.write() as connection:
        connection.execute(text("DROP TABLE revisions"))
    with pytest.raises(IndexFault) as caught:
        add(index, PatientName="Secret^Name", SOPInstanceUID="1.5.secret")
    assert "ecret" not in f"{caught.value} {caught.value.__cause__}"
    index.close()


def test_a_transaction_that_fails_leaves_nothing(index: Index) -> None:
    add(index, SOPInstanceUID="1.5")
    forget_and_fail = text("DELETE FROM trail"), text("SELECT nothing FROM nowhere")
    with pytest.raises(IndexFault), index._database.write() as connection:
        list(map(connection.execute, forget_and_fail))
    assert len(list(index.trail.entries())) == 1


def test_threads_of_one_process_race_on_one_study(index: Index) -> None:
    with ThreadPoolExecutor(8) as threads:
        done = list(threads.map(lambda number: add(index, SOPInstanceUID=f"1.{number}"), range(40)))
    assert len({added.revision_id for added in done}) == 40
    held = index.statistics()
    assert (held.patients, held.studies, held.series, held.instances) == (1, 1, 1, 40)
    assert index.trail.verify() == []


RACER = """
    import sys
    from service.index import Index
    from tests.index.made import add, facts

    url, name = sys.argv[1:]
    index = Index.open(url, create=True)
    print("ready", flush=True)
    sys.stdin.readline()
    for number in range(16):
        uid = f"1.1.{number}" if number % 2 else f"1.{name}.{number}"
        add(index, f"bytes of {uid}".encode(), SOPInstanceUID=uid, PatientSex=name)
        for waiting in index.claim(name, 1, 60.0):
            index.archived(waiting.revision_id, facts())
    print("done", flush=True)
"""


def test_processes_race_on_one_study_from_the_first_table_on(url: str) -> None:
    """Two processes make the tables, add the same and other instances, and archive them."""
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(RACER), url, name],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for name in "MF"
    ]
    for racer in racers:
        assert racer.stdout is not None
        assert racer.stdout.readline() == "ready\n"
    outputs = []
    for racer in racers:
        assert racer.stdin is not None
        racer.stdin.write("go\n")
        racer.stdin.flush()
    for racer in racers:
        outputs.append(racer.communicate(timeout=60)[0])
    assert outputs == ["done\n"] * 2
    index = Index.open(url)
    held = index.statistics()
    assert (held.patients, held.studies, held.series) == (1, 1, 1)
    assert (held.instances, held.revisions, held.journal) == (24, 24, 0)
    assert index.trail.verify() == []
    assert len(list(index.trail.entries())) == 48
    index.close()


def test_files_with_names_in_the_clear_are_private(tmp_path: Path) -> None:
    index = Index.open(f"sqlite:///{tmp_path / 'index.sqlite'}", create=True)
    add(index)
    modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()}
    assert modes == dict.fromkeys(["index.sqlite", "index.sqlite-wal", "index.sqlite-shm"], 0o600)
    index.close()


def test_names_survive_in_every_script(index: Index) -> None:
    names = ["Yamada^Tarou=山田^太郎=やまだ^たろう", "Люкceмбypг", "قباني^لنزار", "😀^x"]
    for number, name in enumerate(names):
        add(index, PatientID=f"P{number}", StudyInstanceUID=f"1.{number}", PatientName=name)
    assert texts(found(index, "STUDY", PatientName=""), "PatientName") == names
