"""The keyring: what opens it, what rotates it, and that a running process follows."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from service.errors import (
    Conflict,
    DataFault,
    KeyNeeded,
    KeyringFault,
    Unknown,
    WrongKey,
    WrongSecret,
)
from service.keys import (
    KeyFile,
    Keyring,
    KeyringBackups,
    KeyState,
    KeyStore,
    PassphraseFile,
    Purpose,
    SealingKey,
)
from service.keys.passphrase import SCRYPT_LOG2_N
from tests.vault.helpers import archive_key


@pytest.fixture
def root(tmp_path: Path) -> KeyFile:
    return KeyFile.create(tmp_path / "root.key")


@pytest.fixture
def store(tmp_path: Path, root: KeyFile) -> KeyStore:
    return KeyStore.create(tmp_path / "keyring.json", root)


def passphrase(path: Path, text: bytes) -> PassphraseFile:
    path.write_bytes(text)
    return PassphraseFile(path, log2_n=4)


def test_a_new_keyring_has_one_active_key_and_no_clear_key(tmp_path: Path, store: KeyStore) -> None:
    (key,) = store.keyring.keys
    assert key == store.keyring.active
    assert len(key.secret) == 32
    text = (tmp_path / "keyring.json").read_bytes()
    assert key.secret.hex().encode() not in text
    assert (tmp_path / "keyring.json").stat().st_mode & 0o777 == 0o600


def test_a_keyring_is_not_overwritten(tmp_path: Path, store: KeyStore, root: KeyFile) -> None:
    with pytest.raises(Conflict):
        KeyStore.create(tmp_path / "keyring.json", root)


def test_rotation_keeps_the_old_key_for_opening(store: KeyStore) -> None:
    old = store.keyring.active
    new = store.rotate()
    assert store.keyring.active == new != old
    assert store.keyring.get(old.key_id).state is KeyState.DECRYPT_ONLY
    assert store.keyring.get(old.key_id).secret == old.secret


def test_a_running_process_follows_a_rotation(
    tmp_path: Path, store: KeyStore, root: KeyFile
) -> None:
    running = KeyStore(tmp_path / "keyring.json", root)
    before = running.keyring
    new = store.rotate()
    assert before.active != new
    assert running.keyring.active == new


def test_a_new_key_is_proved_and_backed_up_before_it_is_active(
    tmp_path: Path, store: KeyStore, root: KeyFile
) -> None:
    old = store.keyring.active
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(KeyringFault, match="back up"):
        store.rotate(KeyringBackups(tmp_path / "file"))
    again = KeyStore(tmp_path / "keyring.json", root).keyring
    assert again.active == old
    assert [key.state for key in again.keys] == [KeyState.ACTIVE, KeyState.DECRYPT_ONLY]


def test_a_copy_opens_with_the_same_secret(tmp_path: Path, store: KeyStore, root: KeyFile) -> None:
    store.rotate()
    store.backup(tmp_path / "copy.json")
    store.rotate()
    store.backup(tmp_path / "copy.json")
    assert KeyStore(tmp_path / "copy.json", root).keyring == store.keyring


def test_a_retired_key_is_destroyed_and_still_named(store: KeyStore) -> None:
    old = store.keyring.active
    with pytest.raises(KeyNeeded):
        store.retire(old.key_id)
    store.rotate()
    store.retire(old.key_id)
    retired = store.keyring.find(old.key_id.hex())
    assert (retired.state, retired.secret) == (KeyState.RETIRED, b"")
    for refused in (store.keyring.get, store.retire):
        with pytest.raises(WrongKey, match="retired"):
            refused(old.key_id)


def test_rewrapping_changes_the_secret_and_nothing_else(tmp_path: Path, store: KeyStore) -> None:
    store.rotate()
    keyring = store.keyring
    store.rewrap(passphrase(tmp_path / "passphrase", b"correct horse\n"))
    assert store.keyring == keyring
    again = KeyStore(tmp_path / "keyring.json", PassphraseFile(tmp_path / "passphrase"))
    assert again.keyring == keyring
    with pytest.raises(WrongSecret):
        _ = KeyStore(tmp_path / "keyring.json", KeyFile(tmp_path / "root.key")).keyring


def test_a_process_without_the_new_secret_opens_and_seals_nothing(
    tmp_path: Path, store: KeyStore, root: KeyFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.keys.keystore._LOOK_AGAIN_S", 0.0)
    running = KeyStore(tmp_path / "keyring.json", root)
    running.open()
    key = store.keyring.active
    store.rewrap(passphrase(tmp_path / "passphrase", b"correct horse"))
    rewrapped = (tmp_path / "keyring.json").read_bytes()
    assert running.keyring.get(key.key_id).secret == key.secret
    with pytest.raises(KeyringFault):
        _ = running.keyring.active
    with pytest.raises(KeyringFault):
        running.keyring.confirm(key.key_id)
    with pytest.raises(WrongSecret):
        running.rotate()
    assert (tmp_path / "keyring.json").read_bytes() == rewrapped
    store.rewrap(root)
    assert running.keyring.active == key


@pytest.mark.parametrize(
    ("written", "read", "same"),
    [
        (b"secret", b"secret\n", True),
        (b"secret\r\n", b"secret", True),
        (b"secret", b"secret\n\n", False),
        (b"secret", b" secret", False),
        (b"secret", b"Secret", False),
    ],
)
def test_one_trailing_newline_is_not_part_of_a_passphrase(
    tmp_path: Path, written: bytes, read: bytes, same: bool
) -> None:
    path = tmp_path / "keyring.json"
    keyring = KeyStore.create(path, passphrase(tmp_path / "one", written)).keyring
    again = KeyStore(path, passphrase(tmp_path / "two", read))
    if same:
        assert again.keyring == keyring
    else:
        with pytest.raises(WrongSecret):
            _ = again.keyring


def test_scrypt_is_as_slow_as_documented(tmp_path: Path) -> None:
    secret = PassphraseFile(tmp_path / "passphrase")
    (tmp_path / "passphrase").write_bytes(b"secret")
    sealed = secret.seal(b"keys")
    assert (sealed["log2_n"], sealed["r"], sealed["p"]) == (SCRYPT_LOG2_N, 8, 1)
    assert secret.open(sealed) == b"keys"


@pytest.mark.parametrize(
    "change",
    [
        {"log2_n": 60},
        {"log2_n": 0},
        {"r": 10**9},
        {"salt": "00"},
        {"extra": 1},
        {"kind": "key-file"},
        {"ciphertext": "?"},
        {"p": 2},
    ],
)
def test_altered_scrypt_parameters_are_refused_at_once(
    tmp_path: Path, change: dict[str, object]
) -> None:
    secret = passphrase(tmp_path / "passphrase", b"secret")
    with pytest.raises(WrongSecret):
        secret.open(secret.seal(b"keys") | change)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
def test_a_key_file_that_others_may_read_is_refused(
    tmp_path: Path, store: KeyStore, mode: int
) -> None:
    (tmp_path / "root.key").chmod(mode)
    with pytest.raises(KeyringFault, match="0600"):
        _ = KeyStore(tmp_path / "keyring.json", KeyFile(tmp_path / "root.key")).keyring


@pytest.mark.parametrize(
    ("text", "good"),
    [
        (b"00" * 32, True),
        (b"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n", True),
        (b"00" * 31, False),
        (b"", False),
        (b"not a key", False),
    ],
)
def test_key_files_are_hexadecimal_or_base64(tmp_path: Path, text: bytes, good: bool) -> None:
    path = tmp_path / "key"
    path.write_bytes(text)
    path.chmod(0o600)
    if good:
        assert KeyFile(path).open(KeyFile(path).seal(b"keys")) == b"keys"
    else:
        with pytest.raises(KeyringFault):
            KeyFile(path).seal(b"keys")


@pytest.mark.parametrize("field", ["format", "root"])
def test_a_damaged_keyring_is_a_data_fault(tmp_path: Path, store: KeyStore, field: str) -> None:
    path = tmp_path / "keyring.json"
    content = json.loads(path.read_text())
    path.write_text(json.dumps({key: value for key, value in content.items() if key != field}))
    with pytest.raises(DataFault):
        _ = store.keyring
    path.write_text(json.dumps(content | {"format": 2}))
    with pytest.raises(DataFault, match="format 2"):
        _ = store.keyring
    path.unlink()
    with pytest.raises(KeyringFault):
        _ = store.keyring


def test_keys_are_found_by_the_first_digits_of_their_id() -> None:
    keyring = Keyring((archive_key(1), archive_key(2, KeyState.DECRYPT_ONLY)))
    name = archive_key(2).key_id.hex()
    assert keyring.find(name[:6].upper()).key_id == archive_key(2).key_id
    for unknown in ("", "zz", name + "00"):
        with pytest.raises(Unknown):
            keyring.find(unknown)


def test_secrets_are_not_in_a_repr(store: KeyStore) -> None:
    key = store.keyring.active
    sealing = SealingKey.fresh(key.key_id, key.secret, Purpose.OBJECT, bytes(16))
    assert key.secret.hex() not in repr(store.keyring)
    assert repr(key.secret) not in repr(store.keyring)
    assert repr(sealing.secret) not in repr(sealing)


def test_derived_keys_differ_by_salt_purpose_and_name() -> None:
    key = archive_key(1)
    base = (key.key_id, key.secret, bytes(32), Purpose.OBJECT, bytes(16))
    other_name = (*base[:4], bytes(15) + b"\1")
    other_purpose = (*base[:3], Purpose.JOURNAL, bytes(16))
    other_salt = (*base[:2], b"\1" + bytes(31), *base[3:])
    derived = [SealingKey.derive(*way) for way in (base, other_name, other_purpose, other_salt)]
    assert len({one.secret for one in derived} | {one.check for one in derived}) == 8
    assert SealingKey.derive(*base) == derived[0]
    with pytest.raises(WrongKey):
        derived[0].confirm(derived[1].check)
    assert replace(derived[0], check=derived[1].check) != derived[0]
