"""The disk's part: who may read what the archive holds, and how much room is left."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from config.settings import FILE_NAME
from service.home import INDEX, Home
from service.upkeep.doctor.finding import Finding
from service.upkeep.doctor.secrets import others_may

_LEAST_FREE: Final = 0.05
"""Share of the objects' disk that should be free: file systems slow down when fuller, and ordering
a disk takes longer than filling the rest."""
_RESERVES: Final = 4
"""Times ``receive.min_free_bytes`` that should be free for the journal: at the first, senders are
refused already."""


def weaknesses(home: Home) -> Iterator[Finding]:
    """Name files that others may read, and disks that are nearly full."""
    yield from _readable(home)
    yield from _room(home)
    if home.settings.log.phi:
        detail = "log.phi lets patients' data into the logs"
        yield Finding("patients-in-logs", detail, "set log.phi = false")


def _readable(home: Home) -> Iterator[Finding]:
    if not others_may(home.path):
        return  # A closed folder closes what is in it.
    yield Finding("folder-readable", f"others may look into {home.path}", f"chmod 700 {home.path}")
    names = (INDEX, f"{INDEX}-wal", f"{INDEX}-shm", FILE_NAME)
    for path in (*(home.path / name for name in names), home.journal, home.settings.store.path):
        if others_may(path):
            detail = f"others may read {path}"
            yield Finding("file-readable", detail, f"chmod {_closed(path)} {path}")


def _closed(path: Path) -> str:
    return "700" if path.is_dir() else "600"


def _room(home: Home) -> Iterator[Finding]:
    least = home.settings.receive.min_free_bytes
    if not least:
        detail = "receive.min_free_bytes is 0: a full disk stops the workers, not the senders"
        yield Finding("no-reserve", detail, "give it a value above 0")
    free = shutil.disk_usage(home.journal).free
    if free < _RESERVES * least:
        detail = f"{free >> 20} MiB are free for the journal; at {least >> 20} senders are refused"
        yield Finding("journal-nearly-full", detail, "make room")
    disk = shutil.disk_usage(home.settings.store.path)
    if disk.free < _LEAST_FREE * disk.total:
        detail = f"{disk.free / disk.total:.1%} of the objects' disk are free"
        yield Finding("store-nearly-full", detail, "make room")
    if not os.access(home.settings.store.path, os.W_OK):
        yield Finding("store-read-only", "objects cannot be written", "look at the mount")
