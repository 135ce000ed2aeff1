"""Fuzz one target in this process without coverage: ``python -m tests.fuzz.blind NAME FLAG ...``.

For what cannot be instrumented, as compiled kernels: without coverage libFuzzer would drop all
seeds but the smallest. Takes the flags of libFuzzer that :mod:`tests.fuzz` gives, and counts as it
does. The case at hand is in a file, where it stays if it ends the process.
"""

from __future__ import annotations

import faulthandler
import random
import resource
import sys
import time
import warnings
from pathlib import Path

from tests.fuzz.targets import ALL, saved


def mutated(case: bytes, draw: random.Random) -> bytes:
    """Change some bytes, cut or repeat a piece: most of a structure stays, and is walked."""
    data = bytearray(case)
    for _ in range(draw.randint(1, 4)):
        place = draw.randrange(len(data) + 1)
        length = draw.choice((1, 1, 2, 4, 16))
        new = draw.choice((draw.randbytes(length), b"\xff" * length, bytes(length), b""))
        data[place : place + draw.choice((0, length))] = new
    return bytes(data)


def _limit_memory(room_mb: int) -> None:
    """Allow so much more than what the libraries and models have by now."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + (room_mb << 20)
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def main(name: str, flags: dict[str, str]) -> None:
    """Run mutated cases until their number or the time is reached."""
    target, draw = ALL[name], random.Random()
    cases = saved(target)
    for case in cases:
        target.run(case)
    _limit_memory(int(flags["malloc_limit_mb"]))
    at_hand, end = (
        Path(flags["artifact_prefix"] + "case"),
        time.time() + int(flags["max_total_time"]),
    )
    done = 0
    with at_hand.open("w+b", buffering=0) as file:
        while done < int(flags["runs"]) and time.time() < end:
            case = mutated(draw.choice(cases), draw)[: target.largest]
            file.seek(0)
            file.truncate()
            file.write(case)
            faulthandler.dump_traceback_later(int(flags["timeout"]), exit=True)
            target.run(case)
            done += 1
    faulthandler.cancel_dump_traceback_later()
    at_hand.unlink()
    sys.stdout.write(f"stat::number_of_executed_units: {done}\n")


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main(sys.argv[1], dict(flag.lstrip("-").split("=", 1) for flag in sys.argv[2:] if "=" in flag))
