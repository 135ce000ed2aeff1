"""Which instance a worker is at: told by a file, so that the next process of its name knows.

A worker that dies over an instance, in a library's native code or for want of memory, would die
over it again as soon as it is replaced, and nothing else would ever be archived. No sync: the file
is to outlive a process, and not the machine.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Final

_SUFFIX: Final = ".at"


class At:
    """The place of one worker, by its name."""

    def __init__(self, run: Path, name: str) -> None:
        self._path = run / (name.replace("/", "_") + _SUFFIX)

    @property
    def revision(self) -> int | None:
        """The revision that it is at; None if it is at none."""
        try:
            return int(self._path.read_text() or "0") or None
        except FileNotFoundError:
            return None

    def come_to(self, revision_id: int) -> None:
        """Say what is begun now, if the disk takes it: work goes on without."""
        with suppress(OSError):
            self._path.write_text(str(revision_id))

    def leave(self) -> None:
        """Say that it is done with."""
        with suppress(OSError):
            self._path.unlink(missing_ok=True)


def forget_all(run: Path) -> None:
    """Forget where workers were when all of them were ended: that tells nothing of an instance."""
    for path in run.glob(f"*{_SUFFIX}"):
        path.unlink(missing_ok=True)
