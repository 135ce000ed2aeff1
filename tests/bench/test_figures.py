"""Figures: told before the work if they cannot be drawn, and drawn of a training's log."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from service.bench.figures import require_matplotlib
from service.cli import main
from service.errors import TABLE, NotInstalled

SHIPPED = Path(__file__).resolve().parents[2] / "models" / "weights" / "radiolith-1.log.jsonl"


@pytest.mark.parametrize("verb", ["growth", "codec .", f"training {SHIPPED}"])
def test_without_matplotlib_no_work_is_begun(
    verb: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(NotInstalled):
        require_matplotlib()
    monkeypatch.chdir(tmp_path)
    plot = ["--plot", "here.svg"]
    monkeypatch.setattr(sys, "argv", ["radiolith", "bench", *verb.split(), *plot])
    assert main.run() == TABLE[NotInstalled].exit_code
    told = capsys.readouterr()
    assert not told.out
    assert "pip install radiolith[bench]" in told.err


def test_the_log_of_the_model_that_ships_is_drawn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("matplotlib")
    drawn = tmp_path / "training.svg"
    monkeypatch.setattr(
        sys, "argv", ["radiolith", "bench", "training", str(SHIPPED), "--plot", str(drawn)]
    )
    assert main.run() == 0
    assert "held back" in capsys.readouterr().out
    assert "<svg" in drawn.read_text()
