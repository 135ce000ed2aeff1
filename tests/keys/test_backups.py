"""Versions of the keyring: one for each change; a retired key is in no file that is left."""

from __future__ import annotations

from pathlib import Path

import pytest

from service.errors import KeyringFault
from service.keys import KeyFile, KeyringBackups, KeyState, KeyStore
from service.keys.keyring_file import read_keyring


@pytest.fixture
def root(tmp_path: Path) -> KeyFile:
    return KeyFile.create(tmp_path / "root.key")


@pytest.fixture
def store(tmp_path: Path, root: KeyFile) -> KeyStore:
    return KeyStore.create(tmp_path / "home" / "keyring.json", root)


@pytest.fixture(autouse=True)
def _home(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()


def test_each_change_leaves_a_version_and_none_is_written_over(
    tmp_path: Path, store: KeyStore, root: KeyFile
) -> None:
    backups = KeyringBackups(tmp_path / "backups")
    first = store.keyring.active
    store.rotate(backups)
    before = {path: path.read_bytes() for path in backups.versions()}
    store.rotate(backups)
    store.retire(first.key_id, backups)
    store.rewrap(root, backups)
    assert {path: path.read_bytes() for path in backups.versions()[:1]} == before
    states = [[key.state for key in read_keyring(path, root).keys] for path in backups.versions()]
    active, opening, retired = KeyState.ACTIVE, KeyState.DECRYPT_ONLY, KeyState.RETIRED
    assert states == [
        [opening, active],
        [opening, opening, active],
        [retired, opening, active],
        [retired, opening, active],
    ]


def test_versions_that_hold_a_retired_key_are_named(
    tmp_path: Path, store: KeyStore, root: KeyFile
) -> None:
    backups = KeyringBackups(tmp_path / "backups")
    first = store.keyring.active
    store.rotate(backups)
    store.rewrap(KeyFile.create(tmp_path / "second.key"), backups)
    store.rewrap(root, backups)
    store.retire(first.key_id, backups)
    held = store.holding(first.key_id, backups)
    assert held == backups.versions()[:-1], "the one under another secret may hold it too"
    for path in held:
        backups.remove(path)
    assert list(backups.holding(first.key_id, root)) == []
    assert len(backups.versions()) == 1


def _secrets_on_disk(folder: Path, root: KeyFile) -> set[bytes]:
    """Open whatever is a keyring, under any name, and give the keys found."""
    found: set[bytes] = set()
    for path in folder.rglob("*"):
        if path.is_file() and path.read_bytes().startswith(b"{"):
            found |= {bytes(key.secret) for key in read_keyring(path, root).keys}
    return found


def test_a_retired_key_is_in_no_file_that_is_left(
    tmp_path: Path, store: KeyStore, root: KeyFile
) -> None:
    home = tmp_path / "home"
    first = store.keyring.active
    crashed = home / "keyring.json.0badc0de.part"
    crashed.write_bytes((home / "keyring.json").read_bytes())
    assert first.secret in _secrets_on_disk(home, root)
    store.rotate()
    crashed.write_bytes((home / "keyring.json").read_bytes())
    store.retire(first.key_id)
    assert first.secret not in _secrets_on_disk(home, root)
    assert not crashed.exists()


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path, store: KeyStore) -> None:
    (tmp_path / "file").write_bytes(b"")
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(KeyringFault, match="cannot back up"):
            store.rewrap(KeyFile(tmp_path / "root.key"), KeyringBackups(folder))
