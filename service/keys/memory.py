"""Keeping keys out of swap space and core dumps, as far as Linux and Python allow.

What is promised: the keys of the keyring, for as long as a process has them, lie in pages that are
locked in memory (mlock) and left out of dumps (MADV_DONTDUMP); no process of the archive can be
dumped or traced by another of the same user (PR_SET_DUMPABLE), nor leaves a core file.

What is not: Python cannot wipe what it has copied. While a keyring is read, while a passphrase is
stretched and while the key of one file is derived, copies lie in ordinary memory, which is used
again but not cleared, and could be swapped. Use encrypted swap, or none; and whoever is root on a
running machine has its keys.
"""

from __future__ import annotations

import ctypes
import mmap
import resource
import sys
from collections.abc import Sequence
from functools import cache
from itertools import accumulate
from typing import Any, Final

import structlog

_PR_SET_DUMPABLE: Final = 4
"""Option of prctl(2)."""

_log = structlog.get_logger()


def locked(secrets: Sequence[bytes]) -> list[memoryview]:
    """Copy secrets to locked memory, given back when nobody refers to any of them any more.

    Where the limit of locked memory (RLIMIT_MEMLOCK) is reached they are not locked, and the log
    says so, once; 64 KiB, the least usual limit, hold 2048 keys.
    """
    content = b"".join(secrets)
    if not content:
        return [memoryview(b"") for _ in secrets]
    pages = mmap.mmap(-1, len(content), flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    if hasattr(mmap, "MADV_DONTDUMP"):
        pages.madvise(mmap.MADV_DONTDUMP)
    _lock(pages, len(content))
    pages.write(content)
    view = memoryview(pages).toreadonly()
    ends = list(accumulate(map(len, secrets)))
    return [view[end - len(secret) : end] for secret, end in zip(secrets, ends, strict=True)]


def shield() -> None:
    """Forbid dumps of this process, and of those it forks or starts; called before any key is read.

    A fresh interpreter can be dumped again until it says the same.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    libc = _libc()
    if libc is not None and libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0) != 0:
        _log.warning("this process can be dumped", count=ctypes.get_errno())


def _lock(pages: mmap.mmap, length: int) -> None:
    libc = _libc()
    if libc is None:
        return
    start = ctypes.addressof(ctypes.c_char.from_buffer(pages))
    if libc.mlock(ctypes.c_void_p(start), ctypes.c_size_t(length)) != 0:
        _warn_unlocked()


@cache
def _warn_unlocked() -> None:
    _log.warning("keys may be swapped: the limit of locked memory (RLIMIT_MEMLOCK) is reached")


@cache
def _libc() -> Any:
    """Give the C library of a Linux, or None."""
    return ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None
