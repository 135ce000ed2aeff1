"""What tests do to each process that has this folder on Python's path (see failing.py).

Python imports a module of this name before anything else; production has none. The processes of a
service inherit the environment that it reads: which failpoint kills, and where is told which of the
C library's calls are to fail, SQLite's included, by libfiu.
"""

from __future__ import annotations

import ctypes
import fcntl
import json
import os
import signal
import threading
import time
from pathlib import Path

from service.failpoints import Step, arm

FAILPOINT = "ARMED_FAILPOINT"
FAILING_CALLS = "FAILING_CALLS"
CRASHING_IMAGE = "CRASHING_IMAGE"
CLOCK = "CLOCK"
_LOOK_S = 0.05


def _arrivals(path: Path) -> int:
    """Count an arrival of any process at the step; give how many there were."""
    with path.open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.write(b".")
        file.flush()
        return file.tell()


def _arm(step: str, nth: int, kills: str, arrivals: Path) -> None:
    started = os.getpid()

    def reached(at: Step) -> None:
        if at != step or not arrivals.exists() or _arrivals(arrivals) != nth:
            return
        supervised = os.getpid() != started or _is_worker()
        if kills == "service" and supervised:
            os.kill(os.getppid(), signal.SIGKILL)
        os.kill(os.getpid(), signal.SIGKILL)

    arm(reached)


def _runs(module: bytes) -> bool:
    return module in Path("/proc/self/cmdline").read_bytes().split(b"\0")


def _is_worker() -> bool:
    """Whether this is one: a fresh interpreter, where all else of a service is forked."""
    return _runs(b"service.processes.work")


def _crash_over(marked: bytes) -> None:
    """Let the decoders read where no memory is, once they come to an image with that mark."""
    from dicom import transcode

    decode = transcode.to_uncompressed

    def crash(dataset: bytes, source: str, target: str) -> bytes:
        if marked in dataset:
            ctypes.string_at(0)
        return decode(dataset, source, target)

    transcode.to_uncompressed = crash  # type: ignore[assignment]


def _fail_calls(path: Path) -> None:
    """Let calls fail as the file says at each moment, for as long as the process lives."""
    fiu = ctypes.CDLL("libfiu.so.0")
    fiu.fiu_enable_random.argtypes = (
        ctypes.c_char_p, ctypes.c_int, ctypes.c_void_p, ctypes.c_uint, ctypes.c_float,
    )  # fmt: skip
    active: dict[str, float] = {}
    while True:
        time.sleep(_LOOK_S)
        try:
            wanted = json.loads(path.read_text())
        except (OSError, ValueError):
            continue  # It is being written, or its reading is what fails.
        if wanted["calls"] == active:
            continue
        for name in active:
            fiu.fiu_disable(name.encode())
        for name, probability in wanted["calls"].items():
            fiu.fiu_enable_random(name.encode(), 1, wanted["errno"], 0, probability)
        active = wanted["calls"]


def _watch(path: Path) -> None:
    threading.Thread(target=_fail_calls, args=(path,), daemon=True).start()


def _set_clock(path: Path) -> None:
    """Let the UTC clock stand as many nanoseconds off as the file says at each moment."""
    right = time.time_ns
    time.time_ns = lambda: right() + int(path.read_text())
    time.time = lambda: time.time_ns() / 1e9


if FAILPOINT in os.environ:
    told = json.loads(os.environ[FAILPOINT])
    _arm(told["step"], told["nth"], told["kills"], Path(told["arrivals"]))
if CRASHING_IMAGE in os.environ and _runs(b"service.processes.transcoder"):
    _crash_over(os.environ[CRASHING_IMAGE].encode())
if CLOCK in os.environ:
    _set_clock(Path(os.environ[CLOCK]))
if FAILING_CALLS in os.environ:
    calls = Path(os.environ[FAILING_CALLS])
    if _is_worker():
        _watch(calls)
    else:
        # The supervisor itself must have no thread when it forks, and does no input or output.
        os.register_at_fork(after_in_child=lambda: _watch(calls))
