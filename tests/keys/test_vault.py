"""Vault's transit engine as root secret, against the stub: what passes, what is refused and why."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from service.errors import KeyringFault, WrongSecret
from service.home import Home, init
from service.keys import KeyStore, VaultTransit
from tests.keys import vault_stub
from tests.keys.vault_stub import Served

KEYS = b"the plaintext of a keyring"


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.keys.transit._PAUSE_S", 0.0)


def settings_of(served: Served, monkeypatch: pytest.MonkeyPatch, name: str = "radiolith") -> None:
    key = served.key(name)
    for setting in ("address", "key", "token_file", "authorities"):
        variable = f"RADIOLITH_VAULT__{setting.upper()}"
        monkeypatch.setenv(variable, str(getattr(key, setting)))


def test_only_the_wrapped_key_goes_to_vault(vault: Served) -> None:
    secret = VaultTransit(vault.key())
    sealed = secret.seal(KEYS)
    assert secret.open(sealed) == KEYS
    assert vault.vault.requests == [
        "/v1/transit/encrypt/radiolith",
        "/v1/transit/decrypt/radiolith",
    ]
    assert str(sealed["wrapped"]).startswith("vault:v1:")


def test_a_namespace_and_a_mount_of_its_own(vault: Served) -> None:
    vault.vault.namespace, vault.vault.mount = "hospital/imaging", "keys"
    assert VaultTransit(vault.key()).open(VaultTransit(vault.key()).seal(KEYS)) == KEYS
    with pytest.raises(KeyringFault, match="404"):
        VaultTransit(vault.key(namespace="other")).seal(KEYS)


def test_rotated_in_vault_old_sealings_open_until_vault_forbids_it(vault: Served) -> None:
    secret = VaultTransit(vault.key())
    sealed = secret.seal(KEYS)
    vault.vault.rotate("radiolith")
    assert secret.open(sealed) == KEYS
    assert str(secret.seal(KEYS)["wrapped"]).startswith("vault:v2:")
    vault.vault.min_decryption_version = 2
    with pytest.raises(WrongSecret, match="too old"):
        secret.open(sealed)


@pytest.mark.parametrize("status", [412, 429, 500, 502, 503, 504])
def test_what_passes_is_waited_for(vault: Served, status: int) -> None:
    vault.vault.failing[:] = [status, status]
    assert VaultTransit(vault.key()).seal(KEYS)
    assert len(vault.vault.requests) == 3


def test_what_does_not_pass_in_time_is_told(vault: Served) -> None:
    vault.vault.failing[:] = [503] * 9
    with pytest.raises(KeyringFault, match="status 503: Vault is sealed \\(3 attempts\\)"):
        VaultTransit(vault.key()).seal(KEYS)
    assert len(vault.vault.requests) == 3


@pytest.mark.parametrize(
    ("status", "told"), [(403, "403"), (307, "name the active one"), (405, "405"), (204, "204")]
)
def test_what_does_not_pass_is_told_at_once(vault: Served, status: int, told: str) -> None:
    vault.vault.failing[:] = [status]
    with pytest.raises(KeyringFault, match=told):
        VaultTransit(vault.key()).seal(KEYS)
    assert len(vault.vault.requests) == 1


def test_a_key_that_vault_does_not_have(vault: Served) -> None:
    sealed = VaultTransit(vault.key()).seal(KEYS)
    del vault.vault.keys["radiolith"]
    key = vault.key("other", key="radiolith")
    with pytest.raises(WrongSecret, match="encryption key not found"):
        VaultTransit(key).open(sealed)
    with pytest.raises(KeyringFault, match="encryption key not found"):
        VaultTransit(key).seal(KEYS)


def test_a_vault_that_hangs_is_not_waited_for_longer_than_set(vault: Served) -> None:
    vault.vault.hanging_s = 3.0
    with pytest.raises(KeyringFault, match="no answer in time \\(2 attempts\\)"):
        VaultTransit(vault.key(timeout_s=0.1, attempts=2)).seal(KEYS)


@pytest.mark.parametrize(
    "answer", [b"", b"<html>", b"{}", b'{"data": 1}', b'{"data": {}}', b"[" * 99_999, b"\xff"]
)
def test_what_is_no_vault_is_told(vault: Served, answer: bytes) -> None:
    sealed = VaultTransit(vault.key()).seal(KEYS)
    vault.vault.answer = answer
    with pytest.raises(KeyringFault, match="its answer"):
        VaultTransit(vault.key()).seal(KEYS)
    with pytest.raises(KeyringFault, match="its answer"):
        VaultTransit(vault.key()).open(sealed)


def test_what_decrypts_to_something_else_does_not_open(vault: Served) -> None:
    sealed = VaultTransit(vault.key()).seal(KEYS)
    for answer in (b'{"data": {"plaintext": "AAAA"}}', b'{"data": {"plaintext": ""}}'):
        vault.vault.answer = answer
        with pytest.raises(WrongSecret):
            VaultTransit(vault.key()).open(sealed)


def test_no_token_goes_to_a_server_of_another_authority_or_name(
    vault: Served, tmp_path: Path
) -> None:
    with pytest.raises(KeyringFault, match="certificate"):
        VaultTransit(vault.key(authorities=None)).seal(KEYS)
    (tmp_path / "named").mkdir()
    with vault_stub.serve(tmp_path / "named", host="vault.example") as other:
        with pytest.raises(KeyringFault, match="certificate"):
            VaultTransit(other.key()).seal(KEYS)
        assert other.vault.requests == []
    assert vault.vault.requests == []


def test_the_token_is_read_anew_and_never_told(vault: Served) -> None:
    secret = VaultTransit(vault.key())
    sealed = secret.seal(KEYS)
    vault.vault.tokens = {"hvs.renewed"}
    with pytest.raises(KeyringFault, match="permission denied") as caught:
        secret.open(sealed)
    assert "hvs." not in str(caught.value)
    (vault.folder / "token").write_text("hvs.renewed")
    assert secret.open(sealed) == KEYS


@pytest.mark.parametrize("token", ["", "two words", "line\nfeed", "ümlaut", "a\0b"])
def test_a_file_that_holds_no_token(vault: Served, token: str) -> None:
    (vault.folder / "token").write_text(token)
    with pytest.raises(KeyringFault, match="holds no token"):
        VaultTransit(vault.key()).seal(KEYS)


@pytest.mark.parametrize(
    ("mode", "good"), [(0o600, True), (0o640, True), (0o644, False), (0o660, False)]
)
def test_a_token_that_others_may_read_is_refused(vault: Served, mode: int, good: bool) -> None:
    (vault.folder / "token").chmod(mode)
    if good:
        assert VaultTransit(vault.key()).seal(KEYS)
    else:
        with pytest.raises(KeyringFault, match="0640"):
            VaultTransit(vault.key()).seal(KEYS)


def test_an_archive_lives_under_vault(
    vault: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings_of(vault, monkeypatch)
    made = init(tmp_path / "home")
    assert made.root_key is None
    with Home.open(tmp_path / "home") as home:
        assert home.keys.keyring.active.key_id == made.key_id
        home.keys.rotate()
    vault.vault.tokens.clear()
    with Home.open(tmp_path / "home") as home, pytest.raises(KeyringFault):
        _ = home.keys.keyring


def test_a_running_service_goes_on_while_vault_is_away(
    vault: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.keys.keystore._LOOK_AGAIN_S", 0.0)
    path, secret = tmp_path / "keyring.json", VaultTransit(vault.key(attempts=1))
    admin = KeyStore.create(path, secret)
    running = KeyStore(path, secret)
    running.open()
    first = running.keyring.active
    asked = len(vault.vault.requests)
    for _ in range(100):
        assert running.keyring.active == first
    assert len(vault.vault.requests) == asked, "asked although the keyring is the same"
    admin.rotate()
    vault.vault.failing[:] = [503] * 3
    assert running.keyring.get(first.key_id).secret == first.secret
    with pytest.raises(KeyringFault):
        _ = running.keyring.active
    vault.vault.failing.clear()
    assert running.keyring.active == admin.keyring.active


def test_many_processes_may_ask_at_once(vault: Served) -> None:
    secret = VaultTransit(vault.key())
    sealed, opened = secret.seal(KEYS), []
    threads = [
        threading.Thread(target=lambda: opened.append(secret.open(sealed))) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert opened == [KEYS] * 8
