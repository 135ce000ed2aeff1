"""`radiolith nodes` and `users` as scripts and people meet them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from service import logs
from service.cli.main import app
from service.home import Home, init

Run = Callable[..., Result]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(logs, "configure", lambda *_: None)  # it would replace pytest's handlers
    init(tmp_path / "home")
    return tmp_path / "home"


@pytest.fixture
def run(home: Path) -> Run:
    def run(*arguments: str, typed: str = "") -> Result:
        wide = {"COLUMNS": "200"}
        return CliRunner().invoke(app, ["--home", str(home), *arguments], input=typed, env=wide)

    return run


def only_node(run: Run) -> dict[str, Any]:
    (node,) = json.loads(run("nodes", "ls", "--json").output)
    return dict(node)


def test_what_is_not_named_stays_and_everything_can_be_taken_back(run: Run) -> None:
    pin = "AB:" * 31 + "AB"
    network, user = ["--from", "10.0.0.0/8"], ["--user", "amelie"]
    run("nodes", "add", "CT1", "10.0.0.1", "104", *network, *user, "--certificate", pin)
    before = only_node(run)
    assert before["sources"] == ["10.0.0.0/8"]
    assert before["users"] == ["amelie"]
    assert (before["tls"], before["certificate"]) == (True, "ab" * 32)
    run("nodes", "set", "CT1", "--port", "11112", "--move-to", "WS1", "--move-to", "*")
    assert only_node(run) == before | {"port": 11112, "destinations": ["WS1", "*"]}
    back = ["--from", "host", "--user", "", "--certificate", "", "--no-tls", "--move-to", "CT1"]
    run("nodes", "set", "CT1", *back)
    now = only_node(run)
    assert (now["sources"], now["users"], now["tls"], now["certificate"]) == ([], [], False, "")
    assert run("nodes", "set", "CT1", "--from", "any").exit_code == 0
    assert only_node(run)["sources"] == ["0.0.0.0/0", "::/0"]
    assert "anywhere" in run("nodes", "ls").output


@pytest.mark.parametrize(
    "options",
    [
        ["--from", "10.0.0.5/24"],
        ["--from", "hospital"],
        ["--certificate", "ab:cd"],
        ["--certificate", "CN=CT1", "--no-tls"],
        ["--move-to", "A" * 17],
        ["--allow", "everything"],
    ],
    ids=" ".join,
)
def test_what_cannot_be_meant_is_refused(run: Run, options: list[str]) -> None:
    for verb in (["add", "CT1", "10.0.0.1", "104"], ["set", "CT1"]):
        run("nodes", "add", "CT1", "10.0.0.9", "104")
        before = only_node(run)
        assert run("nodes", *verb, *options).exit_code != 0
        assert only_node(run) == before


def test_a_certificate_cannot_outlive_tls(run: Run) -> None:
    run("nodes", "add", "CT1", "10.0.0.1", "104", "--certificate", "CN=CT1")
    assert run("nodes", "set", "CT1", "--no-tls").exit_code != 0
    assert only_node(run)["tls"]


def test_a_passcode_is_asked_for_out_of_sight(run: Run, home: Path) -> None:
    done = run("users", "add", "amelie", typed="correct horse\ncorrect horse\n")
    assert done.exit_code == 0
    assert "correct horse" not in done.output
    with Home.open(home) as opened:
        assert opened.index.users.is_passcode("amelie", b"correct horse")
    assert run("users", "add", "bruno", typed="one\nanother\n").exit_code != 0
    assert run("users", "rm", "amelie").exit_code == 0
    assert json.loads(run("users", "ls", "--json").output) == []


def test_an_empty_passcode_is_none(run: Run, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.write_text("\n")
    assert run("users", "add", "amelie", "--passcode-file", str(empty)).exit_code != 0
