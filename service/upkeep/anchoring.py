"""Keeps the anchor behind the trail's head while the archive serves."""

from __future__ import annotations

from typing import Final

import structlog

from service.errors import DataFault
from service.home import Home
from service.upkeep.anchor import against, drop_anchor, read_anchor

ANCHOR_S: Final = 60.0
"""Seconds between two anchors: what the trail got since the last one may be cut off unseen."""

_log = structlog.get_logger()


class Anchoring:
    """Anchors one trail; one that was set back is told, and not anchored any more."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._anchored = -1
        self._is_broken = False

    def work(self) -> None:
        """Drop the anchor, where the trail has grown and does not contradict the last one.

        Raises:
            IoFault: index, keyring or store cannot be read or written.
        """
        home = self._home
        if self._is_broken or home.index.trail.head()[0] == self._anchored:
            return
        said = self._said()
        if said is None:
            dropped = drop_anchor(home.index.trail, home.keys, home.settings.store.path)
            self._anchored = dropped.position
        else:
            self._is_broken = True
            _log.critical("trail set back, no more anchored", reason=said)

    def _said(self) -> str | None:
        """Say what is wrong with the trail, or with the anchor that it is compared with."""
        try:
            anchor = read_anchor(self._home.keys, self._home.settings.store.path)
            return against(self._home.index.trail, anchor)
        except DataFault as fault:
            return str(fault)
