"""Fuzz the targets one after the other: ``make fuzz``, ``python -m tests.fuzz --help``.

Each runs in a process of its own under atheris (libFuzzer), which mutates, follows coverage and
watches time and memory, or blind where coverage cannot be followed; interesting cases gather under
``--work``, from where a later run goes on. Prints a line for each target: cases, seconds of CPU,
and whether one failed; the failing case is beside the others. Ends with 1 if any failed.
"""

from __future__ import annotations

import argparse
import re
import resource
import subprocess
import sys
from pathlib import Path
from typing import Final

from tests.fuzz.target import Target
from tests.fuzz.targets import ALL, saved

LONGEST_S: Final = 10
"""Seconds that a case may take: one of 4 KiB takes milliseconds, on a loaded machine too."""
MEMORY_MB: Final = 1536
"""MiB of the whole process; torch and the kernels take 700 of them."""
ALLOCATION_MB: Final = 256
"""MiB of one allocation."""

_CASES: Final = re.compile(r"stat::number_of_executed_units:\s*(\d+)")


def fuzz(target: Target, work: Path, runs: int, seconds: int) -> tuple[int, float, str]:
    """Run one target; give the cases it took, the seconds of CPU, and a failure's last words."""
    folder = work / target.name
    folder.mkdir(parents=True, exist_ok=True)
    for number, case in enumerate(saved(target)):
        (folder / f"seed-{number}").write_bytes(case)
    flags = {
        "runs": runs,
        "max_total_time": seconds,
        "max_len": target.largest,
        "timeout": LONGEST_S,
        "rss_limit_mb": MEMORY_MB,
        "malloc_limit_mb": ALLOCATION_MB,
        "artifact_prefix": f"{folder}-failed-",
        "print_final_stats": 1,
    }
    before = _cpu_seconds()
    done = subprocess.run(
        [
            *(sys.executable, "-m", *_program(target)),
            *(f"-{name}={value}" for name, value in flags.items()),
            str(folder),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )
    cases = _CASES.search(done.stdout)
    failure = "" if done.returncode == 0 else done.stdout[-3000:]
    return int(cases[1]) if cases else 0, _cpu_seconds() - before, failure


def _program(target: Target) -> list[str]:
    if target.instrumented:
        return ["tests.fuzz.one", target.name, ",".join(target.instrumented)]
    return ["tests.fuzz.blind", target.name]


def _cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main() -> int:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("targets", nargs="*", choices=[[], *ALL], metavar="TARGET")
    parser.add_argument("--runs", type=int, default=100_000, help="cases for each target")
    parser.add_argument("--seconds", type=int, default=3600, help="at most, for each target")
    parser.add_argument("--work", type=Path, default=Path(".fuzz"), help="where cases gather")
    given = parser.parse_args()
    failures = 0
    for name in given.targets or ALL:
        cases, cpu, failure = fuzz(ALL[name], given.work, given.runs, given.seconds)
        told = f"{name:12} {cases:>10} cases {cpu:>8.0f} s CPU  {failure or 'no failure'}"
        sys.stdout.write(told + "\n")
        sys.stdout.flush()
        failures += bool(failure)
    return failures > 0


if __name__ == "__main__":
    sys.exit(main())
