"""Processes start again when they die, stop when asked, and end with their supervisor."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from service.processes import children
from service.processes.children import Children, Running, forked, fresh
from service.processes.lifeline import Lifeline, follow


def _wait_until(true: Callable[[], bool], within: float = 10) -> None:
    deadline = time.monotonic() + within
    while not true():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def _gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


def _until_stopped(note: Path) -> Callable[[int, Sequence[Lifeline]], Running]:
    def main(end: int) -> None:
        stop = follow(end)
        with note.open("a") as file:
            file.write(f"{os.getpid()}\n")
        stop.wait()

    return lambda end, siblings: forked(main, end, siblings)


def _pids(note: Path) -> list[int]:
    return [int(line) for line in note.read_text().split()] if note.exists() else []


def test_a_process_that_dies_is_started_again_and_all_stop_when_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(children, "FIRST_DELAY_S", 0.05)
    family = Children()
    for name in ("one", "two"):
        family.add(name, _until_stopped(tmp_path / name))
    _wait_until(lambda: bool(_pids(tmp_path / "one") and _pids(tmp_path / "two")))
    os.kill(_pids(tmp_path / "one")[0], signal.SIGKILL)

    def started_again() -> bool:
        family.mend()
        return len(_pids(tmp_path / "one")) == 2

    _wait_until(started_again)
    assert len(_pids(tmp_path / "two")) == 1
    assert family.stop(10)
    assert all(map(_gone, _pids(tmp_path / "one") + _pids(tmp_path / "two")))


def test_what_serves_peers_ends_before_what_it_needs(tmp_path: Path) -> None:
    def serve(end: int) -> None:
        stop = follow(end)
        (tmp_path / "serving").touch()
        stop.wait()
        time.sleep(0.5)
        (tmp_path / "alone").write_text(str(_gone(_pids(tmp_path / "needed")[0])))

    family = Children()
    family.add("needed", _until_stopped(tmp_path / "needed"))
    family.add("serving", lambda end, siblings: forked(serve, end, siblings), serves=True)
    _wait_until(lambda: bool(_pids(tmp_path / "needed")) and (tmp_path / "serving").exists())
    assert family.stop(10)
    assert (tmp_path / "alone").read_text() == "False"


def test_a_process_that_does_not_stop_is_ended(tmp_path: Path) -> None:
    def deaf(end: int, _: Sequence[Lifeline]) -> Running:
        (tmp_path / "deaf.py").write_text("import time; time.sleep(60)")
        return fresh("deaf", "", [end], {"PYTHONPATH": str(tmp_path)})

    family = Children()
    family.add("deaf", deaf)
    assert not family.stop(0.2)


SUPERVISOR = """
import os, sys, time
from pathlib import Path
from service.processes.children import Children
from tests.service.test_children import _until_stopped
family = Children()
for name in ("one", "two", "three"):
    family.add(name, _until_stopped(Path(sys.argv[1]) / name))
print(flush=True)
time.sleep(60)
"""


def test_processes_end_with_a_supervisor_that_is_killed(tmp_path: Path) -> None:
    supervisor = subprocess.Popen(
        [sys.executable, "-c", SUPERVISOR, str(tmp_path)], stdout=subprocess.PIPE
    )
    assert supervisor.stdout is not None
    supervisor.stdout.readline()
    notes = [tmp_path / name for name in ("one", "two", "three")]
    _wait_until(lambda: all(_pids(note) for note in notes))
    supervisor.kill()
    supervisor.wait()
    _wait_until(lambda: all(_gone(_pids(note)[0]) for note in notes))
