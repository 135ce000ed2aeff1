"""The state's part: the clock, worn keys, instances that are stuck, passcodes that are guessed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

from service.home import Home
from service.keys.limits import advice, count_sealings
from service.sequence import utc_now
from service.upkeep.doctor.finding import Finding

_TOLERATED_US: Final = 60_000_000
"""How far the clock may be behind the trail: processes of one machine differ by nothing, those that
shared a disk by seconds where they follow a time server at all."""

_DAY_US: Final = 86_400_000_000
_GUESSES: Final = 20
"""Refusals of users of one peer within a day that no slip of a finger explains."""


def faults(home: Home) -> Iterator[Finding]:
    """Name what is wrong by now."""
    yield from _clock(home)
    yield from _keys(home)
    quarantined = home.index.statistics().quarantined
    if quarantined:
        detail = f"{quarantined} revisions wait for a decision, and are not served until then"
        yield Finding("quarantine", detail, "radiolith quarantine ls")
    yield from _guesses(home)


def _clock(home: Home) -> Iterator[Finding]:
    position, _ = home.index.trail.head()
    for entry in home.index.trail.entries(after=position - 1):
        if entry.at > utc_now() + _TOLERATED_US:
            newest = datetime.fromtimestamp(entry.at / 1e6, UTC)
            detail = f"the clock is behind the trail, whose newest entry is of {newest:%F %T} UTC"
            yield Finding("clock-behind", detail, "set the clock, and let it follow a time server")
            return


def _guesses(home: Home) -> Iterator[Finding]:
    refused = home.index.trail.refused_users(utc_now() - _DAY_US)
    for (peer, address), count in refused.most_common():
        if count >= _GUESSES:
            whose = f"{peer} at {address} was refused {count} times within a day for its user"
            detail = f"{whose}: somebody guesses passcodes, or a device has an old one"
            yield Finding("passcodes-guessed", detail, "radiolith trail ls --event 'user refused'")


def _keys(home: Home) -> Iterator[Finding]:
    keys = home.keys.keyring.keys
    counts = count_sealings(home.index.trail.entries(), keys[0].key_id) if keys else {}
    for key in keys:
        if told := advice(key, counts.get(key.key_id, 0)):
            yield Finding("key-worn", f"key {key.key_id.hex()}: {told}", "radiolith keys rotate")
