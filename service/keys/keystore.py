"""keyring.json on disk, and the view of it that every process keeps.

The order of a rotation is what makes it safe (docs/architecture.md, invariant 4): the new key
goes into the synced keyring as decrypt-only; the keyring is read back from the disk, copied to the
backup where one is set, and a test object is sealed and opened with what was read; only then, in a
second synced write, does the key become active.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import structlog
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from service.errors import Conflict, KeyringFault, WrongKey, WrongSecret
from service.failpoints import failpoint
from service.files import write_atomically
from service.keys.backups import KeyringBackups, remove_partial
from service.keys.derivation import Purpose, SealingKey
from service.keys.keyring import ArchiveKey, Keyring, KeyState
from service.keys.keyring_file import read_keyring, seal_keyring
from service.keys.sources import RootSecret
from service.records import ID_BYTES

_LOOK_AGAIN_S = 5.0
"""Seconds between attempts to open a keyring that cannot be; as many more for each second that an
attempt took. A scrypt takes 0.2 s, a Vault that does not answer 16 s, in which others wait."""

_log = structlog.get_logger()


class Keys(Protocol):
    """What sealing and opening ask of a keyring."""

    @property
    def keyring(self) -> Keyring:
        """The keys as they are now."""


class KeyStore:
    """The keyring of one archive. Safe to share between threads.

    Each access looks at keyring.json's identity (one ``stat``) and reads it again when another
    process has replaced it, so that a running service follows ``keys rotate``. While one cannot be
    read, since a root secret unknown here has sealed it or Vault does not answer, what was read
    before goes on opening, and seals nothing: its active key may have been retired by now.
    """

    def __init__(self, path: Path, root: RootSecret) -> None:
        self._path = path
        self._root = root
        self._lock = threading.Lock()
        self._seen: tuple[int, ...] = ()
        self._keyring: Keyring | None = None
        self._look_again = 0.0

    @classmethod
    def create(cls, path: Path, root: RootSecret) -> KeyStore:
        """Write a keyring with one new active key.

        Raises:
            Conflict: a keyring exists there already.
            KeyringFault: it cannot be written.
        """
        if path.exists():
            raise Conflict(f"{path} exists already")
        store = cls(path, root)
        with store._exclusive():
            store._save(Keyring((ArchiveKey.generate(_now(), KeyState.ACTIVE),)), root)
        _prove(store.keyring.active)
        return store

    @property
    def keyring(self) -> Keyring:
        """The keys as the file has them now.

        Raises:
            KeyringFault: the file cannot be read.
            WrongSecret: the root secret does not open it.
        """
        with self._lock:
            changed = self._identity() != self._seen
            if self._keyring is None or (changed and time.monotonic() >= self._look_again):
                self._keyring = self._follow(self._keyring)
            return self._keyring

    def open(self) -> None:
        """Open the keyring now and not when it is first needed, by when it may be rewrapped.

        Raises:
            KeyringFault, WrongSecret: as :attr:`keyring`.
        """
        _ = self.keyring

    def _follow(self, before: Keyring | None) -> Keyring:
        begun = time.monotonic()
        try:
            return self._load()
        except (WrongSecret, KeyringFault) as fault:
            if before is None:
                raise
            _log.critical("keyring changed and cannot be read, nothing is sealed", exc_info=fault)
            ended = time.monotonic()
            self._look_again = ended + _LOOK_AGAIN_S * (1 + ended - begun)
            return before.opening()

    def rotate(self, backups: KeyringBackups | None = None) -> ArchiveKey:
        """Make a new active key; the one before it only opens from now on.

        Returns:
            The new key, after it is durable, backed up where there are backups, and has opened a
            test object.
        """
        with self._exclusive():
            key = ArchiveKey.generate(_now())
            self._save(self._reread().with_key(key), self._root)
            failpoint("key.added")
            _prove(self._reread().get(key.key_id))
            failpoint("key.proven")
            activated = self.keyring.activated(key.key_id)
            if backups is not None:
                # As it will be: one that is restored must not seal under the key before.
                self._keep(backups, seal_keyring(activated, self._root), activated)
            self._save(activated, self._root)
            failpoint("key.activated")
            return self._reread().active

    def retire(self, key_id: bytes, backups: KeyringBackups | None = None) -> None:
        """Destroy a key. That nothing needs it any more is for the caller to have counted.

        Raises:
            KeyNeeded: it is the active key.
            WrongKey: it is unknown or retired already.
        """
        with self._exclusive():
            sealed = self._save(self._reread().retired(key_id), self._root)
            failpoint("key.retired")
            kept = self._reread()
            if backups is not None:
                self._keep(backups, sealed, kept)

    def holding(self, key_id: bytes, backups: KeyringBackups) -> list[Path]:
        """Name the versions among the backups that hold a key, or may: each costs an opening."""
        return list(backups.holding(key_id, self._root))

    def rewrap(self, root: RootSecret, backups: KeyringBackups | None = None) -> None:
        """Seal the keyring by another root secret. Old copies stay open to the old one."""
        with self._exclusive():
            keyring = self._reread()
            sealed = self._save(keyring, root)
            self._root = root
            if self._reread() != keyring:
                raise KeyringFault("the keyring read back differs from the one written")
            if backups is not None:
                self._keep(backups, sealed, keyring)

    def backup(self, path: Path) -> None:
        """Copy the sealed keyring, and open the copy.

        Raises:
            KeyringFault: the copy cannot be written or read back.
        """
        try:
            write_atomically(path, self._path.read_bytes())
        except OSError as fault:
            raise KeyringFault(f"cannot back up the keyring to {path}: {fault.strerror}") from fault
        self._compare(path, self.keyring)

    def _keep(self, backups: KeyringBackups, sealed: bytes, keyring: Keyring) -> None:
        self._compare(backups.add(sealed), keyring)

    def _compare(self, path: Path, keyring: Keyring) -> None:
        if read_keyring(path, self._root) != keyring:
            raise KeyringFault(f"the keyring backed up to {path} reads back differently")

    def _identity(self) -> tuple[int, ...]:
        try:
            facts = self._path.stat()
        except OSError as fault:
            raise KeyringFault(f"cannot find {self._path}: {fault.strerror}") from fault
        return facts.st_dev, facts.st_ino, facts.st_mtime_ns, facts.st_size

    def _reread(self) -> Keyring:
        """Read the file as it is now, or fail: what is written next must not lose a change."""
        with self._lock:
            self._keyring = self._load()
            return self._keyring

    def _load(self) -> Keyring:
        identity = self._identity()
        keyring = read_keyring(self._path, self._root)
        self._seen = identity
        return keyring

    def _save(self, keyring: Keyring, root: RootSecret) -> bytes:
        sealed = seal_keyring(keyring, root)
        try:
            write_atomically(self._path, sealed)
        except OSError as fault:
            raise KeyringFault(f"cannot write {self._path}: {fault.strerror}") from fault
        return sealed

    @contextmanager
    def _exclusive(self) -> Iterator[None]:
        """Hold the right to change the keyring, against other processes and threads."""
        lock = self._path.with_name(self._path.name + ".lock")
        try:
            handle = os.open(lock, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as fault:
            raise KeyringFault(f"cannot lock {self._path}: {fault.strerror}") from fault
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            remove_partial(self._path.parent, self._path.name)
            yield
        finally:
            os.close(handle)


def _prove(key: ArchiveKey) -> None:
    """Seal and open a test object under a key, as read back from the disk."""
    name, nonce, text = secrets.token_bytes(ID_BYTES), bytes(12), b"radiolith test object"
    sealing = SealingKey.fresh(key.key_id, key.secret, Purpose.OBJECT, name)
    sealed = AESGCM(sealing.secret).encrypt(nonce, text, None)
    again = SealingKey.derive(key.key_id, key.secret, sealing.salt, Purpose.OBJECT, name)
    again.confirm(sealing.check)
    try:
        opened = AESGCM(again.secret).decrypt(nonce, sealed, None)
    except InvalidTag as fault:
        raise WrongKey(f"key {key.key_id.hex()} did not open its test object") from fault
    if opened != text:
        raise WrongKey(f"key {key.key_id.hex()} opened its test object to something else")


def _now() -> int:
    return time.time_ns() // 1000
