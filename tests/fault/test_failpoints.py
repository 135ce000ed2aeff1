"""Failpoints: in production nothing, in tests every named step of the flow in its order."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import service
from service.encode import Codec
from service.failpoints import STEPS, Step, arm
from service.home import Home, init
from service.processes.worker import drain, load_codec
from tests.fault.failing import arrived, killed_at
from tests.service.made import dataset, take

RECEIVED: list[Step] = [
    "entry.written",
    "entry.synced",
    "entry.renamed",
    "entry.durable",
    "entry.indexed",
]
ARCHIVED: list[Step] = [
    "draft.written",
    "draft.verified",
    "draft.synced",
    "object.marked",
    "object.renamed",
    "object.durable",
    "object.indexed",
    "object.settled",
    "entry.removed",
]


@pytest.fixture
def reached() -> Iterator[list[Step]]:
    """Collect the steps of this process."""
    steps: list[Step] = []
    arm(steps.append)
    yield steps
    arm()


@pytest.fixture(scope="module")
def codec() -> Codec:
    return load_codec()


def _calls(name: str) -> list[tuple[Path, ast.Call]]:
    root = Path(service.__file__).parent
    return [
        (path, node)
        for path in sorted(root.rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] == name
    ]


def test_every_named_step_is_somewhere_in_the_flow_once() -> None:
    steps = [ast.literal_eval(call.args[0]) for _, call in _calls("failpoint")]
    assert sorted(steps) == sorted(STEPS)


def test_nothing_in_the_package_arms_a_step() -> None:
    assert _calls("arm") == []


def test_receiving_and_archiving_go_step_by_step(
    tmp_path: Path, codec: Codec, reached: list[Step]
) -> None:
    init(tmp_path / "home")
    with Home.open(tmp_path / "home") as home:
        reached.clear()
        take(home, dataset())
        assert reached == RECEIVED
        reached.clear()
        drain(home, codec)
    assert reached == ARCHIVED


def test_a_process_is_killed_at_its_step_and_no_other(tmp_path: Path) -> None:
    script = "from service.files import *; import sys; write_atomically(Path(sys.argv[1]), b'new')"
    target, arrivals = tmp_path / "file", tmp_path / "arrivals"

    def write() -> int:
        return subprocess.run([sys.executable, "-c", script, target], check=False).returncode

    assert write() == 0
    target.write_bytes(b"old")
    arrivals.touch()
    with killed_at("file.synced", arrivals, nth=2):
        assert write() == 0
        target.write_bytes(b"old")
        assert write() == -9
    assert target.read_bytes() == b"old"
    assert arrived(arrivals) == 2
