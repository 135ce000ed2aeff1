"""The settings of one archive, loaded from its file, the environment and the command's flags."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)
from pydantic_settings import SettingsError as SourceError

from config import schema
from config.errors import SettingsError

DEFAULTS: Final = Path(__file__).with_name("default.toml")
FILE_NAME: Final = "radiolith.toml"
HOME_VARIABLE: Final = "RADIOLITH_HOME"
PREFIX: Final = "RADIOLITH_"
SHORT_NAMES: Final = {
    "RADIOLITH_PASSPHRASE_FILE": ("keys", "passphrase_file"),
    "RADIOLITH_KEY_FILE": ("keys", "key_file"),
}

_PATHS: Final = (
    ("store", "path"),
    ("replica", "path"),
    ("replica", "credentials_file"),
    ("tls", "certificate"),
    ("tls", "key_file"),
    ("tls", "authorities"),
    ("tls", "revoked"),
    ("receive", "journal_path"),
    ("keys", "passphrase_file"),
    ("keys", "key_file"),
    ("keys", "backup_path"),
    ("syslog", "authorities"),
    ("syslog", "certificate"),
    ("syslog", "key_file"),
    ("vault", "token_file"),
    ("vault", "authorities"),
)
# Docker-style links that Kubernetes sets for a service whose name begins with "radiolith":
# https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables
_INJECTED: Final = re.compile(
    r"RADIOLITH_(?:[A-Z0-9_]*_)?"
    r"(?:SERVICE_HOST|SERVICE_PORT(?:_[A-Z0-9_]+)?|PORT_\d+_(?:TCP|UDP|SCTP)(?:_(?:PROTO|PORT|ADDR))?)"
)
_INJECTED_URL: Final = re.compile(r"RADIOLITH_(?:[A-Z0-9_]*_)?PORT")

Values = dict[str, Any]


class Settings(BaseSettings):
    """Every setting of one archive. Paths are absolute."""

    model_config = SettingsConfigDict(
        frozen=True, extra="forbid", env_prefix=PREFIX, env_nested_delimiter="__"
    )

    home: Path
    service: schema.Service
    tls: schema.Tls
    store: schema.Store
    replica: schema.Replica
    keys: schema.Keys
    vault: schema.Vault
    index: schema.Index
    receive: schema.Receive
    worker: schema.Worker
    codec: schema.Codec
    retrieve: schema.Retrieve
    query: schema.Query
    commitment: schema.Commitment
    duplicates: schema.Duplicates
    deletion: schema.Deletion
    scrub: schema.Scrub
    syslog: schema.Syslog
    rejection: schema.Rejection
    log: schema.Log

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        *_: PydanticBaseSettingsSource,
        **__: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Take values as :func:`load` has merged them: a source must not come in twice."""
        return (init_settings,)


def load(home: Path, overrides: Mapping[str, Mapping[str, Any]] | None = None) -> Settings:
    """Load the settings of the archive in folder ``home``.

    Later sources win: ``default.toml``, ``home/radiolith.toml``, the environment, ``overrides``
    (section -> key -> value; None means not given). Relative paths start at ``home`` where the
    file says them, at the working directory where the environment or a flag does.

    Raises:
        SettingsError: a key is unknown (the nearest known one is named) or a value unfit.
    """
    home = home.absolute()
    try:
        merged = _merged(
            _absolute(_from_file(DEFAULTS), home),
            _absolute(_from_file(home / FILE_NAME), home),
            _absolute(_from_environment(), Path.cwd()),
            _absolute(_from_flags(overrides or {}), Path.cwd()),
        )
        return Settings(**merged, home=home)
    except ValidationError as error:
        raise SettingsError(_told(error)) from None


def _merged(*sources: Values) -> Values:
    merged: dict[str, Values] = {}
    for source in sources:
        for section, table in source.items():
            merged.setdefault(section, {}).update(table)
    return merged


def known_keys() -> Iterator[tuple[str, str]]:
    """Name every setting as (section, key)."""
    for section, field in Settings.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, schema.Section):
            yield from ((section, key) for key in field.annotation.model_fields)


def _from_file(path: Path) -> Values:
    try:
        values = TomlConfigSettingsSource(Settings, path)()
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path.name}: {error}") from None
    _refuse_unknown(values, path.name)
    return values


def _from_environment() -> Values:
    names = [name for name in os.environ if _is_setting(name)]
    _refuse_unknown_variables(names)
    try:
        values: Values = EnvSettingsSource(Settings)()
    except SourceError as error:
        raise SettingsError(f"environment: {error}: {error.__cause__}") from None
    for name, (section, key) in SHORT_NAMES.items():
        if name in os.environ:
            values.setdefault(section, {}).setdefault(key, os.environ[name])
    values.pop("home", None)
    return values


def _from_flags(overrides: Mapping[str, Mapping[str, Any]]) -> Values:
    values = {
        section: {key: value for key, value in table.items() if value is not None}
        for section, table in overrides.items()
    }
    _refuse_unknown(values, "flags")
    return values


def _is_setting(name: str) -> bool:
    if not name.upper().startswith(PREFIX) or _INJECTED.fullmatch(name):
        return False
    return not (_INJECTED_URL.fullmatch(name) and "://" in os.environ[name])


def _refuse_unknown(values: Mapping[str, Any], source: str) -> None:
    known = {f"{section}.{key}" for section, key in known_keys()}
    sections = {section for section, _ in known_keys()}
    for section, table in values.items():
        if not isinstance(table, Mapping):
            raise SettingsError(_unknown(source, section, known | sections))
        if section not in sections:
            raise SettingsError(_unknown(source, section, sections))
        for key in table:
            if f"{section}.{key}" not in known:
                raise SettingsError(_unknown(source, f"{section}.{key}", known))


def _refuse_unknown_variables(names: list[str]) -> None:
    known = {f"{PREFIX}{section}__{key}".upper() for section, key in known_keys()}
    known |= {HOME_VARIABLE, *SHORT_NAMES}
    for name in names:
        if name.upper() not in known:
            raise SettingsError(_unknown("environment", name, known))


def _unknown(source: str, name: str, known: set[str]) -> str:
    folded = {key.upper(): key for key in sorted(known)}
    same_key = [key for key in folded if _key(key) == _key(name.upper())]
    nearest = same_key or get_close_matches(name.upper(), folded, n=1, cutoff=0)
    return f"{source}: unknown setting {name}; the nearest known one is {folded[nearest[0]]}"


def _key(name: str) -> str:
    """Drop the section: SERVICE.PORT, RADIOLITH_SERVICE__PORT and RADIOLITH_PORT are all PORT."""
    return re.split(rf"\.|__|{PREFIX}", name)[-1]


def _absolute(values: Values, folder: Path) -> Values:
    for section, key in _PATHS:
        table = values.get(section, {})
        if key in table:
            table[key] = folder / Path(table[key]).expanduser() if table[key] else None
    return values


def _told(error: ValidationError) -> str:
    """Name the settings that do not fit; a value is never repeated, it may be a secret."""
    faults = (
        f"{'.'.join(str(part) for part in fault['loc'])}: {fault['msg']}"
        for fault in error.errors(include_url=False, include_input=False)
    )
    return "; ".join(faults)
