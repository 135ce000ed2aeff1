"""Killed at any step of rotation, re-encryption, retirement and rewrapping, an archive goes on.

The steps run in a process of their own that kills itself, as ``kill -9`` does, at one named step
(:mod:`service.failpoints`). The next start recovers, the same command is given again, and then
every instance is there, byte for byte, and nothing needs any key but the newest.
"""

from __future__ import annotations

import logging
import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from service.failpoints import Step, arm
from service.home import Home, init
from service.index import Author, patient
from service.keys import KeyFile, KeyringBackups, KeyState, PassphraseFile
from service.keys.keyring_file import read_keyring
from service.processes.worker import drain
from service.sealing.journal import JournalReader, entry_path
from service.sealing.reader import ObjectReader
from service.upkeep.decisions import Decisions
from service.upkeep.jobs import reencrypt
from service.upkeep.key_uses import StillNeeded, count_keys, retire
from service.upkeep.recovery import recover
from tests.keys.plain_codec import NO_CODEC
from tests.service.made import take, without_pixels

ARCHIVED = {f"1.2.{number}": without_pixels(f"1.2.{number}", 512 * number) for number in range(3)}
WAITING = {"1.3.1": without_pixels("1.3.1", 512)}
INSTANCES = ARCHIVED | WAITING

_log = logging.getLogger(__name__)


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """An archive with objects, a note and a journal entry under one key."""
    folder = tmp_path / "home"
    (tmp_path / "passphrase").write_text("correct horse")
    init(folder, root=_first(folder))
    with Home.open(folder) as home:
        for uid, data in ARCHIVED.items():
            take(home, data, uid)
        drain(home, NO_CODEC)
        Decisions(home).rename(patient("P1", ""), {"PatientName": "Winter"}, Author("me", "test"))
        for uid, data in WAITING.items():
            take(home, data, uid)
    yield folder
    arm()


def _first(folder: Path) -> KeyFile:
    path = folder / "root.key"
    folder.mkdir(exist_ok=True)
    return KeyFile(path) if path.exists() else KeyFile.create(path)


def _copy(folder: Path, name: str) -> Path:
    """Copy the archive, so that each kill meets the same."""
    copied = folder.parent / name / "home"
    shutil.copytree(folder, copied)
    shutil.copy(folder.parent / "passphrase", copied.parent)
    return copied


def _second(folder: Path) -> PassphraseFile:
    return PassphraseFile(folder.parent / "passphrase", log2_n=4)


def _opened(folder: Path) -> Home:
    """Open the archive by whichever root secret it has now: the settings name both."""
    secret = str(folder.parent / "passphrase")
    return Home.open(folder, {"keys": {"passphrase_file": secret}})


def _renew(folder: Path) -> None:
    """Leave nothing under an old key, and the keyring under the second root secret."""
    with _opened(folder) as home:
        backups = KeyringBackups(folder.parent / "backups")
        home.keys.rotate(backups)
        drain(home, NO_CODEC)
        reencrypt(home, NO_CODEC)
        for key in home.keys.keyring.keys:
            if key.state is KeyState.DECRYPT_ONLY:
                retire(home, key.key_id.hex(), backups)
        home.keys.rewrap(_second(folder), backups)


def _steps_of(folder: Path) -> list[Step]:
    steps: list[Step] = []
    arm(steps.append)
    _renew(folder)
    arm()
    return steps


def _killed_at(number: int, folder: Path) -> None:
    """Do the same in a process that is killed at its step of that number, counted from 0."""
    pid = os.fork()
    if pid == 0:
        try:
            left = iter(range(number))
            arm(lambda _: None if next(left, -1) >= 0 else os.kill(os.getpid(), signal.SIGKILL))
            _renew(folder)
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGKILL


def _content(home: Home) -> dict[str, bytes]:
    found = {}
    for revision in home.index.revisions.all():
        servable = revision.servable
        if servable.object_id is None:
            with JournalReader(entry_path(home.journal, servable.entry_id), home.keys) as entry:
                found[servable.sop_instance_uid] = b"".join(entry.chunks())
        else:
            with home.store.open(servable.object_id) as file:
                reader = ObjectReader(file, home.keys, servable.object_id)
                found[servable.sop_instance_uid] = b"".join(reader.pieces())
    return found


def _require_sound(folder: Path) -> None:
    """Every instance is there; nothing needs any key but the active one; no half file is left."""
    with _opened(folder) as home:
        assert _content(home) == INSTANCES
        for use in count_keys(home):
            sealed = use.objects + use.entries + use.notes
            assert (use.state, sealed > 0) in (("active", True), ("retired", False))
        assert read_keyring(home.keyring_path, _second(folder)) == home.keys.keyring
    assert not list(folder.rglob("*.part"))
    assert not any(path.is_file() for path in (folder / "objects" / "drafts").rglob("*"))


def _kill_and_go_on(folder: Path, number: int) -> None:
    _killed_at(number, folder)
    with _opened(folder) as home:
        assert _content(home) == INSTANCES, "before anything was mended"
        recover(home)
        assert _content(home) == INSTANCES
    _renew(folder)
    _require_sound(folder)


def test_undisturbed_it_reaches_every_kind_of_step(folder: Path) -> None:
    steps = _steps_of(folder)
    _require_sound(folder)
    keys = [step for step in steps if step.startswith("key.")]
    assert keys == ["key.added", "key.proven", "key.activated", "key.retired"]
    assert {"draft.synced", "object.renamed", "object.indexed", "object.removed"} <= {*steps}


@pytest.mark.parametrize("part", range(2))
def test_killed_at_some_steps_it_goes_on(folder: Path, part: int) -> None:
    total = len(_steps_of(_copy(folder, "counted")))
    _kill_and_go_on(folder, (2 * part + 1) * total // 4)


@pytest.mark.faults
@pytest.mark.timeout(7200)
def test_killed_at_every_step_it_goes_on(folder: Path) -> None:
    steps = _steps_of(_copy(folder, "counted"))
    for number, step in enumerate(steps):
        _kill_and_go_on(_copy(folder, str(number)), number)
        shutil.rmtree(folder.parent / str(number))
        _log.info("killed at step %d of %d: %s", number + 1, len(steps), step)


def test_half_a_small_file_goes_at_the_next_start(folder: Path) -> None:
    halves = [folder / "objects" / name for name in ("notes/0badc0de.note.1.part", "anchor.1.part")]
    for half in halves:
        half.write_bytes(b"RL")
    with _opened(folder) as home:
        assert recover(home).partial == 2
    assert not any(half.exists() for half in halves)


def test_what_a_kill_left_without_a_row_is_named_by_the_next_retirement(folder: Path) -> None:
    number = _steps_of(_copy(folder, "counted")).index("object.durable")
    _killed_at(number, folder)
    with _opened(folder) as home:
        (orphan,) = set(home.store.ids()) - set(home.index.revisions.object_ids())
        first = home.keys.keyring.active
        home.keys.rotate()
        drain(home, NO_CODEC)
        reencrypt(home, NO_CODEC)
        with pytest.raises(StillNeeded) as caught:
            retire(home, first.key_id.hex())
        assert [holder.id for holder in caught.value.holders] == [orphan.hex()]
        assert "orphans --settle" in str(caught.value)
        assert "reencrypt" not in str(caught.value)
        recover(home)
        retire(home, first.key_id.hex())
