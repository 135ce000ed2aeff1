"""How the processes of one archive end together: a pipe from the supervisor to each.

The supervisor asks a process to stop by writing one byte. If the supervisor dies instead, however
suddenly, the kernel closes its end, and the process ends at once: nothing goes on serving the port,
or holds the archive's lock, for a supervisor that is no longer there. Signals from a terminal or a
service manager reach all processes of a group; all but the supervisor ignore them.
"""

from __future__ import annotations

import os
import signal
import threading
from typing import Final

_STOP: Final = b"s"
_ORPHANED: Final = 70
"""Exit status of a process whose supervisor died."""


class Lifeline:
    """The supervisor's side of one process."""

    def __init__(self) -> None:
        self.end, self._held = os.pipe()
        """``end`` is the descriptor that the process follows."""

    def stop(self) -> None:
        """Ask the process to stop; one that is gone already is no fault."""
        try:
            os.write(self._held, _STOP)
        except BrokenPipeError:
            return

    def let_go(self) -> None:
        """Close the supervisor's end, in the supervisor or in a process forked from it."""
        os.close(self._held)

    def handed_over(self) -> None:
        """Close the process's end in the supervisor, once the process holds its own."""
        os.close(self.end)


def follow(end: int, begun: threading.Event | None = None) -> threading.Event:
    """Follow a lifeline in this process; the event is set when the supervisor asks to stop.

    Args:
        end: the process's end of the lifeline.
        begun: of a process that takes long to start: asked to stop before this is set, it ends at
            once and well, since it has begun nothing that it would have to end.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    stop = threading.Event()
    given = (end, stop, begun)
    threading.Thread(target=_follow, args=given, name="lifeline", daemon=True).start()
    return stop


def _follow(end: int, stop: threading.Event, begun: threading.Event | None) -> None:
    while os.read(end, 1):
        if begun is not None and not begun.is_set():
            os._exit(0)
        stop.set()
    os._exit(_ORPHANED)
