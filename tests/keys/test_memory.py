"""Keys in memory: locked, left out of dumps, gone when nobody refers to them."""

from __future__ import annotations

import gc
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from service.keys import KeyFile, KeyStore
from service.keys.memory import locked

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="what Linux allows is promised")


def _run(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


def _locked_kib() -> int:
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmLck:")[1].split()[0])


def _flags_of(address: int) -> str:
    """Give the flags of the mapping that an address lies in (proc(5), VmFlags of smaps)."""
    inside = False
    for line in Path("/proc/self/smaps").read_text().splitlines():
        first = line.split()[0]
        if "-" in first and not first.endswith(":"):
            start, _, end = first.partition("-")
            inside = int(start, 16) <= address < int(end, 16)
        elif inside and line.startswith("VmFlags:"):
            return line
    raise AssertionError("no such mapping")


def test_secrets_are_locked_and_left_out_of_dumps() -> None:
    one, empty, other = locked([b"\1" * 32, b"", b"\2" * 32])
    assert [bytes(view) for view in (one, empty, other)] == [b"\1" * 32, b"", b"\2" * 32]
    assert one.readonly
    flags = _flags_of(np.frombuffer(one, np.uint8).ctypes.data).split()
    assert "lo" in flags
    assert "dd" in flags


def test_locked_memory_is_given_back() -> None:
    gc.collect()
    before = _locked_kib()
    held = [locked([bytes(32)]) for _ in range(10)]
    assert _locked_kib() == before + 40
    del held
    gc.collect()
    assert _locked_kib() == before


def test_the_keys_of_a_keyring_lie_there(tmp_path: Path) -> None:
    store = KeyStore.create(tmp_path / "keyring.json", KeyFile.create(tmp_path / "root.key"))
    store.rotate()
    for key in store.keyring.keys:
        assert "lo" in _flags_of(np.frombuffer(key.secret, np.uint8).ctypes.data).split()


def test_without_leave_to_lock_it_goes_on_and_says_so() -> None:
    told = _run(
        "from service import logs; from service.keys.memory import locked; logs.configure();"
        "import os, resource; resource.setrlimit(resource.RLIMIT_MEMLOCK, (0, 0));"
        "os.setuid(65534) if os.getuid() == 0 else None;"
        "print(locked([b'ab'])[0] == b'ab', locked([b'c']))"
    )
    assert "True" in told
    assert told.count("RLIMIT_MEMLOCK") == 1


def test_a_shielded_process_leaves_no_core_and_cannot_be_traced() -> None:
    told = _run(
        "from service.keys.memory import shield; shield(); import ctypes, resource;"
        "print(ctypes.CDLL(None).prctl(3, 0, 0, 0, 0), resource.getrlimit(resource.RLIMIT_CORE))"
    )
    assert told == "0 (0, 0)\n"
