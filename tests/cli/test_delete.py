"""`delete`, `undelete`, `purge`, `deletions`, `hold`, `keys erase`: as administrators do."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from service.cli.main import app
from service.errors import Conflict, Fault, Held, KeyNeeded, Unknown
from service.home import Home, init
from service.sealing.journal import entry_ids
from tests.service.made import STUDY, dataset, take

REASON = ("--reason", "sent to the wrong archive")

Run = Callable[..., Any]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Home]:
    monkeypatch.setenv("RADIOLITH_HOME", str(tmp_path / "home"))
    init(tmp_path / "home")
    with Home.open(tmp_path / "home") as opened:
        for number in (1, 2):
            take(opened, dataset(f"1.2.{number}"), f"1.2.{number}")
        yield opened


@pytest.fixture
def run(home: Home) -> Run:
    """Run a verb that must succeed, with --json."""

    def call(*arguments: str) -> Any:
        done = CliRunner().invoke(app, [*arguments, "--json"])
        assert done.exit_code == 0, done.output
        return json.loads(done.stdout)

    return call


def refused(fault: type[Fault], *arguments: str) -> None:
    done = CliRunner().invoke(app, list(arguments))
    assert isinstance(done.exception, fault), done.output


def test_a_dry_run_says_what_and_does_nothing(home: Home, run: Run) -> None:
    told = run("delete", "--study", STUDY, *REASON, "--dry-run")
    assert (told["instances"], len(told["revisions"]), told["holds"]) == (2, 2, [])
    assert run("deletions") == []
    assert home.index.statistics().hidden == 0


def test_without_a_yes_it_asks_and_takes_no_for_an_answer(home: Home) -> None:
    command = ["delete", "--instance", "1.2.1", *REASON]
    asked = CliRunner().invoke(app, command, input="n\n")
    assert (asked.exit_code, home.index.statistics().hidden) == (1, 0)
    assert "instances" in asked.output
    assert CliRunner().invoke(app, command, input="y\n").exit_code == 0
    assert home.index.statistics().hidden == 1


def test_a_script_has_to_say_yes(home: Home) -> None:
    done = CliRunner().invoke(app, ["delete", "--study", STUDY, *REASON, "--json"])
    assert done.exit_code == 2
    assert home.index.statistics().hidden == 0


def test_a_deletion_is_undone_or_purged(home: Home, run: Run) -> None:
    first = run("delete", "--instance", "1.2.1", *REASON, "--yes", "--grace", "3")["deletion"]
    run("undelete", str(first), *REASON)
    refused(Conflict, "undelete", str(first), *REASON)
    second = run("delete", "--instance", "1.2.1", *REASON, "--yes")["deletion"]
    assert run("purge")["deletions"] == 0
    assert run("purge", str(second), "--yes", *REASON)["entries"] == 1
    assert [one["state"] for one in run("deletions")] == ["undone", "purged"]
    assert len(list(entry_ids(home.journal))) == 1


def test_now_destroys_at_once(home: Home, run: Run) -> None:
    done = run("delete", "--study", STUDY, *REASON, "--yes", "--now")
    assert done["purged"]["entries"] == 2
    assert home.index.statistics().revisions == 0


def test_a_hold_is_named_where_it_forbids(home: Home, run: Run) -> None:
    hold = run("hold", "add", "--patient", "P1", "--reason", "a lawsuit")["hold"]
    assert run("delete", "--study", STUDY, *REASON, "--dry-run")["holds"] == [hold]
    refused(Held, "delete", "--study", STUDY, *REASON, "--yes")
    assert run("hold", "ls")[0]["reason"] == "a lawsuit"
    run("hold", "release", str(hold), "--reason", "settled")
    run("delete", "--study", STUDY, *REASON, "--yes")


def test_tables_are_for_people(home: Home, run: Run) -> None:
    run("hold", "add", "--study", STUDY, "--reason", "a lawsuit")
    listed = CliRunner().invoke(app, ["hold", "ls"])
    assert (listed.exit_code, "lawsuit" in listed.stdout) == (0, True)
    assert CliRunner().invoke(app, ["deletions"]).exit_code == 0


@pytest.mark.parametrize(
    "arguments",
    [
        ["delete", *REASON, "--yes"],
        ["delete", "--study", STUDY, "--series", "1.1", *REASON, "--yes"],
        ["delete", "--study", STUDY, "--yes"],
        ["delete", "--study", STUDY, *REASON, "--grace", "-1"],
        ["hold", "add", *REASON],
        ["hold", "add", "--study", STUDY],
    ],
    ids=lambda arguments: " ".join(arguments[:3]),
)
def test_what_is_not_said_is_not_guessed(home: Home, arguments: list[str]) -> None:
    assert CliRunner().invoke(app, arguments).exit_code == 2
    assert home.index.statistics().hidden == 0


def test_what_is_unknown_is_said_so(home: Home) -> None:
    refused(Unknown, "delete", "--study", "9.9", *REASON, "--yes")
    refused(Unknown, "undelete", "7", *REASON)
    refused(Unknown, "purge", "7", "--yes")


def test_a_key_is_erased_after_its_losses_are_named(home: Home, run: Run) -> None:
    old = home.keys.keyring.active.key_id.hex()
    refused(KeyNeeded, "keys", "erase", old, *REASON, "--yes")
    home.keys.rotate()
    assert run("keys", "erase", old, *REASON, "--dry-run")["instances lost"] == 2
    assert run("keys", "ls")[0]["state"] == "decrypt-only"
    asked = CliRunner().invoke(app, ["keys", "erase", old, *REASON], input="n\n")
    assert (asked.exit_code, home.index.statistics().revisions) == (1, 2)
    assert run("keys", "erase", old[:6], *REASON, "--yes")["revisions"] == 2
    assert run("keys", "ls")[0]["state"] == "retired"
    assert home.index.statistics().revisions == 0
