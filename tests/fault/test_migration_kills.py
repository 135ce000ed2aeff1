"""SIGKILL of an index's way from one version to the next: it is at the one or at the other."""

from __future__ import annotations

import logging
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event

from service.errors import Conflict
from service.index import Index
from tests.index.made import add, archive_all
from tests.index.next_version import NEXT, next_version

INSTANCES = 40
ROOT = Path(__file__).resolve().parents[2]
_log = logging.getLogger(__name__)

Rows = dict[str, list[dict[str, Any]]]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The index of an archive, closed: instances, a trail, and a commitment of two instances."""
    folder = tmp_path / "first"
    folder.mkdir()
    index = Index.open(_url(folder), create=True)
    for number in range(INSTANCES):
        add(index, StudyInstanceUID=f"1.{number // 8}", StudyDate="20240102")
    archive_all(index)
    index.close()
    with _raw(folder) as connection:
        connection.execute(
            "INSERT INTO commitments VALUES (1, '1.2', 'A', 'B', 'h', 1, 1, 1, 0, 0)"
        )
        connection.execute("INSERT INTO commitment_items VALUES (1, 1, 0, '1', '2')")
        connection.execute("INSERT INTO commitment_items VALUES (2, 1, 1, '1', '3')")
        connection.commit()
    return folder


def _url(folder: Path) -> str:
    return f"sqlite:///{folder / 'index.sqlite'}"


def _raw(folder: Path) -> closing[sqlite3.Connection]:
    return closing(sqlite3.connect(folder / "index.sqlite"))


def _rows(folder: Path) -> Rows:
    """Read every row of every table; whatever a kill left is recovered by that."""
    with _raw(folder) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
        connection.row_factory = sqlite3.Row
        tables = connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")
        names = sorted(name for (name,) in tables)
        return {
            name: [dict(row) for row in connection.execute(f"SELECT * FROM {name}")]
            for name in names
        }


def _migrate(folder: Path) -> None:
    with next_version():
        Index.open(_url(folder)).close()


def _migrated(before: Rows) -> Rows:
    """Say what the next version makes of the rows."""
    after = {name: rows for name, rows in before.items() if name != "replica_reads"}
    after["studies"] = [
        row | {"reading": f"{row['study_uid']} is to be read"} for row in before["studies"]
    ]
    for name in ("commitments", "instances"):
        after[name] = [row | {"priority": 7} for row in before[name]]
    after["addresses"] = [{"address": "127.0.0.1"}]
    return after | {"alembic_version": [{"version_num": NEXT}]}


def _copy(folder: Path, number: int) -> Path:
    return shutil.copytree(folder, folder.with_name(f"killed-{number}"))


def _killed_at(number: int, folder: Path) -> bool:
    """Migrate in a process that is killed before its statement of that number; False if none is."""
    pid = os.fork()
    if pid == 0:
        try:
            left = iter(range(number))
            event.listen(Engine, "before_cursor_execute", lambda *_: _next_or_die(left))
            _migrate(folder)
            os._exit(0)
        finally:
            os._exit(1)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    assert code in (0, -signal.SIGKILL)
    return code != 0


def _next_or_die(left: Iterator[int]) -> None:
    if next(left, None) is None:
        os.kill(os.getpid(), signal.SIGKILL)


def _go_on(folder: Path, before: Rows) -> bool:
    """Look at what a kill left, go on with it; whether the version before could have done so."""
    found = _rows(folder)
    assert found in (before, _migrated(before))
    if found == before:
        Index.open(_url(folder)).close()
        assert _rows(folder) == before
    else:
        with pytest.raises(Conflict, match="newer"):
            Index.open(_url(folder))
    _migrate(folder)
    assert _rows(folder) == _migrated(before)
    return found == before


def test_a_migration_keeps_every_row_and_those_that_refer_to_it(folder: Path) -> None:
    before = _rows(folder)
    _migrate(folder)
    assert _rows(folder) == _migrated(before)
    with next_version():
        index = Index.open(_url(folder))
    assert index.statistics().instances == INSTANCES
    assert index.trail.verify() == []
    add(index)
    index.close()


@pytest.mark.parametrize("stride", [23, pytest.param(1, marks=pytest.mark.slow)])
def test_a_migration_killed_before_a_statement_was_never_begun(folder: Path, stride: int) -> None:
    before, number = _rows(folder), 0
    while _killed_at(number, copied := _copy(folder, number)):
        assert _go_on(copied, before), "a migration's parts were committed one by one"
        number += stride
    _log.info("killed before %d of %d statements", number // stride, number)
    assert number > 30


MIGRATE = """
    import sys
    from pathlib import Path
    from tests.fault.test_migration_kills import _migrate

    _migrate(Path(sys.argv[1]))
"""


def _killed_at_call(strace: str, call: str, number: int, folder: Path) -> bool:
    """Migrate in a process that is killed as it begins its system call of that number, from 1."""
    done = subprocess.run(
        [strace, "-f", "-qq", "-o", "/dev/null", "-e", f"trace={call}",
         "-e", f"inject={call}:signal=SIGKILL:when={number}",
         sys.executable, "-c", textwrap.dedent(MIGRATE), folder],
        cwd=ROOT, check=False,
    )  # fmt: skip
    assert done.returncode in (0, -signal.SIGKILL)
    return done.returncode != 0


@pytest.mark.faults
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("call", ["pwrite64", "fdatasync", "unlink"])
def test_a_migration_killed_at_any_write_is_whole_or_was_never_begun(
    folder: Path, call: str, strace: str
) -> None:
    before, ends = _rows(folder), list[bool]()
    while _killed_at_call(strace, call, len(ends) + 1, copied := _copy(folder, len(ends))):
        ends.append(_go_on(copied, before))
    _log.info("%d kills at %s, %d before it was committed", len(ends), call, sum(ends))
    assert ends
    assert ends == sorted(ends, reverse=True), "it was undone after it had been there"
