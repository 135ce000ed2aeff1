"""How often a key sealed is counted; one that sealed too often or too long is to be rotated out."""

from __future__ import annotations

import time

from service.home import Home
from service.index.trail import Entry
from service.keys import ArchiveKey, KeyState
from service.keys.limits import LONGEST_USE_S, MOST_SEALINGS, advice, count_sealings
from service.processes.worker import drain
from service.upkeep.jobs import reencrypt
from service.upkeep.key_uses import count_keys
from tests.keys.plain_codec import NO_CODEC
from tests.service.made import take, without_pixels


def _key(age_s: float = 0, state: KeyState = KeyState.ACTIVE) -> ArchiveKey:
    return ArchiveKey.generate(int((time.time() - age_s) * 1e6), state)


def _entry(event: str, **details: str) -> Entry:
    return Entry(1, 0, event, details, b"", b"")


def test_each_sealing_counts_for_the_key_of_its_time() -> None:
    first, second = b"\1" * 16, b"\2" * 16
    trail = [
        _entry("stored"),
        _entry("archived"),
        _entry("query"),
        _entry("key rotated", key=second.hex()),
        _entry("stored"),
        _entry("resealed", key=second.hex()),
    ]
    assert count_sealings(trail, first) == {first: 2, second: 2}


def test_advice_comes_at_the_marks_and_for_the_active_key_alone() -> None:
    assert advice(_key(), MOST_SEALINGS - 1) == ""
    assert "sealings" in advice(_key(), MOST_SEALINGS)
    assert advice(_key(LONGEST_USE_S - 60), 0) == ""
    assert "two years" in advice(_key(LONGEST_USE_S + 60), 0)
    assert advice(_key(LONGEST_USE_S + 60, KeyState.DECRYPT_ONLY), MOST_SEALINGS) == ""


def test_an_archive_counts_its_sealings(home: Home) -> None:
    for number in range(3):
        take(home, without_pixels(f"1.2.{number}"), f"1.2.{number}")
    drain(home, NO_CODEC)
    (use,) = count_keys(home)
    assert (use.objects, use.entries, use.sealings) == (3, 0, 6)
    home.keys.rotate()
    reencrypt(home, NO_CODEC)
    assert [use.sealings for use in count_keys(home)] == [6, 3]
