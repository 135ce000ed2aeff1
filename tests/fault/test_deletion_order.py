"""Deletion is storing in reverse (docs/architecture.md, "must" 6), read off its system calls."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from service.demo.scratch import ScratchArchive, command
from service.home import Home, init
from service.processes.worker import drain, load_codec
from tests.fault.trace import NAMES, SYNCS, WRITES, Call, first, parse, unsynced
from tests.service.made import dataset, take

UID = "1.2.1"


@dataclass(frozen=True, slots=True)
class Deletion:
    """The system calls of one `delete --now`."""

    calls: list[Call]
    home: Path

    @property
    def wal(self) -> Path:
        return self.home / "index.sqlite-wal"

    @property
    def notes(self) -> list[Call]:
        """The calls that gave the notes their names: the deletion's, then the purge's."""
        folder = self.home / "objects" / "notes"
        return [
            call for call in self.calls
            if call.name == "rename" and call.paths[1].parent == folder
        ]  # fmt: skip

    @property
    def gone(self) -> list[Call]:
        """The calls that removed the object and the journal entry."""
        return [
            call for call in self.calls
            if call.name == "unlink" and call.paths[0].suffix in (".dcm", ".entry")
        ]  # fmt: skip

    def row_after(self, call: Call) -> Call:
        """The first call that writes to the index after another."""
        return first(self.calls, call, lambda one: self.wal in one.paths)

    def without_syncs_of(self, path: Path) -> Deletion:
        """The same calls, had nobody synced that file or folder."""
        calls = [call for call in self.calls if call.name not in SYNCS or path not in call.paths]
        return Deletion(calls, self.home)


def in_order(life: Deletion) -> bool:
    """Note and folder before the rows, these before the files, their folders before the end."""
    deleted, purged = life.notes
    rows = [life.row_after(deleted), life.row_after(purged)]
    assert rows[0].ended < purged.begun
    assert rows[1].ended < life.gone[0].begun
    done = life.row_after(life.gone[-1])
    folder = life.home / "objects" / "notes"
    folders = {call.paths[0].parent for call in life.gone}
    return (
        not any(_below(folder, unsynced(life.calls, row)) for row in rows)
        and not any(life.wal in unsynced(life.calls, call) for call in life.gone)
        and not folders & unsynced(life.calls, done)
    )


def _below(folder: Path, changed: set[Path]) -> set[Path]:
    return {path for path in changed if path == folder or folder in path.parents}


@pytest.fixture(scope="module")
def life(tmp_path_factory: pytest.TempPathFactory, peer_tool: Callable[[str], str]) -> Deletion:
    """Delete an instance of which one revision is archived, and one in the journal."""
    folder = tmp_path_factory.mktemp("deleted")
    init(folder / "home")
    with Home.open(folder / "home") as home:
        take(home, dataset(UID), UID)
        drain(home, load_codec())
        take(home, dataset(UID, seed=1), UID)
    archive, output = ScratchArchive(folder / "home"), folder / "trace"
    watched = ",".join((*WRITES, *NAMES, *SYNCS, "openat"))
    options = ["-f", "-y", "-s", "16", "-e", f"trace={watched}", "-o", str(output)]
    tracer = [peer_tool("strace"), *options]
    told = ["delete", "--instance", UID, "--reason", "wrong archive", "--now", "--yes"]
    subprocess.run([*tracer, *command(), *told], env=archive.environment(), check=True)
    return Deletion(parse(_alive(output.read_text())), folder / "home")


def _alive(trace: str) -> list[str]:
    """Leave out that processes ended: no call says so."""
    return [line for line in trace.splitlines() if "+++" not in line and "---" not in line]


def test_note_rows_and_files_go_in_order(life: Deletion) -> None:
    assert (len(life.notes), len(life.gone)) == (2, 2)
    assert in_order(life)


def test_without_any_one_sync_the_order_would_be_broken(life: Deletion) -> None:
    needed = [
        *(call.paths[0] for call in life.notes),
        life.notes[0].paths[1].parent,
        life.wal,
        *(call.paths[0].parent for call in life.gone),
    ]
    assert [in_order(life.without_syncs_of(path)) for path in needed] == [False] * len(needed)
