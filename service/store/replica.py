"""The replica: a second store of all objects and notes, a folder or a bucket.

It is opened when it is first needed, so that an archive whose replica is away goes on: what it
misses waits in the index (:mod:`service.index.replication`).
"""

from __future__ import annotations

import configparser
import shutil
from functools import cached_property
from pathlib import Path
from typing import Final

import structlog

from config.schema import Replica as ReplicaSettings
from service.errors import Conflict, IoFault, KeyringFault, StoreFault
from service.index.replication import Kind, Removal, Replication
from service.keys.sources import read_secret
from service.store import LocalStore, ObjectStore
from service.store.notes import LocalNotes, NoteStore

_COPY_BYTES: Final = 1 << 20
_OTHERS: Final = 0o077
"""Bits of a mode that let others in."""

_log = structlog.get_logger()


class Replica:
    """The second store of one archive. Safe to use from several threads and processes.

    Args:
        settings: where it is.
        spool: a folder with room for drafts on their way to a bucket.
        queue: what it lacks, and what is to leave it.
    """

    def __init__(self, settings: ReplicaSettings, spool: Path, queue: Replication) -> None:
        self._settings = settings
        self._spool = spool
        self.queue = queue

    @property
    def is_sync(self) -> bool:
        """Whether an object must be in it before its journal entry goes."""
        return self._settings.mode == "sync"

    @property
    def objects(self) -> ObjectStore:
        """Its objects.

        Raises:
            StoreFault: it cannot be reached; it may be away for now.
        """
        self._require_folder()
        return self._opened[0]

    @property
    def notes(self) -> NoteStore:
        """Its notes; raises as :attr:`objects`."""
        self._require_folder()
        return self._opened[1]

    def put(self, object_id: bytes, store: ObjectStore) -> None:
        """Copy an object from the first store, in place of what is there.

        Raises:
            Missing: the first store does not have it.
            StoreFault, OutOfSpace: it is not in the replica.
        """
        copy(object_id, store, self.objects)

    def ask_removal(self, kind: Kind, file_id: bytes) -> None:
        """Remember durably, before it leaves the first store, that a file is to leave this one."""
        self.queue.remove(Removal(kind, file_id))

    def remove(self, kind: Kind, file_id: bytes) -> None:
        """Remove a file that was asked to leave.

        Raises:
            StoreFault: it may still be there; it stays in the queue.
        """
        store = self.objects if kind is Kind.OBJECT else self.notes
        store.remove(file_id)
        self.queue.removed(Removal(kind, file_id))

    def try_removal(self, kind: Kind, file_id: bytes) -> None:
        """Remove a file that was asked to leave, now, or later by the queue."""
        try:
            self.remove(kind, file_id)
        except IoFault as fault:
            _log.warning("removal waits for the replica", kind=kind.value, exc_info=fault)

    def _require_folder(self) -> None:
        """Look again each time: on a disk that is away, nothing is there and all seems removed."""
        path = self._settings.path
        if path is None:
            return
        if not path.is_dir():
            raise StoreFault("there is no folder for the replica")
        if not any(path.iterdir()) and not self.queue.is_new():
            raise StoreFault("the replica's folder is empty: is its disk mounted?")

    @cached_property
    def _opened(self) -> tuple[ObjectStore, NoteStore]:
        if self._settings.path is not None:
            path = self._settings.path
            return LocalStore(path), LocalNotes(path / "notes")
        return _bucket(self._settings, self._spool)


def copy(object_id: bytes, source: ObjectStore, target: ObjectStore) -> None:
    """Copy the sealed bytes of an object, in place of what is there.

    Raises:
        Missing: the source does not have it.
        StoreFault, OutOfSpace: the target has not got it.
    """
    with source.open(object_id) as file, target.draft(object_id) as draft:
        try:
            shutil.copyfileobj(file, draft.file, _COPY_BYTES)
        except OSError as fault:
            raise StoreFault(f"object {object_id.hex()}: {fault.strerror}") from fault
        draft.publish(replace=True)


def _bucket(settings: ReplicaSettings, spool: Path) -> tuple[ObjectStore, NoteStore]:
    # Only here: processes without a bucket need not load the library.
    from service.store.s3 import S3Notes, S3Place, S3Store, open_bucket

    key, secret = _credentials(settings.credentials_file)
    bucket = open_bucket(
        S3Place(
            bucket=settings.bucket,
            prefix=settings.prefix,
            endpoint=settings.endpoint or None,
            region=settings.region or None,
            access_key_id=key,
            secret_access_key=secret,
            timeout_s=settings.timeout_s,
        )
    )
    return S3Store(bucket, spool), S3Notes(bucket)


def _credentials(path: Path | None) -> tuple[str | None, str | None]:
    """Read the first profile of a file as Amazon's tools write it."""
    if path is None:
        return None, None
    parser = configparser.ConfigParser(interpolation=None, default_section="")
    try:
        parser.read_string(read_secret(path, _OTHERS).decode())
        profile = parser[parser.sections()[0]]
        return profile["aws_access_key_id"], profile["aws_secret_access_key"]
    except KeyringFault as fault:
        raise StoreFault(f"the replica's credentials: {fault}") from fault
    except (configparser.Error, UnicodeDecodeError, IndexError, KeyError):
        raise Conflict(f"{path} holds no credentials") from None
