"""Archiving: verified before the row, the row before the journal entry goes; no fault loses any."""

import threading
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import numpy as np
import pytest

from codec import encode_frame
from service import encode, multi_frame
from service.encode import Codec
from service.errors import IndexFault, Undecodable
from service.home import Home
from service.index import RevisionFacts
from service.processes import worker
from service.processes.at import At
from service.processes.worker import Worker, drain
from service.records import ObjectFacts
from service.sealing.journal import entry_ids, remove_entry
from service.upkeep.recovery import recover
from tests.service.made import content, dataset, only, take, without_pixels


def _bytes(home: Home, codec: Codec, revision: RevisionFacts) -> bytes:
    return content(home, revision, codec)


def _events(home: Home) -> list[str]:
    return [entry.event for entry in home.index.trail.entries()]


def test_images_are_coded_the_rest_goes_the_general_way_and_all_come_back(
    home: Home, codec: Codec
) -> None:
    wanted = {
        "1.2.1": dataset("1.2.1"),
        "1.2.2": without_pixels("1.2.2", 3_000_000),
        "1.2.3": b"no dataset at all",
        "1.2.4": b"",
    }
    for instance, data in wanted.items():
        take(home, data, instance)
    assert drain(home, codec) == 4
    archived = {item.servable.sop_instance_uid: item for item in home.index.revisions.all()}
    assert {uid: _bytes(home, codec, item) for uid, item in archived.items()} == wanted
    assert {item.state for item in archived.values()} == {"archived"}
    assert [archived[uid].coding for uid in sorted(archived)] == ["frames"] + ["general"] * 3
    assert list(entry_ids(home.journal)) == []
    assert home.index.journal_count() == 0


def test_the_object_is_in_the_store_before_its_row_and_the_row_before_the_entry_goes(
    home: Home, codec: Codec, monkeypatch: pytest.MonkeyPatch
) -> None:
    take(home, dataset())
    order: list[str] = []
    archived = home.index.archived

    def note_row(revision_id: int, facts: ObjectFacts) -> None:
        assert home.store.size(facts.object_id) == facts.size
        assert len(list(entry_ids(home.journal))) == 1
        archived(revision_id, facts)
        order.append("row")

    def note_removal(folder: Any, entry_id: bytes) -> None:
        assert only(home).state == "archived"
        order.append("entry")
        remove_entry(folder, entry_id)

    monkeypatch.setattr(home.index, "archived", note_row)
    monkeypatch.setattr(worker, "remove_entry", note_removal)
    drain(home, codec)
    assert order == ["row", "entry"]


def _wrong_coder(words: Any, *others: Any) -> bytes:
    return encode_frame(np.bitwise_xor(words, 1), *others)


def _failing_coder(*_: object) -> bytes:
    raise ValueError("a table of the model does not fit")


@pytest.mark.parametrize("coder", [_wrong_coder, _failing_coder])
def test_frames_that_do_not_decode_to_what_came_are_an_alarm_and_stored_the_general_way(
    coder: Callable[..., bytes], home: Home, codec: Codec, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(multi_frame, "encode_frame", coder)
    take(home, dataset())
    drain(home, codec)
    revision = only(home)
    assert (revision.state, revision.coding) == ("archived", "general")
    assert _bytes(home, codec, revision) == dataset()
    assert "mismatch" in _events(home)
    assert len(list(home.store.ids())) == 1


def test_where_nothing_gives_the_bytes_back_the_instance_stays_in_the_journal(
    home: Home, codec: Codec, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> ObjectFacts:
        raise Undecodable("the disk returns other bytes than it took")

    monkeypatch.setattr(encode, "verify", refuse)
    take(home, dataset())
    drain(home, codec)
    revision = only(home)
    assert (revision.state, revision.failure) == ("journalled", "Undecodable")
    assert _bytes(home, codec, revision) == dataset()
    assert list(home.store.ids()) == []
    assert Worker(home, codec, "again").work() == 0, "it is tried again later, not at once"


def test_frames_that_grow_are_stored_the_general_way(
    home: Home, codec: Codec, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(encode, "size_limit", lambda *_: 10)
    take(home, dataset())
    drain(home, codec)
    assert only(home).coding == "general"
    assert "mismatch" not in _events(home)


class Killed(BaseException):
    """Stands for a process that is gone at this point."""


def _kill_at(monkeypatch: pytest.MonkeyPatch, target: Any, name: str, after: bool) -> None:
    original = getattr(target, name)

    def die(*arguments: Any) -> None:
        if after:
            original(*arguments)
        raise Killed

    monkeypatch.setattr(target, name, die)


STEPS: Iterable[tuple[str, bool]] = (("archived", False), ("archived", True), ("remove", False))


@pytest.mark.parametrize(("step", "after"), STEPS)
def test_a_worker_that_dies_at_any_step_loses_nothing_and_leaves_nothing(
    step: str, after: bool, home: Home, codec: Codec, monkeypatch: pytest.MonkeyPatch
) -> None:
    take(home, dataset())
    target = worker if step == "remove" else home.index
    name = "remove_entry" if step == "remove" else step
    _kill_at(monkeypatch, target, name, after)
    # A process that is killed runs no clean-up: its draft stays.
    monkeypatch.setattr("service.store.local.LocalDraft.discard", lambda _: None)
    with pytest.raises(Killed):
        drain(home, codec)
    monkeypatch.undo()
    recover(home)
    drain(home, codec)
    revision = only(home)
    assert revision.state == "archived"
    assert _bytes(home, codec, revision) == dataset()
    assert list(home.store.ids()) == [revision.servable.object_id]
    assert list(entry_ids(home.journal)) == []


def test_two_workers_on_one_entry_leave_one_object(home: Home, codec: Codec) -> None:
    take(home, dataset())
    first, second = (Worker(home, codec, name) for name in ("first", "second"))
    (claimed,) = home.index.claim("second", 1, 0)
    assert first.work() == 1
    object_id = only(home).servable.object_id
    # The second one's lease ran out while it was encoding; its entry is gone by now or not.
    take_again = partial(second._archive, claimed)
    take_again()
    assert only(home).servable.object_id == object_id
    assert list(home.store.ids()) == [object_id]


def test_whatever_one_instance_raises_the_others_are_archived_and_it_is_tried_ever_less_often(
    home: Home, codec: Codec, monkeypatch: pytest.MonkeyPatch
) -> None:
    for uid in ("1.2.1", "1.2.2"):
        take(home, dataset(uid), uid)
    seal = encode.seal

    def fail_one(*arguments: Any) -> Any:
        if arguments[2].received.sop_instance_uid == "1.2.1":
            raise MemoryError
        return seal(*arguments)

    monkeypatch.setattr(worker, "seal", fail_one)
    waits: list[float] = []
    failed = home.index.failed

    def note(revision_id: int, reason: str, retry_s: float) -> None:
        waits.append(retry_s)
        failed(revision_id, reason, 0)

    monkeypatch.setattr(home.index, "failed", note)
    for _ in range(3):
        Worker(home, codec, "w").work()
    states = {item.servable.sop_instance_uid: item.state for item in home.index.revisions.all()}
    assert states == {"1.2.1": "journalled", "1.2.2": "archived"}
    assert waits == [60, 120, 240]


def test_what_a_worker_died_over_waits_and_the_rest_goes_on(home: Home, codec: Codec) -> None:
    """Or the next process would die over it too, before it came to anything else."""
    for uid in ("1.2.1", "1.2.2"):
        take(home, dataset(uid), uid)
    first, _ = home.index.claim("w", 2, 3600)
    At(home.run, "w").come_to(first.revision_id)
    stop = threading.Event()
    again = Worker(home, codec, "w")
    again._take_up()
    assert again.work(stop.is_set) == 1
    failures = {item.servable.sop_instance_uid: item.failure for item in home.index.revisions.all()}
    assert failures == {"1.2.1": "worker died", "1.2.2": None}
    assert At(home.run, "w").revision is None


def test_where_workers_were_when_all_were_killed_is_forgotten(home: Home) -> None:
    At(home.run, "w").come_to(7)
    recover(home)
    assert At(home.run, "w").revision is None


@pytest.mark.parametrize("committed", [False, True])
def test_an_index_that_fails_after_publishing_leaves_no_orphan_behind_the_next_start(
    home: Home, codec: Codec, monkeypatch: pytest.MonkeyPatch, committed: bool
) -> None:
    take(home, dataset())
    archived = home.index.archived

    def fail(revision_id: int, facts: ObjectFacts) -> None:
        if committed:
            archived(revision_id, facts)
        raise IndexFault("the database went away")

    monkeypatch.setattr(home.index, "archived", fail)
    drain(home, codec)
    monkeypatch.undo()
    assert len(list(home.store.ids())) == 1
    assert recover(home).interrupted == (not committed)
    assert len(list(home.store.ids())) == committed
    assert _bytes(home, codec, only(home)) == dataset()
