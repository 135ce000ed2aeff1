"""Arms one failpoint in each process that has this folder on Python's path (see failing.py).

Python imports a module of this name before anything else. The processes of a service inherit the
environment that it reads, so that whichever comes to the step first acts; production has no such
module.
"""

from __future__ import annotations

import fcntl
import json
import os
import signal
from pathlib import Path

from service.failpoints import Step, arm

VARIABLE = "ARMED_FAILPOINT"


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


def _is_worker() -> bool:
    """Whether this is one: a fresh interpreter, where all else of a service is forked."""
    return b"service.processes.work" in Path("/proc/self/cmdline").read_bytes()


if VARIABLE in os.environ:
    told = json.loads(os.environ[VARIABLE])
    _arm(told["step"], told["nth"], told["kills"], Path(told["arrivals"]))
