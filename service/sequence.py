"""The archive's receive sequence: a number for each reception, larger than all before it.

Conflicts between receptions are settled by it (docs/architecture.md), so it has to grow across
processes, restarts and clocks that are set back. It is the UTC clock in microseconds wherever that
is ahead of the last number given out, so a lost file costs nothing while the clock is right; the
index seeds it at start (:meth:`ReceiveSequence.seed`) for when it is not.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Final

_NUMBER_BYTES: Final = 8


def utc_now() -> int:
    """Give the time as every record keeps it: microseconds since 1970-01-01 UTC."""
    return time.time_ns() // 1000


class ReceiveSequence:
    """Gives out the numbers. One instance for each process: open it after a fork, not before.

    The last number lives in a file of 8 bytes, little endian, guarded by ``flock`` against other
    processes and by a lock against other threads of this one.
    """

    def __init__(self, path: Path) -> None:
        self._lock = Lock()
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def next(self) -> int:
        """Give the next number: the clock's, or one more than the last where that is larger."""
        with self._exclusive():
            number = max(utc_now(), self._last() + 1)
            self._set(number)
            return number

    def seed(self, last: int) -> None:
        """Make every later number larger than ``last``."""
        with self._exclusive():
            self._set(max(last, self._last()))

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)

    @contextmanager
    def _exclusive(self) -> Iterator[None]:
        with self._lock:
            fcntl.flock(self._file, fcntl.LOCK_EX)
            try:
                yield
            finally:
                fcntl.flock(self._file, fcntl.LOCK_UN)

    def _last(self) -> int:
        return int.from_bytes(os.pread(self._file, _NUMBER_BYTES, 0), "little")

    def _set(self, number: int) -> None:
        os.pwrite(self._file, number.to_bytes(_NUMBER_BYTES, "little"), 0)
