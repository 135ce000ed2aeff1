"""Three hundred SIGKILLs under load from eight senders: nothing acknowledged lost or altered."""

from __future__ import annotations

import logging
import os
import signal
import time
from contextlib import suppress
from pathlib import Path

import pytest

from tests.fault.failing import arrived
from tests.fault.test_kills import some_kills
from tests.fault.victim import REACHED_S, Kill, Victim
from tests.fault.warm import Warm
from tests.waiting import wait_for

_log = logging.getLogger(__name__)


def _suffer(victim: Victim, warm: Warm, one: Kill, arrivals: Path) -> None:
    group = warm.start(step=one.step, nth=one.nth, kills=one.kills, arrivals=str(arrivals))
    victim.archive.port = warm.port
    senders = victim.load(associations=1, files=2)
    if one.step is None:
        time.sleep(one.after_s)
    else:
        arrivals.touch()
        wait_for(lambda: arrived(arrivals) >= one.nth, REACHED_S)
    with suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)
    warm.wait()
    senders.stop()


def _attack(folder: Path, storescu: str, count: int, seed: int) -> Victim:
    victim = Victim(folder, storescu)
    warm = Warm(victim.archive.home)
    try:
        for number, one in enumerate(some_kills(count, seed, latest_s=2.0), start=1):
            _suffer(victim, warm, one, folder / f"arrivals-{number}")
            _log.info("%d of %d: %s, %s", number, count, one, victim.account)
    finally:
        warm.close()
    victim.archive.port = 0
    victim.require_all()
    return victim


def test_fourteen_kills_lose_and_alter_nothing(tmp_path: Path, storescu: str) -> None:
    assert _attack(tmp_path, storescu, 14, seed=7).account.stored


@pytest.mark.faults
def test_three_hundred_kills_lose_and_alter_nothing(tmp_path: Path, storescu: str) -> None:
    assert len(_attack(tmp_path, storescu, 300, seed=1).account.stored) > 1000
