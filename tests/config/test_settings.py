from __future__ import annotations

import os
import tomllib
from pathlib import Path

import pytest
from pydantic import ValidationError

from config.errors import SettingsError
from config.settings import DEFAULTS, FILE_NAME, known_keys, load


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.upper().startswith("RADIOLITH_"):
            monkeypatch.delenv(name)


def write(home: Path, text: str) -> None:
    (home / FILE_NAME).write_text(text, encoding="utf-8")


def test_default_toml_states_every_setting_and_no_other() -> None:
    tables = tomllib.loads(DEFAULTS.read_text(encoding="utf-8"))
    stated = {(section, key) for section, table in tables.items() for key in table}
    assert stated == set(known_keys())


def test_default_toml_explains_every_setting() -> None:
    lines = DEFAULTS.read_text(encoding="utf-8").splitlines()
    stated = [line for line in lines if " = " in line and "_keys = [" not in line]
    assert [line for line in stated if "#" not in line] == []


def test_later_sources_win(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert load(tmp_path).service.port == 11112
    write(tmp_path, '[service]\nport = 1\nae_title = "FILE"\nhost = "::1"\n')
    assert load(tmp_path).service.port == 1
    monkeypatch.setenv("RADIOLITH_SERVICE__PORT", "2")
    monkeypatch.setenv("RADIOLITH_SERVICE__AE_TITLE", "ENVIRONMENT")
    assert load(tmp_path).service.port == 2
    service = load(tmp_path, {"service": {"port": 3, "ae_title": None}}).service
    assert (service.port, service.ae_title, service.host) == (3, "ENVIRONMENT", "::1")


def test_lists_come_from_the_environment_as_json(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RADIOLITH_QUERY__IMAGE_KEYS", '["Rows", "00091001"]')
    assert load(tmp_path).query.image_keys == ("Rows", "00091001")
    monkeypatch.setenv("RADIOLITH_QUERY__IMAGE_KEYS", '["Rows", ')
    with pytest.raises(SettingsError, match="query"):
        load(tmp_path)


def test_paths_start_at_home_in_the_file_and_at_the_working_directory_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, here = tmp_path / "home", tmp_path / "here"
    home.mkdir()
    here.mkdir()
    monkeypatch.chdir(here)
    write(home, '[keys]\nbackup_path = "copies"\n[store]\npath = "/srv/objects"\n')
    monkeypatch.setenv("RADIOLITH_PASSPHRASE_FILE", "secret")
    settings = load(home)
    assert settings.home == home
    assert settings.receive.journal_path == home / "journal"
    assert settings.store.path == Path("/srv/objects")
    assert settings.keys.backup_path == home / "copies"
    assert settings.keys.passphrase_file == here / "secret"
    assert settings.keys.key_file is None


def test_two_root_secrets_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RADIOLITH_PASSPHRASE_FILE", "a")
    monkeypatch.setenv("RADIOLITH_KEY_FILE", "b")
    with pytest.raises(SettingsError, match="exclude each other"):
        load(tmp_path)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[service]\nprot = 1\n", "radiolith.toml: unknown setting service.prot; .*service.port"),
        ("[servise]\nport = 1\n", "unknown setting servise; .* service$"),
        ("port = 1\n", "unknown setting port; .* service.port$"),
        ("[query]\nimagekeys = []\n", "query.image_keys"),
        ("[service]\nport = \n", "radiolith.toml: "),
    ],
)
def test_unknown_keys_of_the_file_name_the_nearest(tmp_path: Path, text: str, told: str) -> None:
    write(tmp_path, text)
    with pytest.raises(SettingsError, match=told):
        load(tmp_path)


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("RADIOLITH_SERVICE__PROT", "RADIOLITH_SERVICE__PORT"),
        ("RADIOLITH_PASSPHRASE", "RADIOLITH_PASSPHRASE_FILE"),
        ("RADIOLITH_HOMES", "RADIOLITH_HOME"),
        ("RADIOLITH_PORT", "RADIOLITH_SERVICE__PORT"),
        ("radiolith_log__levels", "RADIOLITH_LOG__LEVEL"),
    ],
)
def test_unknown_variables_name_the_nearest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, nearest: str
) -> None:
    monkeypatch.setenv(name, "104")
    with pytest.raises(SettingsError, match=f"unknown setting {name}; .* {nearest}$"):
        load(tmp_path)


def test_unknown_flags_name_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"flags: .*service\.workers"):
        load(tmp_path, {"service": {"worker": 3}})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("RADIOLITH_PORT", "tcp://10.0.0.11:104"),
        ("RADIOLITH_SERVICE_HOST", "10.0.0.11"),
        ("RADIOLITH_SERVICE_PORT", "104"),
        ("RADIOLITH_SERVICE_PORT_DICOM", "104"),
        ("RADIOLITH_PORT_104_TCP", "tcp://10.0.0.11:104"),
        ("RADIOLITH_PORT_104_TCP_PROTO", "tcp"),
        ("RADIOLITH_PORT_104_TCP_PORT", "104"),
        ("RADIOLITH_PORT_104_TCP_ADDR", "10.0.0.11"),
        ("RADIOLITH_DB_SERVICE_HOST", "10.0.0.12"),
        ("RADIOLITH_DB_PORT", "tcp://10.0.0.12:5432"),
        ("RADIOLITH_HOME", "/somewhere"),
    ],
)
def test_what_kubernetes_injects_is_ignored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    expected = load(tmp_path)
    monkeypatch.setenv(name, value)
    assert load(tmp_path) == expected


@pytest.mark.parametrize(
    ("section", "key", "value"),
    [
        ("service", "port", 65536),
        ("service", "receivers", 0),
        ("service", "ae_title", "SEVENTEEN LETTERS"),
        ("service", "ae_title", "BACK\\SLASH"),
        ("service", "ae_title", "  "),
        ("worker", "lease_s", 0),
        ("commitment", "wait_s", float("inf")),
        ("duplicates", "serve", "oldest"),
        ("log", "phi", "perhaps"),
    ],
)
def test_values_out_of_bounds_are_named_and_not_repeated(
    tmp_path: Path, section: str, key: str, value: object
) -> None:
    with pytest.raises(SettingsError, match=rf"^{section}\.{key}: ") as caught:
        load(tmp_path, {section: {key: value}})
    if isinstance(value, str) and value.strip():
        assert value not in str(caught.value)


def test_settings_cannot_be_changed(tmp_path: Path) -> None:
    with pytest.raises(ValidationError):
        load(tmp_path).service.port = 1
