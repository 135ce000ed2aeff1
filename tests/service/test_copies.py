"""Rot in the replica is found by the scrubber, told, and mended from the store."""

from __future__ import annotations

import errno
from collections.abc import Callable
from pathlib import Path
from threading import Event

import pytest
from structlog.testing import capture_logs
from typer.testing import CliRunner

from service.cli.main import app
from service.encode import Codec
from service.home import Home
from service.store import ObjectStore
from service.upkeep.repair import repair
from service.upkeep.replication import catch_up
from service.upkeep.scrub import Scrubber
from tests.service.replicas import archive, sealed, with_folder
from tests.service.test_repair import HARMS


def scrubbed(home: Home) -> list[tuple[str, str]]:
    """Scrub every object once, without rest; give the alarms: object and kind."""
    hurried = home.settings.scrub.model_copy(update={"days": 1e-9, "max_share": 1.0})
    home.settings = home.settings.model_copy(update={"scrub": hurried})
    with capture_logs() as logged:
        Scrubber(home).batch(Event())
    alarms = [one for one in logged if one["event"] == "damaged in the replica"]
    return [(one["object"], one["kind"]) for one in alarms]


def damaged(home: Home) -> int:
    return home.require_replica().queue.lag().damaged


def told(home: Home) -> list[tuple[str, str]]:
    entries = [one.details for one in home.index.trail.entries() if one.event == "damaged"]
    return [(one["where"], one["found_by"]) for one in entries]


@pytest.mark.parametrize("harm", HARMS)
def test_a_damaged_copy_is_told_until_it_is_repaired(
    replicated: Home, codec: Codec, harm: str
) -> None:
    one, two = archive(replicated, codec, 2)
    catch_up(replicated)
    copies = replicated.require_replica().objects
    before = sealed(copies, one)
    assert (scrubbed(replicated), damaged(replicated)) == ([], 0)
    HARMS[harm](copies, one, two)
    for _ in range(2):
        ((name, _),) = scrubbed(replicated)
    assert (name, damaged(replicated), told(replicated)) == (one.hex(), 1, [("replica", "scrub")])
    assert replicated.index.statistics().damaged == 0, "the store's own is sound"
    assert repair(replicated, codec.predictors).mirrored == 1
    assert (sealed(copies, one), damaged(replicated)) == (before, 0)
    assert scrubbed(replicated) == []


def test_a_copy_that_is_sound_again_is_damaged_no_more(replicated: Home, codec: Codec) -> None:
    one, two = archive(replicated, codec, 2)
    catch_up(replicated)
    replica = replicated.require_replica()
    HARMS["flipped"](replica.objects, one, two)
    scrubbed(replicated)
    replica.put(one, replicated.store)
    assert (scrubbed(replicated), damaged(replicated)) == ([], 0)


def test_what_waits_for_the_replica_is_not_missing_there(replicated: Home, codec: Codec) -> None:
    archive(replicated, codec, 2)
    assert (scrubbed(replicated), damaged(replicated)) == ([], 0)


def test_a_replica_that_is_away_is_no_damage_and_keeps_nothing_waiting(
    folder: Path, codec: Codec
) -> None:
    replica = with_folder(folder)
    with Home.open(folder) as home:
        archive(home, codec, 2)
        catch_up(home)
        before = home.index.verifications.summary().oldest or 0
        replica.rename(replica.with_name("away"))
        assert (scrubbed(home), damaged(home)) == ([], 0)
        assert (home.index.verifications.summary().oldest or 0) > before


def test_a_copy_that_its_disk_withholds_is_damaged(
    folder: Path, codec: Codec, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_folder(folder)
    with Home.open(folder) as home:
        one, _ = archive(home, codec, 2)
        catch_up(home)
        copies = home.require_replica().objects
        opened: Callable[[ObjectStore, bytes], object] = type(copies).open

        def refuse(store: ObjectStore, object_id: bytes) -> object:
            if store is copies and object_id == one:
                raise OSError(errno.EIO, "Input/output error")
            return opened(store, object_id)

        monkeypatch.setattr(type(copies), "open", refuse)
        assert scrubbed(home) == [(one.hex(), "missing")]


def test_status_says_how_many_copies_are_damaged(folder: Path, codec: Codec) -> None:
    replica = with_folder(folder)
    with Home.open(folder) as home:
        one, two = archive(home, codec, 2)
        catch_up(home)
        HARMS["truncated"](home.require_replica().objects, one, two)
        scrubbed(home)
    assert replica.is_dir()
    shown = CliRunner().invoke(app, ["--home", str(folder), "status", "--metrics"])
    assert "radiolith_replica_damaged 1\n" in shown.output


def test_the_copies_can_be_left_out(folder: Path, codec: Codec) -> None:
    with_folder(folder)
    with Home.open(folder) as home:
        one, two = archive(home, codec, 2)
        catch_up(home)
        HARMS["removed"](home.require_replica().objects, one, two)
        off = home.settings.scrub.model_copy(update={"replica": False})
        home.settings = home.settings.model_copy(update={"scrub": off})
        assert scrubbed(home) == []
