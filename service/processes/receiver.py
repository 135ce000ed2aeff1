"""One receiver: the process that serves associations and takes instances in.

It is forked from the supervisor, holds the shared listening socket, and never loads torch or the
codec: what needs decoding it asks of the workers (:mod:`service.processes.decode_server`).
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from config.settings import Settings
from dicom.server import Listener, serve_associations
from service.archive import ServiceArchive
from service.home import Home
from service.options import server_options
from service.processes.lifeline import follow


def receive(settings: Settings, listeners: Sequence[Listener], end: int, tell: int) -> None:
    """Serve associations on ``listeners`` until the lifeline ``end`` says to stop.

    One byte is written to the descriptor ``tell`` when the archive is open.
    """
    stop = follow(end)
    with Home(settings) as home, ServiceArchive(home) as archive:
        home.keys.open()
        os.write(tell, b"r")
        serve_associations(listeners, archive, server_options(settings), stop)
