"""What is fuzzed: a function that takes hostile bytes and never fails, and bytes to start from."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Target:
    """One entry for bytes of strangers.

    ``run`` lets the faults pass that the entry documents; whatever else is raised is a failure, and
    so is a result that breaks a promise.
    """

    name: str
    run: Callable[[bytes], object]
    seeds: Callable[[], Iterable[bytes]]
    instrumented: tuple[str, ...]
    """Packages whose coverage leads the fuzzer. The codec's is not among them, since instrumented
    its kernels do not compile: a target without any is fuzzed blind."""
    largest: int = 4096
    """Bytes of a case."""
