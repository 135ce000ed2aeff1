"""The examination of an archive: weak settings, files that others may read, what ends soon.

It changes nothing; a service may run.
"""

from __future__ import annotations

from collections.abc import Iterator

from service.home import Home
from service.upkeep.doctor import folder, network, secrets, state
from service.upkeep.doctor.finding import Finding

__all__ = ["Finding", "examine"]


def examine(home: Home, *, echo: bool = False) -> Iterator[Finding]:
    """Look at everything; say what is weak or wrong.

    Args:
        home: the archive.
        echo: also call every node, by C-ECHO.

    Raises:
        IoFault: the index cannot be read.
    """
    yield from network.weaknesses(home.settings, home.index.nodes.list())
    yield from secrets.weaknesses(home)
    yield from folder.weaknesses(home)
    yield from state.faults(home)
    if echo:
        yield from network.unreachable(home.settings, home.index.nodes.list())
