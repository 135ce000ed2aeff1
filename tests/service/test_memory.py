"""Memory stays bounded by the largest frame, however long an instance is."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from models import registry
from models.instructions import available

ROOT = Path(__file__).resolve().parents[2]
BYTES_PER_PIXEL = 40
LIBRARIES_MB = 300 if available() else 500
"""What a process takes before its first frame; without integer products it loads torch."""
SLACK_MB = 20
"""What allocators keep, and the chunk of the journal in flight."""

STEPS = ("received", "archived", "decoded", "exported", "re-encrypted")


def check(size: int, frames: int) -> None:
    registry.self_test()  # Compiling takes a gigabyte; the next process finds it done.
    done = subprocess.run(
        [sys.executable, "-m", "tests.service.memory", str(size), str(frames)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["dataset"] > size * size * 2 * frames / 1e6
    resting = min(told["loaded"] + SLACK_MB, LIBRARIES_MB)
    allowed = resting + BYTES_PER_PIXEL * size * size / 1e6
    assert {step: told[step] for step in STEPS if told[step] > allowed} == {}, told


def test_a_long_instance_passes_in_the_memory_of_a_frame() -> None:
    check(size=256, frames=300)  # 39 MB


@pytest.mark.faults
@pytest.mark.timeout(3600)
def test_two_gigabytes_pass_in_the_memory_of_a_frame() -> None:
    check(size=512, frames=4000)
