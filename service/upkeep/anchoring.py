"""Keeps the anchor behind the trail's head while the archive serves."""

from __future__ import annotations

from typing import Final

import structlog

from service.errors import DataFault, Missing
from service.home import Home
from service.upkeep.anchor import Anchor, against, drop_anchor, read_anchor

ANCHOR_S: Final = 60.0
"""Seconds between two anchors: what the trail got since the last one may be cut off unseen."""

_log = structlog.get_logger()


class Anchoring:
    """Anchors one trail; one that was set back is told, and not anchored any more.

    Nor is one whose anchor is gone or damaged, until that is there again: an index that was set
    back would else get a new one. ``radiolith audit --repair`` makes it anew where it is gone.
    """

    def __init__(self, home: Home) -> None:
        self._home = home
        self._anchored = -1
        self._is_set_back = self._is_adrift = False

    def work(self) -> None:
        """Drop the anchor, where the trail has grown and does not contradict the last one.

        Raises:
            IoFault: index, keyring or store cannot be read or written.
        """
        if self._is_set_back or self._home.index.trail.head()[0] == self._anchored:
            return
        anchor = self._read()
        if anchor is None:
            return
        said = against(self._home.index.trail, anchor)
        if said is None:
            self._drop()
        else:
            self._is_set_back = True
            _log.critical("trail set back, no more anchored", reason=said)

    def _read(self) -> Anchor | None:
        """Read the anchor; tell once where there is none that can be read."""
        try:
            anchor = read_anchor(self._home.keys, self._home.settings.store.path)
        except DataFault as fault:
            if not self._is_adrift:
                what = "missing" if isinstance(fault, Missing) else "damaged"
                _log.critical(f"trail's anchor {what}: not anchored meanwhile", reason=str(fault))
            self._is_adrift = True
            return None
        self._is_adrift = False
        return anchor

    def _drop(self) -> None:
        home = self._home
        self._anchored = drop_anchor(home.index.trail, home.keys, home.settings.store.path).position
