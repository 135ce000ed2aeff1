"""The replicator: the process that brings the replica up to date while the archive is served."""

from __future__ import annotations

from threading import Event

import structlog

from config.settings import Settings
from service.errors import Fault
from service.home import Home
from service.processes.lifeline import follow
from service.upkeep.replication import Replicator

_log = structlog.get_logger()


def replicate(settings: Settings, end: int) -> None:
    """Catch up until the lifeline ``end`` says to stop."""
    stop = follow(end)
    with Home(settings) as home:
        home.keys.open()
        run(home, stop)


def run(home: Home, stop: Event) -> None:
    """Catch up again and again; while the replica is away, at longer intervals."""
    replicator, settings = Replicator(home), home.settings.replica
    pause_s = settings.poll_s
    while not stop.wait(pause_s):
        pause_s = settings.poll_s if _catch_up(replicator, stop) else settings.retry_s


def _catch_up(replicator: Replicator, stop: Event) -> bool:
    try:
        done = replicator.work(stopping=stop.is_set)
    except Fault as fault:
        _log.error("the replica cannot be brought up to date", exc_info=fault)
        return False
    if done.copied or done.removed:
        _log.info("replicated", count=done.copied, bytes=done.bytes, removed=done.removed)
    return True
