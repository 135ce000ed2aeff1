"""Users: their passcodes are kept as hashes, asked for out of sight, and watched by the audit."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from dicom.archive import Node, Right
from models.registry import all_models
from service.errors import Unknown
from service.home import INDEX, Home, init
from service.upkeep.audit import Scope, audit


@pytest.fixture
def home(tmp_path: Path) -> Home:
    init(tmp_path / "home")
    return Home.open(tmp_path / "home")


def test_a_passcode_is_changed_by_adding_the_user_again(home: Home) -> None:
    users = home.index.users
    users.add("amelie", b"first")
    assert users.is_passcode("amelie", b"first")
    users.add("amelie", b"second")
    assert users.is_passcode("amelie", b"second")
    assert not users.is_passcode("amelie", b"first")
    assert not users.is_passcode("Amelie", b"second")
    assert users.list() == ["amelie"]
    with pytest.raises(Unknown):
        users.remove("bruno")


def test_the_trail_has_neither_passcode_nor_hash(home: Home) -> None:
    home.index.users.add("amelie", b"correct horse")
    rows = sqlite3.connect(home.path / INDEX).execute("SELECT salt, hash FROM users").fetchall()
    told = str([entry.details for entry in home.index.trail.entries()])
    assert "amelie" in told
    for secret in (b"correct horse", *rows[0]):
        assert secret.hex() not in told
    assert "correct horse" not in told


@pytest.mark.parametrize(
    "edit",
    [
        "UPDATE users SET hash = zeroblob(32)",
        "UPDATE users SET log2_n = 1",
        "DELETE FROM users",
        "UPDATE users SET username = 'mallory'",
        "UPDATE nodes SET sources = '[\"0.0.0.0/0\"]'",
        "UPDATE nodes SET certificate = ''",
        "UPDATE nodes SET rights = 'commit,query,retrieve,store'",
    ],
)
def test_the_audit_sees_edited_rows(home: Home, edit: str) -> None:
    node = Node("CT1", "127.0.0.1", 104, frozenset({Right.STORE}), tls=True, certificate="ab" * 32)
    home.index.nodes.add(node)
    home.index.users.add("amelie", b"correct horse")
    assert not audit(home, all_models(), Scope(), lambda *_: None).faults
    with sqlite3.connect(home.path / INDEX) as connection:
        connection.execute(edit)
    faults = audit(home, all_models(), Scope(), lambda *_: None).faults
    assert {fault.kind for fault in faults} == {"row-mismatch"}
    (table,) = {fault.object.partition("/")[0] for fault in faults}
    assert table in edit.split()
