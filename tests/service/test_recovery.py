"""What a crash leaves between two steps is put right at the next start."""

import pytest

from service.errors import JournalFault
from service.home import Home
from service.index import Author, patient
from service.receive import Reception
from service.sealing.journal import entry_ids, entry_path
from service.sequence import utc_now
from service.upkeep import recovery
from service.upkeep.decisions import Decisions
from service.upkeep.recovery import last_start, recover
from tests.service.made import damage, dataset, only, origin, take


def _entry_without_row(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave what a receiver leaves that dies between journal and index."""

    class Killed(BaseException):
        pass

    def die(*_: object, **__: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(home.index, "add", die)
        reception = Reception(home, origin())
        reception.write(dataset())
        with pytest.raises(Killed):
            reception.take()


def test_an_entry_without_a_row_is_indexed(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    _entry_without_row(home, monkeypatch)
    (entry_id,) = entry_ids(home.journal)
    assert recover(home).indexed == 1
    assert only(home).servable.entry_id == entry_id
    assert only(home).calling_ae == "MODALITY"
    assert recover(home).indexed == 0


def test_an_entry_of_bytes_that_came_again_meanwhile_is_removed(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    _entry_without_row(home, monkeypatch)
    take(home, dataset())
    assert recover(home).indexed == 0
    assert list(entry_ids(home.journal)) == [only(home).servable.entry_id]


def test_half_written_entries_go_and_claims_are_given_back(home: Home) -> None:
    take(home, dataset())
    home.index.claim("a worker that was killed", 10, 3600)
    reception = Reception(home, origin())
    reception.write(bytes(3_000_000))
    recovered = recover(home)
    assert (recovered.partial, recovered.released) == (1, 1)
    assert len(home.index.claim("another", 10, 1)) == 1


def test_an_entry_that_cannot_be_read_is_left_and_counted(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    _entry_without_row(home, monkeypatch)
    (entry_id,) = entry_ids(home.journal)
    path = entry_path(home.journal, entry_id)
    damage(path, 500)
    recovered = recover(home)
    assert (recovered.unreadable, recovered.indexed) == (1, 0)
    assert path.exists()


def test_the_sequence_goes_on_behind_the_index(home: Home) -> None:
    take(home, dataset())
    last = only(home).sequence
    (home.run / "sequence").write_bytes(bytes(8))
    recover(home)
    take(home, dataset(seed=1))
    assert max(item.sequence for item in home.index.revisions.all()) > last


def test_the_sequence_goes_on_behind_decisions_of_a_clock_that_was_ahead(home: Home) -> None:
    take(home, dataset())
    ahead = utc_now() + 10**12
    home.sequence.seed(ahead)
    Decisions(home).rename(patient("P1"), {"PatientSex": "O"}, Author("admin", "a typo"))
    (home.run / "sequence").write_bytes(bytes(8))
    recover(home)
    assert home.sequence.next() == ahead + 2


def test_a_start_says_what_it_put_right(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    assert last_start(home.run) == {}
    _entry_without_row(home, monkeypatch)
    before = utc_now()
    recover(home)
    told = last_start(home.run)
    assert told["indexed"] == 1
    assert before <= told["at"] <= utc_now()
    recover(home)
    assert last_start(home.run)["indexed"] == 0


def test_an_entry_on_a_bad_sector_keeps_the_archive_from_nothing(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    _entry_without_row(home, monkeypatch)
    (entry_id,) = entry_ids(home.journal)
    with monkeypatch.context() as patch:
        patch.setattr(recovery, "JournalReader", _unreadable)
        assert recover(home).unreadable == 1
    assert list(entry_ids(home.journal)) == [entry_id]
    assert recover(home).indexed == 1


def _unreadable(*_: object) -> None:
    raise JournalFault("cannot read journal entry: input/output error")
