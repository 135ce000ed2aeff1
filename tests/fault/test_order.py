"""Orders that must hold (docs/architecture.md, "must" 1 to 3), read off the service's system calls.

A power cut can't be made here; what the kernel was asked to sync, and when, can be seen.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from service import files
from service.demo.peer import Sample
from service.demo.scratch import ScratchArchive, scratch_archive
from service.store import LocalStore, local
from tests.fault.trace import SENDS, SYNCS, Call, first, only, parse, traced, unsynced
from tests.service.served import children, sample, supervisor
from tests.waiting import wait_for


@dataclass(frozen=True, slots=True)
class Life:
    """The system calls that one instance's life in an archive took."""

    calls: list[Call]
    home: Path

    @property
    def wal(self) -> Path:
        return self.home / "index.sqlite-wal"

    @property
    def journal(self) -> Path:
        return self.home / "journal"

    @property
    def objects(self) -> Path:
        return self.home / "objects"

    def renamed(self, folder: Path) -> Call:
        """The call that gave a file its name in a folder."""
        return only(
            self.calls, lambda call: call.name == "rename" and folder in call.paths[1].parents
        )

    def row_after(self, call: Call) -> Call:
        """The first call that writes to the index after another."""
        return first(self.calls, call, lambda call: self.wal in call.paths)

    def unsynced(self, moment: Call, *places: Path) -> set[Path]:
        """What is not synced at a moment, of some places."""
        return {
            path
            for path in unsynced(self.calls, moment)
            for place in places
            if path == place or place in path.parents
        } - {self.objects / "drafts"}

    def without_syncs_of(self, path: Path) -> Life:
        """The same life, had nobody synced that file or folder."""
        calls = [call for call in self.calls if call.name not in SYNCS or path not in call.paths]
        return Life(calls, self.home)


def received_in_order(life: Life) -> bool:
    """Journal entry and folder before the index transaction, its commit before Success."""
    answer = next(call for call in life.calls if call.name in SENDS and r'"\4\0' in call.told)
    row = life.row_after(life.renamed(life.journal))
    assert row.ended < answer.begun
    return not life.unsynced(row, life.journal) and not life.unsynced(
        answer, life.journal, life.wal
    )


def archived_in_order(life: Life) -> bool:
    """Object and folders before its row, the row before the journal entry goes."""
    row = life.row_after(life.renamed(life.objects))
    gone = only(
        life.calls, lambda call: call.name == "unlink" and call.paths[0].parent == life.journal
    )
    assert row.ended < gone.begun
    return not life.unsynced(row, life.objects) and not life.unsynced(gone, life.objects, life.wal)


@pytest.fixture(scope="module")
def life(tmp_path_factory: pytest.TempPathFactory, peer_tool: Callable[[str], str]) -> Life:
    """One C-STORE by storescu, until the instance is archived."""
    folder = tmp_path_factory.mktemp("traced")
    output, strace, storescu = folder / "trace", peer_tool("strace"), peer_tool("storescu")
    with scratch_archive(folder / "home") as archive:
        archive.run("nodes", "add", "STORESCU", "127.0.0.1", "104")
        _archive(archive, storescu, sample(folder, 2))  # the worker is ready then
        with traced(strace, children(supervisor(archive).pid), output):
            _archive(archive, storescu, sample(folder, 1))
    return Life(parse(output.read_text().splitlines()), folder / "home")


def _archive(archive: ScratchArchive, storescu: str, image: Sample) -> None:
    called = ["-aec", archive.ae_title, archive.host, str(archive.port)]
    subprocess.run(
        [storescu, *called, image.path], env={**os.environ, "TCP_NODELAY": "1"}, check=True
    )
    assert archive.wait_archived(120) == 0
    wait_for(lambda: not list((archive.home / "journal").iterdir()), 10)


def test_journal_folder_and_index_are_synced_before_success(life: Life) -> None:
    assert received_in_order(life)


def test_object_folders_and_row_are_synced_before_the_journal_entry_goes(life: Life) -> None:
    assert archived_in_order(life)


def test_without_any_one_sync_an_order_would_be_broken(life: Life) -> None:
    entry, shown = life.renamed(life.journal).paths, life.renamed(life.objects).paths
    needed = [
        (received_in_order, entry[0]),
        (received_in_order, life.journal),
        (received_in_order, life.wal),
        (archived_in_order, shown[0]),
        (archived_in_order, shown[1].parent),
        *((archived_in_order, made.paths[0].parent) for made in life.calls if made.name == "mkdir"),
    ]
    assert [holds(life.without_syncs_of(path)) for holds, path in needed] == [False] * len(needed)


def test_a_call_that_another_thread_interrupts_counts_from_its_begin_to_its_end() -> None:
    home = Path("/h")
    calls = parse(
        [
            '1 write(3</h/a>, "x", 1) = 1',
            "1 fsync(3</h/a> <unfinished ...>",
            '2 sendto(9<socket:[1]>, "early", 5, 0, NULL, 0) = 5',
            "1 <... fsync resumed>) = 0",
            '2 sendto(9<socket:[1]>, "late", 4, 0, NULL, 0) = 4',
        ]
    )
    early, late = (call for call in calls if call.name == "sendto")
    assert unsynced(calls, early) == {home / "a"}
    assert unsynced(calls, late) == set()


def test_a_sync_that_began_before_a_write_ended_does_not_count_for_it() -> None:
    calls = parse(
        [
            "1 fsync(3</h/a> <unfinished ...>",
            '2 write(4</h/a>, "x", 1) = 1',
            "1 <... fsync resumed>) = 0",
            '2 sendto(9<socket:[1]>, "late", 4, 0, NULL, 0) = 4',
        ]
    )
    assert unsynced(calls, calls[-1]) == {Path("/h/a")}


def test_a_folder_that_another_process_made_is_synced_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may have died, or not have come to it yet."""
    store, object_id = LocalStore(tmp_path / "objects"), bytes(16)
    made = tmp_path / "objects" / "00" / "00"
    made.mkdir(parents=True)
    synced: list[Path] = []
    for module in (files, local):
        monkeypatch.setattr(module, "sync_folder", synced.append)
    with store.draft(object_id) as draft:
        draft.publish()
    assert synced == [made.parent.parent, made.parent, made]
