"""`radiolith keys` as scripts meet it: what stops a retirement, and the versions of the keyring."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from pydicom.data import get_testdata_file
from pydicom.filereader import dcmread

from service.demo.scratch import command
from service.home import Home
from service.processes.worker import drain, load_codec

IMAGE = str(get_testdata_file("CT_small.dcm", download=False))


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in [name for name in os.environ if name.startswith("RADIOLITH_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("RADIOLITH_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("RADIOLITH_KEYS__BACKUP_PATH", str(tmp_path / "backups"))
    return tmp_path / "home"


def _keys(*arguments: object, code: int = 0) -> Any:
    done = subprocess.run(
        [*command(), *map(str, arguments), "--json"], capture_output=True, text=True, check=False
    )
    assert done.returncode == code, done.stderr
    return json.loads(done.stdout)


def test_a_retirement_names_what_stops_it_and_what_still_holds_the_key(home: Path) -> None:
    first = _keys("init")["key_id"]
    _keys("import", IMAGE)
    _keys("keys", "rotate")
    (holder,) = _keys("keys", "retire", first, code=88)["needed_by"]
    assert holder["what"] == "journal entry"
    assert holder["sop_instance_uid"] == str(dcmread(IMAGE).SOPInstanceUID)
    assert (holder["revision"], holder["readable"]) == (1, True)
    assert (home / "journal" / f"{holder['id']}.entry").exists()
    with Home.open(home) as opened:
        drain(opened, load_codec())
    _keys("keys", "rotate", "--reencrypt")
    versions = sorted((home.parent / "backups").glob("keyring-*.json"))
    assert len(versions) == 2
    assert _keys("keys", "retire", first)["held_by"] == [str(path) for path in versions]
    second = _keys("keys", "ls")[1]["key_id"]
    assert _keys("keys", "retire", second, "--purge-backups")["held_by"] == []
    left = sorted((home.parent / "backups").glob("keyring-*.json"))
    assert len(left) == 1
    assert left[0] not in versions
    assert [one["objects"] for one in _keys("keys", "ls")] == [0, 0, 1]
