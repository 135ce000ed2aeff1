"""Disks that fail: full, read-only, with I/O errors. The sender is told, nothing acknowledged goes.

The faults are real ones of the C library's calls (libfiu), or of a small file system of its own.
"""

from __future__ import annotations

import errno
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.fault.failing import LIBFIU, FailingCalls
from tests.fault.victim import REFUSED, SOON, send_eight, serving
from tests.service.served import kill


@pytest.fixture
def failing(tmp_path: Path, peer_tool: Callable[[str], str]) -> Iterator[FailingCalls]:
    peer_tool("fiu-run")
    assert LIBFIU.is_dir(), "fiu-run is there, and what it preloads is not"
    calls = FailingCalls(tmp_path / "calls.json")
    with calls.armed():
        yield calls


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 24 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounting = ["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mounting, check=False).returncode != 0:
        pytest.skip("needs the right to mount a file system")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


FAULTS: dict[str, tuple[int, dict[str, float]]] = {
    "files and folders cannot be synced": (errno.EIO, {"sync_fsync": 1.0}),
    "the index cannot be synced": (errno.EIO, {"sync_fdatasync": 1.0}),
    "nothing can be renamed, as on a disk that became read-only": (
        errno.EROFS,
        {"dir_rename": 1.0},
    ),
    "the index cannot be written": (errno.EIO, {"rw_pwrite": 1.0}),
    "the index's disk is full": (errno.ENOSPC, {"rw_pwrite": 1.0}),
    "one call in three fails": (
        errno.EIO,
        {"sync_fsync": 0.3, "sync_fdatasync": 0.3, "dir_rename": 0.3, "rw_pwrite": 0.3},
    ),
}


@pytest.mark.slow
def test_what_cannot_be_made_durable_is_refused_until_the_disk_is_well(
    tmp_path: Path, storescu: str, failing: FailingCalls
) -> None:
    with serving(tmp_path, storescu, SOON) as victim:
        for fault, (code, calls) in FAULTS.items():
            failing.fail(code, **calls)
            told = send_eight(victim)
            assert set(told.refused.values()) <= {REFUSED}, fault
            assert told.refused, fault
            assert not told.stored or min(calls.values()) < 1, fault
            failing.be_well()
            assert len(send_eight(victim).stored) == 8, fault
        kill(victim.archive)
        victim.require_all()


@pytest.mark.slow
def test_writes_that_take_less_than_they_are_given_are_gone_on_with(
    tmp_path: Path, storescu: str, failing: FailingCalls
) -> None:
    with serving(tmp_path, storescu, SOON) as victim:
        failing.fail(0, rw_write_reduce=0.5, rw_pwrite_reduce=0.5)
        assert len(send_eight(victim).stored) == 8
        assert victim.archive.wait_archived(120) == 0
        failing.be_well()
        kill(victim.archive)
        victim.require_all()


@pytest.mark.slow
def test_a_full_disk_refuses_and_takes_again_when_there_is_room(
    tmp_path: Path, small_disk: Path, storescu: str
) -> None:
    ballast, home = small_disk / "ballast", small_disk / "home"
    settings = SOON + "[receive]\nmin_free_bytes = 0\n"
    with serving(tmp_path, storescu, settings, home) as victim:
        for left in (0, 8_192, 65_536):
            free = os.statvfs(small_disk)
            ballast.write_bytes(bytes(max(0, free.f_bavail * free.f_frsize - left)))
            told = send_eight(victim)
            assert set(told.refused.values()) == {REFUSED}
            ballast.unlink()
        assert len(send_eight(victim).stored) == 8
        kill(victim.archive)
        victim.require_all()


def test_a_disk_that_is_nearly_full_is_not_filled(
    tmp_path: Path, small_disk: Path, storescu: str
) -> None:
    with serving(tmp_path, storescu, home=small_disk / "home") as victim:
        assert set(send_eight(victim).refused.values()) == {REFUSED}
