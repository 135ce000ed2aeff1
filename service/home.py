"""One archive's folder, opened: settings, keys, index, objects, journal (docs/architecture.md).

For the command: :func:`init`, and :func:`Home.open` for everything else.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

from config.settings import FILE_NAME, Settings, load
from service.errors import Busy, Conflict, Fault, Unknown
from service.files import locked, make_folder, write_atomically
from service.index import Index, Policy, sqlite_url
from service.index.replication import Kind
from service.keys import (
    KeyFile,
    KeyStore,
    PassphraseFile,
    RootSecret,
    RootSecrets,
    TransitKey,
    VaultTransit,
)
from service.keys.passphrase import terminal
from service.sealing.note import remove_note
from service.sequence import ReceiveSequence
from service.store import LocalStore, ObjectStore
from service.store.notes import LocalNotes
from service.store.replica import Replica
from service.upkeep.anchor import drop_anchor

KEYRING: Final = "keyring.json"
INDEX: Final = "index.sqlite"
RUN: Final = "run"
NOTES: Final = "notes"
ROOT_KEY: Final = "root.key"
KEY_LOCK: Final = "keys.lock"
SERVE_LOCK: Final = "serve.lock"
_LOOK_S: Final = 0.1

Overrides = Mapping[str, Mapping[str, Any]]

_SETTINGS_TEMPLATE: Final = """\
# Settings of this archive that differ from the defaults; `radiolith` documents all of them in
# config/default.toml.
"""


@dataclass(frozen=True, slots=True)
class Initialised:
    """What :func:`init` made."""

    home: Path
    key_id: bytes
    """The first archive key."""
    root_key: Path | None
    """The root key file that was made because none was named, beside what it protects: move it to
    another disk, or rewrap the keyring by a passphrase, before patients' data come in."""


class Home:
    """What every process of an archive works with. Open it after a fork, never before."""

    def __init__(self, settings: Settings) -> None:
        """Open the archive that the settings describe.

        Raises:
            Unknown: no archive was initialised there.
            Fault: keyring or index cannot be opened.
        """
        self.settings = settings
        self.path = settings.home
        if not self.keyring_path.exists():
            raise Unknown(f"no archive in {self.path}: run radiolith init")
        self.keys = KeyStore(self.keyring_path, root_secret(settings))
        self.index = Index.open(index_url(settings), Policy.of(settings))
        self.store: ObjectStore = LocalStore(settings.store.path)
        self.replica = _replica(settings, self.index)
        self.journal = settings.receive.journal_path
        self.notes = notes_folder(settings)
        self.run = run_folder(settings)
        self.sequence = ReceiveSequence(self.run / "sequence")

    @classmethod
    def open(cls, path: Path, overrides: Overrides | None = None) -> Home:
        """Open the archive in a folder.

        Raises:
            SettingsError: its settings are wrong.
            Fault: it cannot be opened.
        """
        return cls(load(path, overrides))

    @property
    def keyring_path(self) -> Path:
        """Where the keyring is."""
        return self.path / KEYRING

    @contextmanager
    def settling(self, key_id: bytes) -> Iterator[None]:
        """Hold ``keys retire`` off while something sealed under a key gets its row.

        A sealing may have begun before the key was rotated out: inside the block the key is still
        in the keyring, and what becomes durable there is counted by a retirement that comes after.

        Raises:
            WrongKey: the key is retired; what was sealed under it is lost and must be refused.
            KeyringFault: whether it is retired cannot be seen, as the root secret was changed.
        """
        with locked(self.run / KEY_LOCK, fcntl.LOCK_SH):
            self.keys.keyring.confirm(key_id)
            yield

    @contextmanager
    def retiring(self) -> Iterator[None]:
        """Hold off everything that settles; wait for what does so now."""
        with locked(self.run / KEY_LOCK, fcntl.LOCK_EX):
            yield

    def require_replica(self) -> Replica:
        """Give the replica.

        Raises:
            Conflict: the settings name none.
        """
        if self.replica is None:
            raise Conflict("the settings name no replica")
        return self.replica

    def replicate(self, object_id: bytes) -> None:
        """Put an object into the replica, where the settings want it there before its row.

        Raises:
            StoreFault, OutOfSpace: it is not there; nor is it in the store any more.
        """
        if self.replica is None or not self.replica.is_sync:
            return
        try:
            self.replica.put(object_id, self.store)
        except Fault:
            self.remove_object(object_id)
            raise

    def replicate_note(self, note_id: bytes) -> None:
        """Put a note into the replica, where the settings want it there before it takes effect.

        Raises:
            StoreFault: it is not there; nor is it in its folder any more.
        """
        if self.replica is None or not self.replica.is_sync:
            return
        try:
            self.replica.notes.write(note_id, LocalNotes(self.notes).read(note_id))
        except Fault:
            self.remove_note(note_id)
            raise

    def remove_object(self, object_id: bytes) -> None:
        """Remove an object from the store and from the replica, which may follow later.

        Its row must be gone, or name another: removing goes the other way than writing.
        """
        self._remove(Kind.OBJECT, object_id, self.store.remove)

    def remove_note(self, note_id: bytes) -> None:
        """Remove a note from its folder and from the replica, which may follow later."""
        self._remove(Kind.NOTE, note_id, partial(remove_note, self.notes))

    def _remove(self, kind: Kind, file_id: bytes, remove: Callable[[bytes], None]) -> None:
        if self.replica is None:
            remove(file_id)
            return
        self.replica.ask_removal(kind, file_id)
        remove(file_id)
        self.replica.try_removal(kind, file_id)

    def close(self) -> None:
        """Let go of the index and the sequence."""
        self.index.close()
        self.sequence.close()

    def __enter__(self) -> Home:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


def root_secret(settings: Settings, *, asks: bool = True) -> RootSecrets:
    """Give what opens the keyring: every root secret that the settings name; the first seals.

    A passphrase that no file holds is asked for at the terminal, where there is one and ``asks``.
    """
    keys = settings.keys
    sources: list[RootSecret] = []
    if keys.passphrase_file is not None:
        sources.append(PassphraseFile(keys.passphrase_file))
    if keys.key_file is not None:
        sources.append(KeyFile(keys.key_file))
    if settings.vault.address:
        sources.append(vault_key(settings))
    if keys.key_file is None:
        sources.append(KeyFile(settings.home / ROOT_KEY))
    if keys.passphrase_file is None and asks:
        sources.append(terminal())
    return RootSecrets(sources)


def vault_key(settings: Settings) -> VaultTransit:
    """Give the root secret that Vault keeps, by the settings."""
    return VaultTransit(TransitKey(**settings.vault.model_dump()))


def _replica(settings: Settings, index: Index) -> Replica | None:
    if not settings.replica.is_set:
        return None
    return Replica(settings.replica, settings.store.path, index.replication)


def index_url(settings: Settings) -> str:
    """Give the URL of the index."""
    return settings.index.url or sqlite_url(settings.home / INDEX)


@contextmanager
def serving(settings: Settings, patience_s: float = 0.0) -> Iterator[int]:
    """Hold the right to be the one supervisor of an archive, or to work on it while none is there.

    Processes that inherit the descriptor it gives, as forked ones do, hold it too, until they end;
    ``patience_s`` is for those of a supervisor that was killed.

    Raises:
        Busy: another process holds it.
    """
    deadline = time.monotonic() + patience_s
    handle = os.open(
        run_folder(settings) / SERVE_LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600
    )
    try:
        while not _take(handle):
            holder = int(os.pread(handle, 20, 0) or b"0")
            if Path(f"/proc/{holder}").exists() or time.monotonic() > deadline:
                raise Busy(f"process {holder} serves this archive")
            time.sleep(_LOOK_S)
        os.truncate(handle, 0)
        os.pwrite(handle, str(os.getpid()).encode(), 0)
        yield handle
    finally:
        os.close(handle)


def _take(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def notes_folder(settings: Settings) -> Path:
    """Name the folder of the notes, in the object store (:mod:`service.upkeep.decisions`)."""
    return settings.store.path / NOTES


def run_folder(settings: Settings) -> Path:
    """Make and give the folder of what lives only while the archive runs."""
    folder = settings.home / RUN
    make_folder(folder)
    return folder


def init(
    path: Path, overrides: Overrides | None = None, root: RootSecret | None = None
) -> Initialised:
    """Make an empty archive in a folder: keyring, index, journal, object store.

    The keyring is sealed by ``root``, else by what the settings name, else by a new key file.

    Raises:
        Conflict: there is an archive already.
        SettingsError: the settings are wrong.
        Fault: something of it cannot be made.
    """
    settings = load(path, overrides)
    if (settings.home / KEYRING).exists():
        raise Conflict(f"{settings.home} holds an archive already")
    for folder in (settings.home, settings.store.path, settings.receive.journal_path):
        make_folder(folder)
    run_folder(settings)
    if not (settings.home / FILE_NAME).exists():
        write_atomically(settings.home / FILE_NAME, _SETTINGS_TEMPLATE.encode())
    root_key = _make_root_key(settings) if root is None else None
    index = Index.open(index_url(settings), Policy.of(settings), create=True)
    keys = KeyStore.create(settings.home / KEYRING, root or root_secret(settings))
    key_id = keys.keyring.active.key_id
    index.trail.append("archive initialised", {"key": key_id.hex()})
    drop_anchor(index.trail, keys, settings.store.path)
    index.close()
    return Initialised(settings.home, key_id, root_key)


def _make_root_key(settings: Settings) -> Path | None:
    """Make the root key where the settings name none; it is found there by :func:`root_secret`."""
    if settings.keys.passphrase_file or settings.keys.key_file or settings.vault.address:
        return None
    path = settings.home / ROOT_KEY
    if not path.exists():
        KeyFile.create(path)
    return path
