"""The command line as scripts meet it: what it prints, and its exit codes."""

from __future__ import annotations

import json
import os
import resource
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydicom.data import get_testdata_file
from pydicom.filereader import dcmread

from service import logs
from service.cli.main import run
from service.errors import (
    EXIT_FAULTS_FOUND,
    EXIT_OK,
    EXIT_USAGE,
    Conflict,
    Unknown,
    WrongSecret,
    rendering,
)

Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Name the folder of an archive to be, and nothing else of this machine's settings."""
    for name in [name for name in os.environ if name.startswith("RADIOLITH_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("RADIOLITH_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(logs, "configure", lambda *_: None)  # it would replace pytest's handlers
    return tmp_path / "home"


@pytest.fixture
def radiolith(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Command:
    """Run the command in this process: exit code, standard output, standard error."""

    def call(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["radiolith", *map(str, arguments)])
        code = run()
        told = capsys.readouterr()
        return code, told.out, told.err

    return call


@pytest.fixture
def ask(radiolith: Command) -> Callable[..., Any]:
    """Run a verb that must succeed, with --json, and parse what it printed."""

    def call(*arguments: object) -> Any:
        code, out, err = radiolith(*arguments, "--json")
        assert code == EXIT_OK, err
        return json.loads(out)

    return call


def test_help_comes_quickly_and_without_torch() -> None:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = Path(sys.executable).with_name("radiolith")
    subprocess.run([command, "--help"], check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 1.0
    loaded = (
        "import sys, service.cli.main; print({'torch', 'pydicom', 'sqlalchemy'} & {*sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", loaded], check=True, capture_output=True)
    assert done.stdout == b"set()\n"


@pytest.mark.parametrize(
    "arguments",
    [
        ["no-such-verb"],
        ["status", "--no-such-option"],
        ["nodes", "add", "AET", "host"],
        ["nodes", "add", "AET", "host", "70000"],
        ["nodes", "add", "A" * 17, "host", "104"],
        ["nodes", "add", "BACK\\SLASH", "host", "104"],
        ["audit", "--sample", "2"],
        ["export", "--to", "somewhere"],
        ["find", "NoSuchKeyword=1"],
        ["keys", "rewrap"],
    ],
    ids=lambda arguments: " ".join(arguments),
)
def test_usage_errors_exit_64(radiolith: Command, arguments: list[str]) -> None:
    code, out, err = radiolith(*arguments)
    assert (code, out) == (EXIT_USAGE, "")
    assert err.startswith("radiolith: ")


def test_a_verb_without_an_archive_names_the_fault(radiolith: Command) -> None:
    code, out, err = radiolith("status")
    assert (code, out) == (rendering(Unknown()).exit_code, "")
    assert "radiolith init" in err


def test_init_asks_nothing_and_makes_a_private_key_file(radiolith: Command, home: Path) -> None:
    code, out, _ = radiolith("init")
    assert code == EXIT_OK
    assert str(home / "root.key") in out.replace("\n", "")
    assert stat.S_IMODE((home / "root.key").stat().st_mode) == 0o600
    assert radiolith("init")[0] == rendering(Conflict()).exit_code


def test_init_takes_the_passphrase_file(
    ask: Callable[..., Any],
    radiolith: Command,
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    (tmp_path / "passphrase").write_text("correct horse battery staple\n")
    monkeypatch.setenv("RADIOLITH_PASSPHRASE_FILE", str(tmp_path / "passphrase"))
    assert ask("init")["root_key"] is None
    assert not (home / "root.key").exists()
    assert ask("nodes", "ls") == []
    (tmp_path / "passphrase").write_text("another\n")
    assert radiolith("status")[0] == rendering(WrongSecret()).exit_code


def test_status_counts_the_journal(ask: Callable[..., Any]) -> None:
    ask("init")
    assert ask("status")["journal"] == 0
    ask("import", get_testdata_file("CT_small.dcm", download=False))
    assert ask("status")["journal"] == 1


def test_nodes_have_all_rights_unless_told_otherwise(ask: Callable[..., Any]) -> None:
    ask("init")
    ask("nodes", "add", "PACS", "10.0.0.5", "11112")
    ask("nodes", "add", "CT1", "10.0.0.21", "104", "--allow", "store", "--allow", "commit")
    rights = {node["ae_title"]: node["rights"] for node in ask("nodes", "ls")}
    assert rights == {
        "PACS": ["commit", "query", "retrieve", "store"],
        "CT1": ["commit", "store"],
    }
    ask("nodes", "rm", "CT1")
    assert [node["ae_title"] for node in ask("nodes", "ls")] == ["PACS"]


def test_what_is_imported_is_found_shown_and_exported(
    ask: Callable[..., Any], tmp_path: Path
) -> None:
    path = Path(str(get_testdata_file("CT_small.dcm", download=False)))
    dataset = dcmread(path)
    ask("init")
    assert ask("import", path)["instances"] == 1
    assert ask("import", path)["duplicates"] == 1
    assert [row["StudyInstanceUID"] for row in ask("ls")] == [dataset.StudyInstanceUID]
    assert len(ask("ls", dataset.StudyInstanceUID, dataset.SeriesInstanceUID)) == 1
    name = str(dataset.PatientName).lower()
    assert len(ask("find", f"PatientName={name}", "PatientID", "--level", "patient")) == 1
    assert ask("find", "PatientName=NOBODY") == []
    assert ask("show", dataset.SOPInstanceUID)[0]["length"] < path.stat().st_size
    exported = ask("export", "--study", dataset.StudyInstanceUID, "--to", tmp_path / "out")
    assert exported["files"] == 1
    (file,) = (tmp_path / "out").rglob("*.dcm")
    assert file.read_bytes() == path.read_bytes()
    events = [entry["event"] for entry in ask("trail", "ls")]
    assert events.count("stored") == 1
    assert events.count("query") == 4
    assert events.count("export") == 1
    assert name not in str(ask("trail", "ls")).lower()


def test_audit_exits_2_with_faults(ask: Callable[..., Any], radiolith: Command, home: Path) -> None:
    path = get_testdata_file("MR_small.dcm", download=False)
    ask("init")
    ask("import", path)
    assert ask("audit") == {"checked": 1, "faults": []}
    (entry,) = [file for file in (home / "journal").rglob("*") if file.is_file()]
    entry.write_bytes(entry.read_bytes()[:-100])
    code, out, _ = radiolith("audit", "--json")
    assert code == EXIT_FAULTS_FOUND
    (fault,) = json.loads(out)["faults"]
    assert fault["kind"] == "truncated"
    assert fault["sop_instance_uid"] == dcmread(str(path)).SOPInstanceUID
    assert set(fault) == {"sop_instance_uid", "object", "kind", "detail"}


def test_keys_rotate_and_retire(ask: Callable[..., Any], radiolith: Command) -> None:
    first = ask("init")["key_id"]
    second = ask("keys", "rotate")["key_id"]
    assert [key["state"] for key in ask("keys", "ls")] == ["decrypt-only", "active"]
    assert radiolith("keys", "retire", second)[0] != EXIT_OK
    assert ask("keys", "retire", first)["key_id"] == first
    assert [key["state"] for key in ask("keys", "ls")] == ["retired", "active"]


def test_rewrap_changes_what_opens_the_keyring(
    ask: Callable[..., Any], radiolith: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    ask("init")
    (tmp_path / "new").write_text("a new passphrase")
    ask("keys", "rewrap", "--passphrase-file", tmp_path / "new")
    assert radiolith("status")[0] != EXIT_OK
    monkeypatch.setenv("RADIOLITH_PASSPHRASE_FILE", str(tmp_path / "new"))
    assert ask("status")["objects"] == 0


def test_every_change_is_in_the_trail(ask: Callable[..., Any], home: Path) -> None:
    ask("init")
    ask("nodes", "add", "PACS", "10.0.0.5", "11112")
    ask("keys", "rotate")
    ask("keys", "rewrap", "--key-file", home / "root.key")
    events = [entry["event"] for entry in ask("trail", "ls")]
    assert {"node added", "key rotated", "keyring rewrapped"} <= set(events)


def test_corrections_change_what_is_found(ask: Callable[..., Any]) -> None:
    path = get_testdata_file("CT_small.dcm", download=False)
    patient_id = str(dcmread(str(path)).PatientID)
    ask("init")
    ask("import", path)
    ask("correct", "rename", patient_id, "PatientName=DOE^JANE", "--reason", "typing error")
    assert len(ask("find", "PatientName=doe^jane")) == 1
    assert [one["kind"] for one in ask("correct", "ls")] == ["rename"]
    ask("correct", "undo", "1")
    assert ask("find", "PatientName=doe^jane") == []


def test_what_was_backed_up_is_restored(
    ask: Callable[..., Any],
    radiolith: Command,
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    ask("init")
    ask("nodes", "add", "PACS", "10.0.0.5", "11112")
    ask("backup", tmp_path / "backup")
    monkeypatch.setenv("RADIOLITH_KEY_FILE", str(home / "root.key"))
    monkeypatch.setenv("RADIOLITH_HOME", str(tmp_path / "again"))
    ask("restore", tmp_path / "backup")
    assert [node["ae_title"] for node in ask("nodes", "ls")] == ["PACS"]
    code, _, told = radiolith("trail", "verify")
    assert code == 91, told
    assert "anchor" in told
    assert radiolith("trail", "anchor")[0] == EXIT_OK
    ask("trail", "verify")


def test_the_index_is_rebuilt_from_the_journal(ask: Callable[..., Any], home: Path) -> None:
    ask("init")
    ask("import", get_testdata_file("CT_small.dcm", download=False))
    before = ask("ls")
    (home / "index.sqlite").rename(home / "index.lost")
    assert ask("rebuild-index")["entries"] == 1
    assert ask("ls") == before


def test_an_internal_fault_is_told_without_what_may_be_patient_data(home: Path) -> None:
    program = """
import sys
from service.cli import main, ls
def broken(*_):
    raise ValueError("DOE^JANE")
ls._level = broken
sys.exit(main.run())
"""

    def call(verb: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", program, verb]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    assert call("init").returncode == EXIT_OK
    told = call("ls")
    assert told.returncode == rendering(ValueError()).exit_code == 70
    assert "ValueError" in told.stderr
    assert "DOE" not in told.stdout + told.stderr
