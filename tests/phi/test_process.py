"""The canary in one process: what the flow, its faults and its logs leave behind. Quick."""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from service import logs
from service.errors import Fault
from service.home import Home, init
from service.processes.worker import drain
from service.upkeep.audit import audit
from service.upkeep.jobs import reencrypt
from tests.keys.plain_codec import NO_CODEC
from tests.phi import canary
from tests.service.made import damage, encoded, take

HOOKS = ((sys, "excepthook"), (sys, "unraisablehook"), (threading, "excepthook"))


@pytest.fixture
def _logging(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Put logging back to what it was."""
    for module, hook in HOOKS:
        monkeypatch.setattr(module, hook, getattr(module, hook))
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    logging.captureWarnings(False)
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    init(tmp_path / "home")
    with Home.open(tmp_path / "home") as opened:
        yield opened


def _without_pixels() -> bytes:
    made = canary.image()
    del made.PixelData
    return encoded(made)


@pytest.mark.usefixtures("_logging")
def test_she_is_in_the_index_and_nowhere_else(
    home: Home, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    logs.configure("debug")
    told: list[object] = []
    take(home, _without_pixels(), canary.INSTANCE)
    for number, data in enumerate(canary.faulty()):
        try:
            take(home, data, f"{canary.INSTANCE}.9.{number}")
        except Fault as fault:
            told.append(fault)
    assert canary.found([home.journal], [*canary.PERSON, *canary.UIDS]) == set()
    drain(home, NO_CODEC)
    home.keys.rotate()
    damage(next(home.settings.store.path.rglob("*.dcm")), -40)
    told += [reencrypt(home, NO_CODEC), audit(home, {})]
    structlog.get_logger().error("odd", patient=canary.NAME, exc_info=ValueError(canary.NAME))
    written = capsys.readouterr()
    (tmp_path / "said").write_text(written.out + written.err)
    (tmp_path / "told").write_text(repr(told))
    assert written.err.count("\n") > 5
    stored = [path for path in home.path.rglob("*") if not path.name.startswith("index.sqlite")]
    assert canary.found([*stored, tmp_path / "told", tmp_path / "said"], canary.PERSON) == set()
    assert canary.found([tmp_path / "said"], canary.UIDS) == set()
    assert canary.found(home.path.glob("index.sqlite*"), [canary.PATIENT_ID])
