"""The secrets' part: the root secret, the keyring, the key of TLS."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path

from service.home import ROOT_KEY, Home
from service.upkeep.doctor.finding import Finding


def weaknesses(home: Home) -> Iterator[Finding]:
    """Name secrets that others may read, that lie where they should not, or of which no copy is."""
    yield from _readable(home)
    yield from _beside(home)
    if home.settings.keys.backup_path is None:
        detail = "the keyring lies on this disk alone; without it nothing can be opened"
        yield Finding("no-keyring-backup", detail, "set keys.backup_path to a folder elsewhere")
    elif _same_disk(home.settings.keys.backup_path, home.path):
        detail = "keys.backup_path is on the disk of the archive's folder: they go together"
        yield Finding("keyring-backup-beside", detail, "name a folder on another disk")


def others_may(path: Path) -> bool:
    """Whether a file or folder that exists can be read by its group or by everybody."""
    try:
        return bool(stat.S_IMODE(path.stat().st_mode) & 0o077)
    except OSError:
        return False


def _readable(home: Home) -> Iterator[Finding]:
    for path in (home.keyring_path, *_roots(home), home.settings.tls.key_file):
        if path is not None and others_may(path):
            mode = stat.S_IMODE(path.stat().st_mode)
            detail = f"{path} has mode {mode:04o}: others may read it"
            yield Finding("secret-readable", detail, f"chmod 600 {path}")


def _beside(home: Home) -> Iterator[Finding]:
    for path in _roots(home):
        if path.exists() and path.resolve().is_relative_to(home.path.resolve()):
            detail = f"{path.name} lies beside the keyring that it opens: whoever has one has both"
            remedy = "move it to another disk and name it in the settings, or keys rewrap"
            yield Finding("root-secret-beside-keyring", detail, remedy)


def _roots(home: Home) -> list[Path]:
    keys = home.settings.keys
    named = [path for path in (keys.passphrase_file, keys.key_file) if path is not None]
    return [*named, home.path / ROOT_KEY]


def _same_disk(one: Path, other: Path) -> bool:
    try:
        return one.stat().st_dev == other.stat().st_dev
    except OSError:
        return False
