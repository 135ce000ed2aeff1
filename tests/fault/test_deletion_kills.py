"""A deletion killed by SIGKILL at each step: nothing deleted comes back, nothing else goes."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from shutil import copytree

import pytest

from service.demo.scratch import ScratchArchive, command
from service.encode import Codec
from service.failpoints import Step
from service.home import Home, init
from service.processes.worker import drain, load_codec
from service.sealing.journal import entry_ids
from service.upkeep.audit import audit
from service.upkeep.rebuild import rebuild_index
from service.upkeep.recovery import recover
from tests.fault.failing import arrived, killed_at
from tests.service.made import dataset, take
from tests.waiting import wait_for

GONE, KEPT = "1.2.1", "1.2.2"
STEPS: list[tuple[Step, int]] = [
    # The first arrival is the deletion's, the second the purge's.
    *((step, nth) for nth in (1, 2) for step in ("file.written", "file.synced", "file.renamed")),
    *((step, nth) for nth in (1, 2) for step in ("file.durable", "decision.noted")),
    ("decision.entered", 1),
    ("decision.entered", 2),
    ("purge.entered", 1),
    ("object.removed", 1),
    ("purge.objects", 1),
    ("entry.removed", 1),
    ("purge.done", 1),
]
QUICK: list[tuple[Step, int]] = [("decision.noted", 2), ("object.removed", 1)]


@pytest.fixture(scope="module")
def codec() -> Codec:
    return load_codec()


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory, codec: Codec) -> Path:
    """One instance of two revisions, one of them in the journal, and another instance."""
    folder = tmp_path_factory.mktemp("filled") / "home"
    init(folder)
    with Home.open(folder) as home:
        take(home, dataset(GONE), GONE)
        take(home, dataset(KEPT), KEPT)
        drain(home, codec)
        take(home, dataset(GONE, seed=1), GONE)
    return folder


@pytest.fixture
def archive(filled: Path, tmp_path: Path) -> ScratchArchive:
    return ScratchArchive(copytree(filled, tmp_path / "home"))


def _delete(archive: ScratchArchive) -> int:
    """Delete at once, as an administrator does; gives the exit code."""
    told = ["delete", "--instance", GONE, "--reason", "wrong archive", "--now", "--yes"]
    return subprocess.run(
        [*command(), *told], env=archive.environment(), capture_output=True, check=False
    ).returncode


def _recovered(archive: ScratchArchive) -> None:
    with Home.open(archive.home) as home:
        recover(home)


def _rebuilt(archive: ScratchArchive) -> None:
    assert rebuild_index(archive.home).faults == []
    _recovered(archive)


def _check(archive: ScratchArchive, codec: Codec) -> None:
    """The instance is whole and shown, whole and hidden, or gone; the other is as it was."""
    with Home.open(archive.home) as home:
        files = len(list(home.store.ids())), len(list(entry_ids(home.journal)))
        hidden = [one.hidden for one in home.index.revisions.of_instance(GONE)]
        state = [one.state for one in home.index.deletions.list()]
        assert (files, hidden, state) in [
            ((2, 1), [False, False], []),
            ((2, 1), [True, True], ["marked"]),
            ((1, 0), [], ["purged"]),
        ]
        assert [one.hidden for one in home.index.revisions.of_instance(KEPT)] == [False]
        assert audit(home, codec.predictors).faults == []


def _kill(
    archive: ScratchArchive,
    codec: Codec,
    at: tuple[Step, int],
    go_on: Callable[[ScratchArchive], None],
) -> None:
    step, nth = at
    arrivals = archive.home.parent / "arrivals"
    arrivals.touch()
    with killed_at(step, arrivals, nth):
        assert _delete(archive) == -9
    assert arrived(arrivals) == nth
    go_on(archive)
    _check(archive, codec)
    assert _delete(archive) in (0, 89), "it can be deleted still, or is"


@pytest.mark.parametrize("at", QUICK, ids=str)
def test_a_deletion_that_is_killed_is_completed_or_never_was(
    archive: ScratchArchive, codec: Codec, at: tuple[Step, int]
) -> None:
    _kill(archive, codec, at, _recovered)


@pytest.mark.faults
@pytest.mark.slow
@pytest.mark.parametrize("go_on", [_recovered, _rebuilt])
@pytest.mark.parametrize("at", STEPS, ids=str)
def test_a_deletion_killed_at_every_step_is_completed_or_never_was(
    archive: ScratchArchive,
    codec: Codec,
    at: tuple[Step, int],
    go_on: Callable[[ScratchArchive], None],
) -> None:
    _kill(archive, codec, at, go_on)


@pytest.mark.slow
@pytest.mark.parametrize("step", ["decision.noted", "purge.entered", "object.removed"])
def test_a_housekeeper_killed_over_a_purge_is_followed_by_one_that_finishes_it(
    archive: ScratchArchive, codec: Codec, tmp_path: Path, step: Step
) -> None:
    (archive.home / "radiolith.toml").write_text("[deletion]\npoll_s = 0.2\n")
    told = ["delete", "--instance", GONE, "--reason", "wrong archive", "--grace", "0", "--yes"]
    archive.run(*told)
    arrivals = tmp_path / "arrivals"
    arrivals.touch()
    try:
        with killed_at(step, arrivals, kills="process"):
            archive.start()
            wait_for(lambda: archive.ask("deletions")[0]["state"] == "purged", 60)
        assert arrived(arrivals) > 0
    finally:
        archive.stop()
    _check(archive, codec)
