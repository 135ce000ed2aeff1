"""The command asks for a passphrase at a real terminal, and nowhere else."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import time
from pathlib import Path

import pytest

from service.demo.scratch import command

PASSPHRASE = "correct horse"


def _environment(home: Path) -> dict[str, str]:
    kept = {name: text for name, text in os.environ.items() if not name.startswith("RADIOLITH_")}
    return kept | {"RADIOLITH_HOME": str(home)}


def _at_terminal(home: Path, *arguments: str, typed: list[str]) -> tuple[int, str]:
    """Run a verb at a terminal of its own, where somebody answers its questions in turn."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [*command(), *arguments],
        env=_environment(home),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    shown, deadline = "", time.monotonic() + 120
    while time.monotonic() < deadline:
        if select.select([ours], [], [], 0.2)[0]:
            try:
                shown += os.read(ours, 4096).decode()
            except OSError:
                break
            if shown.rstrip(" ").endswith(":") and typed:
                os.write(ours, f"{typed.pop(0)}\n".encode())
    os.close(ours)
    return process.wait(60), shown


def _piped(home: Path, *arguments: str) -> tuple[int, str]:
    done = subprocess.run(
        [*command(), *arguments],
        env=_environment(home),
        input=f"{PASSPHRASE}\n",
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stderr


@pytest.fixture
def home(tmp_path: Path) -> Path:
    code, shown = _at_terminal(
        tmp_path / "home", "init", "--passphrase", typed=[PASSPHRASE, PASSPHRASE]
    )
    assert code == 0, shown
    assert PASSPHRASE not in shown
    assert not (tmp_path / "home" / "root.key").exists()
    return tmp_path / "home"


def test_what_was_typed_opens_and_nothing_else(home: Path) -> None:
    assert _at_terminal(home, "status", typed=[PASSPHRASE])[0] == 0
    assert _at_terminal(home, "status", typed=["Correct horse"])[0] == 87
    code, shown = _at_terminal(home, "status", typed=[""])
    assert code == 103
    assert "no passphrase was given" in shown
    assert _piped(home, "status")[0] == 103, "a pipe is no terminal"


def test_a_service_does_not_ask(home: Path) -> None:
    code, shown = _at_terminal(home, "serve", "--port", "0", typed=[])
    assert code == 87
    assert "Passphrase" not in shown


def test_two_that_differ_make_no_archive(tmp_path: Path) -> None:
    code, shown = _at_terminal(tmp_path, "init", "--passphrase", typed=[PASSPHRASE, "other"])
    assert code == 103
    assert "differ" in shown
    assert not (tmp_path / "keyring.json").exists()
