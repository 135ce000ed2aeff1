"""What a folder of objects promises besides: names, modes, the order of syncs, crashes."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import pytest

from service.errors import OutOfSpace, StoreFault
from service.store import LocalStore
from tests.store.made import ID, put


def test_local_objects_are_read_only_under_two_levels_of_folders(tmp_path: Path) -> None:
    put(LocalStore(tmp_path), ID, b"content")
    path = tmp_path / "00" / "01" / f"{ID.hex()}.dcm"
    assert stat.S_IMODE(path.stat().st_mode) == 0o400


def test_publishing_syncs_the_file_then_the_folders_of_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = LocalStore(tmp_path)
    synced: list[str] = []
    fsync = os.fsync

    def record(handle: int) -> None:
        synced.append(Path(f"/proc/self/fd/{handle}").readlink().name)
        fsync(handle)

    monkeypatch.setattr(os, "fsync", record)
    put(store, ID, b"content")
    assert synced[0].startswith(ID.hex())
    assert synced[1:] == [tmp_path.name, "00", "01"]
    synced.clear()
    put(store, ID[:-1] + b"\xff", b"content")
    assert synced[1:] == ["01"]


@pytest.mark.parametrize(("number", "fault"), [(errno.ENOSPC, OutOfSpace), (errno.EIO, StoreFault)])
@pytest.mark.parametrize("call", [1, 2, 3, 4])
def test_a_failing_sync_publishes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, fault: type[Exception], call: int
) -> None:
    store = LocalStore(tmp_path)
    calls = 0
    fsync = os.fsync

    def fail(handle: int) -> None:
        nonlocal calls
        calls += 1
        if calls == call:
            raise OSError(number, os.strerror(number))
        fsync(handle)

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(fault):
        put(store, ID, b"content")
    assert not store.exists(ID)
    assert store.sweep() == 0


def test_what_a_crash_leaves_is_no_object_and_is_swept(tmp_path: Path) -> None:
    with LocalStore(tmp_path).draft(ID) as draft:
        draft.file.write(b"content")
        again = LocalStore(tmp_path)
        assert list(again.ids()) == []
        assert again.sweep() == 1
        assert list((tmp_path / "drafts").iterdir()) == []
