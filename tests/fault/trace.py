"""What a service's processes asked of the kernel, in order, as strace saw it."""

from __future__ import annotations

import re
import signal
import subprocess
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

WRITES = ("write", "writev", "pwrite64", "pwritev", "ftruncate")
NAMES = ("rename", "renameat", "renameat2", "link", "linkat", "mkdir", "mkdirat", "unlink")
SENDS = ("sendto", "sendmsg", "sendmmsg")
SYNCS = ("fsync", "fdatasync")
_TRACED = ",".join((*WRITES, *NAMES, *SENDS, *SYNCS, "openat"))

_LINE = re.compile(r"(?P<thread>\d+) +(?P<rest>.*)")
_BEGUN = re.compile(r"(?P<call>\w+\(.*) <unfinished \.\.\.>$")
_ENDED = re.compile(r"<\.\.\. \w+ resumed>(?P<rest>.*)")
_CALL = re.compile(r"(?P<name>\w+)\((?P<told>.*)\) += (?P<result>-?\d+)")
_DESCRIPTOR = re.compile(r"\d+<(?P<path>/[^>]*)>")
_QUOTED = re.compile(r'"(?P<path>/[^"]*)"')


@dataclass(frozen=True, slots=True)
class Call:
    """One system call that succeeded: between two places of the trace, of any thread."""

    name: str
    told: str
    """Its arguments, as strace prints them."""
    begun: int
    ended: int

    @property
    def paths(self) -> tuple[Path, ...]:
        """The file of the descriptor, or the names that it was given."""
        if self.name in (*WRITES, *SYNCS):
            return tuple(Path(found["path"]) for found in _DESCRIPTOR.finditer(self.told))[:1]
        return tuple(Path(found["path"]) for found in _QUOTED.finditer(self.told))


def parse(lines: Iterable[str]) -> list[Call]:
    """Read what ``strace -f -y`` wrote; calls that another thread's interrupt are put together."""
    calls: list[Call] = []
    pending: dict[str, tuple[int, str]] = {}
    for number, line in enumerate(lines):
        found = _LINE.match(line)
        assert found, line
        thread, rest = found["thread"], found["rest"]
        if begun := _BEGUN.match(rest):
            pending[thread] = (number, begun["call"])
            continue
        start, text = number, rest
        if ended := _ENDED.match(rest):
            start, head = pending.pop(thread)
            text = head + ended["rest"]
        if (call := _CALL.match(text)) and not call["result"].startswith("-"):
            calls.append(Call(call["name"], call["told"], start, number))
    return calls


@contextmanager
def traced(strace: str, processes: Sequence[int], output: Path) -> Iterator[None]:
    """Trace processes, and those that they start, inside the block."""
    attach = [argument for pid in processes for argument in ("-p", str(pid))]
    tracer = subprocess.Popen(
        [strace, "-f", "-y", "-s", "16", "-e", f"trace={_TRACED}", "-o", output, *attach],
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert tracer.stderr is not None
    try:
        for _ in processes:
            said = tracer.stderr.readline()
            assert "attached" in said, said
        yield
    finally:
        tracer.send_signal(signal.SIGINT)
        tracer.communicate(timeout=30)


def unsynced(calls: Sequence[Call], moment: Call) -> set[Path]:
    """Name the files and folders that a power cut as the moment begins could take changes from.

    A file counts from its first byte written, a folder from a name made, changed or removed in it,
    until a sync that began after that change ended has ended itself.
    """
    changed: dict[Path, int] = {}
    for call in calls:
        if call.begun >= moment.begun:
            break
        for path in _changes(call):
            changed[path] = max(call.ended, changed.get(path, 0))
        if call.name.startswith("rename"):
            old, new = call.paths
            if old in changed:
                changed[new] = changed.pop(old)
        if call.name in SYNCS and call.ended < moment.begun:
            (path,) = call.paths
            if changed.get(path, call.begun) < call.begun:
                del changed[path]
    return set(changed)


def _changes(call: Call) -> Iterable[Path]:
    """Name what a call changes: content of a file, or names in folders."""
    if call.name in WRITES:
        return call.paths
    if call.name in NAMES or (call.name == "openat" and "O_EXCL" in call.told):
        return [path.parent for path in call.paths]
    return []


def only(calls: Sequence[Call], wanted: Callable[[Call], bool]) -> Call:
    """Give the one call that is wanted."""
    (found,) = [call for call in calls if wanted(call)]
    return found


def first(calls: Sequence[Call], after: Call, wanted: Callable[[Call], bool]) -> Call:
    """Give the first call that is wanted, after another."""
    return next(call for call in calls if call.begun > after.ended and wanted(call))
