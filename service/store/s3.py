"""Objects in a bucket of an S3-compatible service: ``PREFIX/objects/abcd….dcm``, by object id.

A draft is written to an unnamed file on this machine and uploaded when it is published: S3 shows an
object whole or not at all, so nothing half-written is ever seen, and a crash leaves nothing to
sweep. What the service acknowledged is durable as far as the service's own promise goes (Amazon S3
user guide, "Data protection": written to several zones before the answer). A multipart upload that
a crash interrupts leaves hidden parts: set the bucket a rule that removes them.
"""

from __future__ import annotations

import errno
import io
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import BinaryIO, Final, cast

import obstore
from obstore.exceptions import BaseError
from obstore.store import S3Store as Bucket

from service.errors import Conflict, Fault, Missing, OutOfSpace, StoreFault
from service.records import ID_BYTES
from service.sealing.note import SUFFIX as NOTE_SUFFIX

_FOLDER: Final = "objects"
_SUFFIX: Final = ".dcm"
_NOTES: Final = "notes"
_PART_BYTES: Final = 16 << 20
"""Of a multipart upload: S3 takes at most 10,000 parts, so objects up to 160 GB."""
_PARTS_AT_ONCE: Final = 4
_READ_BYTES: Final = 1 << 20
"""Least that is asked for at a time: a request costs some 20 to 200 ms, a MiB as much again."""
_RETRIES: Final = 2
"""Of one request, within its time limit: what outlasts that is for the queue to try again."""


@dataclass(frozen=True, slots=True)
class S3Place:
    """A bucket and how to reach it."""

    bucket: str
    prefix: str = ""
    """Before every key; no slash at its ends."""
    endpoint: str | None = None
    """URL of the service, for others than Amazon's; ``http:`` is taken as said."""
    region: str | None = None
    access_key_id: str | None = None
    secret_access_key: str | None = None
    """Both None: from the environment or the machine's role, as Amazon's SDKs find them."""
    timeout_s: float = 30.0
    """Of one request."""


def open_bucket(place: S3Place) -> Bucket:
    """Prepare requests to a bucket; none is made yet."""
    given = {
        "region": place.region,
        "endpoint": place.endpoint,
        "access_key_id": place.access_key_id,
        "secret_access_key": place.secret_access_key,
    }
    return Bucket(
        place.bucket,
        prefix=place.prefix or None,
        config={name: value for name, value in given.items() if value},  # type: ignore[arg-type]
        checksum_algorithm="sha256",
        client_options={
            "allow_http": (place.endpoint or "").startswith("http:"),
            "timeout": timedelta(seconds=place.timeout_s),
        },
        retry_config={
            "max_retries": _RETRIES,
            "retry_timeout": timedelta(seconds=place.timeout_s),
        },
    )


class S3Draft:
    """A draft on this machine's disk; see :class:`service.store.Draft`."""

    def __init__(self, file: BinaryIO, store: S3Store, object_id: bytes) -> None:
        self.file = file
        self._store = store
        self._object_id = object_id

    def publish(self, *, replace: bool = False) -> None:
        """Upload the content; the service compares its SHA-256.

        That another object of the id exists is looked up first, not prevented: ids are random.
        """
        if not replace and self._store.exists(self._object_id):
            raise Conflict(f"object {self._object_id.hex()} exists already")
        self.file.seek(0)
        with faults(f"object {self._object_id.hex()}"):
            self._store.upload(self._object_id, self.file)


class S3Store:
    """The objects of one bucket under one prefix.

    Args:
        bucket: as :func:`open_bucket` gives it.
        spool: a folder with room for drafts; nothing in it gets a name.
    """

    def __init__(self, bucket: Bucket, spool: Path) -> None:
        self._bucket = bucket
        self._spool = spool

    @contextmanager
    def draft(self, object_id: bytes) -> Iterator[S3Draft]:
        """Begin to write an object."""
        with _unnamed(self._spool) as file:
            yield S3Draft(file, self, object_id)

    def upload(self, object_id: bytes, file: BinaryIO) -> None:
        """Put the rest of a file under an id, in place of what is there."""
        obstore.put(
            self._bucket,
            _key(object_id),
            file,
            chunk_size=_PART_BYTES,
            max_concurrency=_PARTS_AT_ONCE,
        )

    def open(self, object_id: bytes) -> BinaryIO:
        """Open an object for reading: parts of it are fetched as they are read."""
        raw = _Ranges(self._bucket, object_id, self.size(object_id))
        return cast(BinaryIO, io.BufferedReader(raw, _READ_BYTES))

    def exists(self, object_id: bytes) -> bool:
        """Whether there is such an object."""
        try:
            self.size(object_id)
        except Missing:
            return False
        return True

    def size(self, object_id: bytes) -> int:
        """Bytes of the object."""
        with faults(f"object {object_id.hex()}", absent=Missing):
            return obstore.head(self._bucket, _key(object_id))["size"]

    def ids(self) -> Iterator[bytes]:
        """Name every object, in ascending order: S3 lists keys in the order of their bytes."""
        return _listed(self._bucket, _FOLDER, _SUFFIX)

    def remove(self, object_id: bytes) -> None:
        """Remove an object durably."""
        with faults(f"object {object_id.hex()}"):
            obstore.delete(self._bucket, _key(object_id))

    def interrupted(self) -> list[bytes]:
        """Name none: this store is a second one, and the first knows whose writers were cut off."""
        return []

    def sweep(self) -> int:
        """Remove nothing: drafts have no names."""
        return 0


class S3Notes:
    """The notes of one bucket under one prefix; see :class:`service.store.notes.NoteStore`."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket

    def ids(self) -> Iterator[bytes]:
        """Name every note, in ascending order."""
        return _listed(self._bucket, _NOTES, NOTE_SUFFIX)

    def read(self, note_id: bytes) -> bytes:
        """Give the sealed bytes of a note."""
        with faults(f"note {note_id.hex()}", absent=Missing):
            return bytes(obstore.get(self._bucket, _note_key(note_id)).bytes())

    def write(self, note_id: bytes, sealed: bytes) -> None:
        """Keep a note durably."""
        with faults(f"note {note_id.hex()}"):
            obstore.put(self._bucket, _note_key(note_id), sealed)

    def remove(self, note_id: bytes) -> None:
        """Remove a note durably."""
        with faults(f"note {note_id.hex()}"):
            obstore.delete(self._bucket, _note_key(note_id))


class _Ranges(io.RawIOBase):
    """An object as a file: each read is one request for a range."""

    def __init__(self, bucket: Bucket, object_id: bytes, size: int) -> None:
        super().__init__()
        self._bucket = bucket
        self._object_id = object_id
        self._size = size
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = max(0, start + offset)
        return self._at

    def readall(self) -> bytes:
        rest = bytearray(self._size - self._at)
        del rest[self.readinto(memoryview(rest)) :]
        return bytes(rest)

    def readinto(self, target: memoryview) -> int:  # type: ignore[override]
        length = min(len(target), self._size - self._at)
        if length <= 0:
            return 0
        with faults(f"object {self._object_id.hex()}", absent=Missing):
            key = _key(self._object_id)
            read = obstore.get_range(self._bucket, key, start=self._at, length=length)
        target[: len(read)] = memoryview(read)
        self._at += len(read)
        return len(read)


def _unnamed(folder: Path) -> BinaryIO:
    with faults("a draft"):
        return cast(BinaryIO, tempfile.TemporaryFile(dir=folder))


def _key(object_id: bytes) -> str:
    if len(object_id) != ID_BYTES:
        raise ValueError("an object id has 16 bytes")
    return f"{_FOLDER}/{object_id.hex()}{_SUFFIX}"


def _note_key(note_id: bytes) -> str:
    return f"{_NOTES}/{note_id.hex()}{NOTE_SUFFIX}"


def _listed(bucket: Bucket, folder: str, suffix: str) -> Iterator[bytes]:
    with faults(folder):
        for page in obstore.list(bucket, folder):
            for listed in page:
                stem, dot, _ = listed["path"].rpartition("/")[2].partition(suffix)
                if dot and len(stem) == 2 * ID_BYTES:
                    yield bytes.fromhex(stem)


@contextmanager
def faults(name: str, absent: type[Fault] = StoreFault) -> Iterator[None]:
    """Tell the library's faults as ours; of several lines, the first says what."""
    try:
        yield
    except FileNotFoundError as fault:
        raise absent(f"there is no {name}") from fault
    except OSError as fault:
        kind = OutOfSpace if fault.errno == errno.ENOSPC else StoreFault
        raise kind(f"{name}: {fault.strerror or _first_line(fault)}") from fault
    except BaseError as fault:
        raise StoreFault(f"{name}: {_first_line(fault)}") from fault


def _first_line(fault: Exception) -> str:
    return str(fault).partition("\n")[0]
