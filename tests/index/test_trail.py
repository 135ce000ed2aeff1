from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy import delete, insert, update

from service.index import Index, trail
from service.index.tables import TrailEntry, TrailHead
from tests.index.made import add


@pytest.fixture
def trailed(index: Index) -> Index:
    for number in range(5):
        index.trail.append("query", {"number": number, "calling_ae": "MODALITY"})
    return index


def breaks(index: Index) -> list[tuple[int, str]]:
    return [(one.position, one.kind) for one in index.trail.verify()]


def test_entries_are_chained_from_the_first(trailed: Index) -> None:
    entries = list(trailed.trail.entries())
    assert [entry.position for entry in entries] == [1, 2, 3, 4, 5]
    links = [trail.FIRST, *(entry.hash for entry in entries)]
    assert [entry.previous for entry in entries] == links[:-1]
    assert trailed.trail.head() == (5, links[-1])
    assert breaks(trailed) == []
    assert [entry.position for entry in trailed.trail.entries(after=3)] == [4, 5]


@pytest.mark.parametrize(
    "change",
    [{"details": '{"number":9}'}, {"details": "["}, {"at": 1}, {"event": "other"}, {"hash": b"x"}],
)
def test_an_altered_entry_is_named(trailed: Index, change: dict[str, object]) -> None:
    with trailed._database.write() as connection:
        connection.execute(update(TrailEntry).where(TrailEntry.position == 3).values(**change))
    assert (3, "altered") in breaks(trailed)


def test_an_entry_altered_with_its_hash_is_named_by_the_next(trailed: Index) -> None:
    entry = list(trailed.trail.entries())[2]
    forged = trail.entry_hash(entry.previous, 3, entry.at, "query", {})
    with trailed._database.write() as connection:
        forgery = update(TrailEntry).where(TrailEntry.position == 3)
        connection.execute(forgery.values(details="{}", hash=forged))
    assert breaks(trailed) == [(4, "reordered")]


@pytest.mark.parametrize("gone", [[1], [3], [2, 3], [5], [4, 5], [1, 2, 3, 4, 5]])
def test_removed_entries_are_named(trailed: Index, gone: list[int]) -> None:
    with trailed._database.write() as connection:
        connection.execute(delete(TrailEntry).where(TrailEntry.position.in_(gone)))
    assert breaks(trailed) == [(gone[0], "removed")]


def test_entries_put_in_another_order_are_named(trailed: Index) -> None:
    with trailed._database.write() as connection:
        for old, new in ((2, 99), (3, 2), (99, 3)):
            connection.execute(
                update(TrailEntry).where(TrailEntry.position == old).values(position=new)
            )
    assert {position for position, _ in breaks(trailed)} >= {2, 3}


def test_an_entry_put_behind_the_head_is_named(trailed: Index) -> None:
    last = list(trailed.trail.entries())[-1]
    forged = trail.entry_hash(last.hash, 6, 1, "query", {})
    with trailed._database.write() as connection:
        connection.execute(
            insert(TrailEntry).values(
                position=6, at=1, event="query", details="{}", previous=last.hash, hash=forged
            )
        )
    assert breaks(trailed) == [(6, "added")]


def test_a_head_that_was_changed_is_named(trailed: Index) -> None:
    with trailed._database.write() as connection:
        connection.execute(update(TrailHead).values(hash=b"x" * 32))
    assert breaks(trailed) == [(5, "altered")]


def test_the_entry_of_a_reception_is_in_its_transaction_and_without_patient_data(
    opened: Callable[..., Index],
) -> None:
    index = opened()
    added = add(index, PatientName="Secret^Name", PatientID="SECRET")
    (entry,) = index.trail.entries()
    facts = index.revisions.get(added.revision_id).servable
    assert entry.details["sha256"] == facts.sha256.hex()
    assert entry.details["entry"] == facts.entry_id.hex()
    assert "secret" not in str(entry.details).lower()
