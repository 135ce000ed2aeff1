"""The scrubber verifies what has waited longest, rests as it is set to, and tells what it finds."""

from __future__ import annotations

import time
from pathlib import Path
from threading import Event

import pytest

from config.schema import Scrub
from service.encode import Codec
from service.errors import StoreFault
from service.home import Home
from service.index import RevisionFacts
from service.processes.worker import drain
from service.upkeep.scrub import Pace, Scrubber
from tests.service.made import damage, dataset, object_path, take, without_pixels

UIDS = ("1.2.1", "1.2.2", "1.2.3")


@pytest.fixture
def filled(home: Home, codec: Codec) -> Home:
    """An archive of two images, one dataset without pixels, and one that waits in the journal."""
    for number, uid in enumerate(UIDS[:2]):
        take(home, dataset(uid, size=8, seed=number), uid)
    take(home, without_pixels(UIDS[2], 512), UIDS[2])
    drain(home, codec)
    take(home, dataset("1.2.9", size=8, seed=9), "1.2.9")
    return home


@pytest.fixture
def eager(filled: Home) -> Home:
    """The same archive, scrubbed without rest."""
    hurried = Scrub(days=1e-9, max_share=1.0, max_bytes_per_s=0, replica=True)
    filled.settings = filled.settings.model_copy(update={"scrub": hurried})
    return filled


def facts(home: Home) -> dict[str, RevisionFacts]:
    return {one.servable.sop_instance_uid: one for one in home.index.revisions.all()}


def file(home: Home, uid: str) -> Path:
    object_id = facts(home)[uid].servable.object_id
    assert object_id is not None
    return object_path(home, object_id)


def test_an_archived_object_counts_as_verified_when_it_was_sealed(filled: Home) -> None:
    found = facts(filled)
    assert all(found[uid].verified_at == found[uid].sealed_at for uid in UIDS)
    assert found["1.2.9"].verified_at is None


def test_every_object_is_verified_and_says_when(eager: Home) -> None:
    before = facts(eager)
    assert Scrubber(eager).batch(Event()) == len(UIDS)
    after = facts(eager)
    for uid in UIDS:
        assert (after[uid].verified_at or 0) > (before[uid].verified_at or 0)
        assert after[uid].damage is None
    assert eager.index.verifications.summary().oldest == min(
        after[uid].verified_at or 0 for uid in UIDS
    )


@pytest.mark.parametrize(("offset", "uid"), [(-60, UIDS[0]), (700, UIDS[1]), (-40, UIDS[2])])
def test_damage_is_told_once_in_the_trail_and_until_it_is_mended(
    eager: Home, offset: int, uid: str
) -> None:
    path = file(eager, uid)
    sound = path.read_bytes()
    damage(path, offset)
    for _ in range(2):
        Scrubber(eager).batch(Event())
    assert facts(eager)[uid].damage == "altered"
    assert eager.index.statistics().damaged == 1
    told = [entry.details for entry in eager.index.trail.entries() if entry.event == "damaged"]
    assert [(one["sop_instance_uid"], one["found_by"]) for one in told] == [(uid, "scrub")]
    path.chmod(0o600)
    path.write_bytes(sound)
    Scrubber(eager).batch(Event())
    assert eager.index.statistics().damaged == 0


def test_the_one_that_waited_longest_is_first_also_after_a_restart(eager: Home) -> None:
    number = {uid: one.servable.revision_id for uid, one in facts(eager).items()}
    eager.index.verifications.sound([number[UIDS[0]]])
    eager.index.verifications.sound([number[UIDS[2]]])
    with Home.open(eager.path) as again:
        order = again.index.verifications.longest_ago(10)
    assert order == [number[UIDS[1]], number[UIDS[0]], number[UIDS[2]]]


def test_a_store_that_is_not_there_is_no_damage(eager: Home) -> None:
    store = eager.settings.store.path
    store.rename(store.with_name("elsewhere"))
    with pytest.raises(StoreFault):
        Scrubber(eager).batch(Event())
    assert eager.index.statistics().damaged == 0


def test_an_edited_row_is_damage_too(eager: Home) -> None:
    from tests.integrity.victim import Victim

    Victim(eager, eager.path).sql("UPDATE revisions SET attributes = '{}' WHERE id = 1")
    Scrubber(eager).batch(Event())
    assert facts(eager)[UIDS[0]].damage == "row-mismatch"


def test_the_pace_needs_the_set_days_and_keeps_the_share() -> None:
    settings = Scrub(days=10.0, max_share=0.25, max_bytes_per_s=0, replica=True)
    pace = Pace(settings, total_bytes=1_000_000, is_late=False)
    assert pace.rest_s(1000, 0.0) == pytest.approx(864.0)
    busy = Pace(settings, total_bytes=10**15, is_late=False)
    assert busy.rest_s(1000, 0.1) == pytest.approx(0.3)
    late = Pace(settings, total_bytes=1_000_000, is_late=True)
    assert late.rest_s(1000, 0.1) == pytest.approx(0.3)
    slow = Scrub(days=10.0, max_share=1.0, max_bytes_per_s=1000, replica=True)
    assert Pace(slow, 10**15, is_late=True).rest_s(5000, 1.0) == pytest.approx(4.0)


def test_it_stops_at_once_and_sleeps_when_it_is_off(filled: Home) -> None:
    stop = Event()
    stop.set()
    began = time.monotonic()
    Scrubber(filled).batch(stop)
    off = filled.settings.scrub.model_copy(update={"days": 0.0})
    filled.settings = filled.settings.model_copy(update={"scrub": off})
    Scrubber(filled).run(Event())
    assert time.monotonic() - began < 30
