"""Backup and restore of everything but objects and journal, which are files of their own.

A backup is a folder: the sealed keyring, the settings, the index as a sealed snapshot (nodes and
trail are in it, and all that ``rebuild-index`` makes), the sealed notes of decisions, and a
manifest with the trail's head, which a trail that was cut short is compared with. The root secret
is not in it: without it, a backup opens to nobody.

For the command: :func:`backup`, :func:`restore`.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from sqlalchemy import make_url

from config.settings import FILE_NAME, load
from service.errors import Altered, Busy, Conflict, IoFault, Missing
from service.files import make_folder, sync_folder, write_atomically
from service.home import (
    INDEX,
    KEYRING,
    NOTES,
    Home,
    Overrides,
    index_url,
    notes_folder,
    root_secret,
    serving,
)
from service.index import snapshot
from service.keys import KeyStore
from service.sealing.snapshot import open_snapshot, seal_snapshot
from service.sequence import utc_now
from service.store.notes import LocalNotes

MANIFEST: Final = "manifest.json"
SNAPSHOT: Final = "index.snapshot"
_FORMAT: Final = 1


@dataclass(frozen=True, slots=True)
class BackedUp:
    """What a backup holds."""

    folder: Path
    files: tuple[str, ...]
    size: int
    index: bool
    """Whether the index is in it; one on a database server has that server's own backups."""
    trail_position: int
    trail_hash: bytes


@dataclass(frozen=True, slots=True)
class Restored:
    """What was restored."""

    files: tuple[str, ...]
    made_at: int
    """When the backup was made, microseconds since 1970 UTC."""


def backup(home: Home, folder: Path) -> BackedUp:
    """Back up into a new folder; a service may run.

    Raises:
        Conflict: there is a backup in the folder already, or something else.
        Busy: the keyring was changed meanwhile; what was written is no backup.
        Fault, OSError: something cannot be read or written.
    """
    if folder.exists() and any(folder.iterdir()):
        raise Conflict(f"{folder} is not empty")
    make_folder(folder)
    home.keys.backup(folder / KEYRING)
    settings = home.path / FILE_NAME
    write_atomically(folder / FILE_NAME, settings.read_bytes() if settings.exists() else b"")
    position, digest = home.index.trail.head()
    source = _sqlite_file(index_url(home.settings))
    if source is not None:
        # Under the keys of the backup itself: the archive's may be rotated meanwhile.
        keys = KeyStore(folder / KEYRING, root_secret(home.settings))
        _snapshot(keys, source, folder / SNAPSHOT)
    _copy_notes(LocalNotes(home.notes), LocalNotes(folder / NOTES))
    if KeyStore(folder / KEYRING, root_secret(home.settings)).keyring != home.keys.keyring:
        raise Busy("the keyring was changed meanwhile: back up again, into another folder")
    files = tuple(
        str(path.relative_to(folder))
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != MANIFEST
    )
    manifest = {
        "format": _FORMAT,
        "made_at": utc_now(),
        "trail": {"position": position, "hash": digest.hex()},
        "files": {name: _sha256(folder / name) for name in files},
    }
    write_atomically(folder / MANIFEST, json.dumps(manifest, indent=2).encode() + b"\n")
    size = sum((folder / name).stat().st_size for name in files)
    home.index.trail.append("backup", {"trail_position": position})
    return BackedUp(folder, files, size, source is not None, position, digest)


def restore(folder: Path, home: Path, overrides: Overrides | None = None) -> Restored:
    """Put a backup into an archive's folder that has neither keyring nor index.

    Objects and journal are put back beside it, as they are. ``rebuild-index`` then brings back what
    the replica has of them, brings in what came after the backup, and keeps its nodes and trail.

    Raises:
        Missing: no backup in the folder.
        Altered: a file of it is not the one that was written.
        Conflict: there is a keyring or an index in ``home``.
        WrongSecret: the root secret does not open its keyring.
        Fault, OSError: something cannot be read or written.
    """
    manifest = _manifest(folder)
    make_folder(home)
    for name in (KEYRING, INDEX):
        if (home / name).exists():
            raise Conflict(f"{home / name} exists already")
    if not (home / FILE_NAME).exists():
        write_atomically(home / FILE_NAME, (folder / FILE_NAME).read_bytes())
    settings = load(home, overrides)
    with serving(settings):
        keys = KeyStore(folder / KEYRING, root_secret(settings))
        target = _sqlite_file(index_url(settings))
        if SNAPSHOT in manifest["files"] and target is not None:
            _restore_index(keys, folder / SNAPSHOT, target)
        keys.backup(home / KEYRING)
        _copy_notes(LocalNotes(folder / NOTES), LocalNotes(notes_folder(settings)))
    for made in (settings.store.path, settings.receive.journal_path):
        make_folder(made)
    return Restored(tuple(manifest["files"]), int(manifest["made_at"]))


def _copy_notes(source: LocalNotes, target: LocalNotes) -> None:
    """Copy the sealed notes that the target has not; after the index, which then knows no more."""
    for note_id in set(source.ids()) - set(target.ids()):
        target.write(note_id, source.read(note_id))


def _manifest(folder: Path) -> Mapping[str, Any]:
    """Read a backup's manifest, and check every file against it."""
    try:
        manifest: Mapping[str, Any] = json.loads((folder / MANIFEST).read_bytes())
    except FileNotFoundError as fault:
        raise Missing(f"no backup in {folder}") from fault
    except ValueError as fault:
        raise Altered(f"{folder / MANIFEST} is not a manifest") from fault
    if manifest.get("format") != _FORMAT:
        raise Conflict(f"the backup has format {manifest.get('format')}, not known to this version")
    for name, digest in manifest["files"].items():
        if _sha256(folder / name) != digest:
            raise Altered(f"{folder / name} is not the file that was backed up")
    return manifest


def _sqlite_file(url: str) -> Path | None:
    made = make_url(url)
    is_file = made.get_backend_name() == "sqlite" and made.database
    return Path(str(made.database)) if is_file else None


def _snapshot(keys: KeyStore, source: Path, target: Path) -> None:
    """Seal one consistent state of the index. The clear copy stays beside the index, and goes."""
    with tempfile.TemporaryDirectory(dir=source.parent) as work:
        copied = Path(work, INDEX)
        snapshot.copy(source, copied)
        with copied.open("rb") as clear, target.open("xb") as sealed:
            seal_snapshot(clear, sealed, keys)
            sealed.flush()
            os.fsync(sealed.fileno())
    sync_folder(target.parent)
    with target.open("rb") as sealed:
        for _ in open_snapshot(sealed, keys):
            continue


def _restore_index(keys: KeyStore, source: Path, target: Path) -> None:
    partial = target.with_name(target.name + ".restoring")
    try:
        with source.open("rb") as sealed, partial.open("wb") as clear:
            for chunk in open_snapshot(sealed, keys):
                clear.write(chunk)
            clear.flush()
            os.fsync(clear.fileno())
        partial.rename(target)
    except OSError as fault:
        raise IoFault(f"the index cannot be restored: {fault.strerror}") from fault
    finally:
        partial.unlink(missing_ok=True)
    sync_folder(target.parent)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
