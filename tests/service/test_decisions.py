"""What administrators decide outlives the index: a rebuild comes out as it was."""

import dataclasses
from pathlib import Path

import pytest

from service.encode import Codec
from service.errors import IndexFault, Unknown
from service.home import Home
from service.index import Author, patient
from service.processes.worker import drain
from service.sealing.journal import entry_path
from service.sealing.note import note_ids, read_note, remove_note
from service.upkeep.decisions import Decisions
from service.upkeep.deletion import Deletion
from service.upkeep.jobs import reencrypt
from service.upkeep.key_uses import count_keys, retire
from service.upkeep.rebuild import rebuild_index
from service.upkeep.recovery import recover
from tests.index.made import found
from tests.service.made import dataset, only, take

ADMIN = Author("admin", "as decided on the phone")


def _without_index(folder: Path) -> None:
    for path in folder.glob("index.sqlite*"):
        path.unlink()


def _decide(home: Home) -> None:
    take(home, dataset("1.2.1"), "1.2.1")
    take(home, dataset("1.2.1", study="1.9.9"), "1.2.1")
    take(home, dataset("1.2.1", study="1.7.7"), "1.2.1")
    decisions = Decisions(home)
    second, third = home.index.revisions.quarantined()
    decisions.reject(third.servable.revision_id, "admin", "sent by mistake")
    decisions.accept(second.servable.revision_id, "admin", "the study was renumbered")
    decisions.rename(patient("P1"), {"PatientName": "Winter^Wanda"}, ADMIN)
    wrong = decisions.rename(patient("P1"), {"PatientSex": "O"}, ADMIN)
    decisions.undo(wrong, "admin")


def _state(home: Home) -> list[object]:
    revisions = [
        (item.number, item.served, item.quarantined, item.rejected)
        for item in home.index.revisions.of_instance("1.2.1")
    ]
    return [*revisions, *home.index.corrections.list()]


def test_decisions_and_corrections_come_back_from_their_notes(folder: Path) -> None:
    with Home.open(folder) as home:
        _decide(home)
        before = _state(home)
    _without_index(folder)
    assert rebuild_index(folder).faults == []
    with Home.open(folder) as home:
        assert _state(home) == before
        served = [item.number for item in home.index.revisions.of_instance("1.2.1") if item.served]
        assert served == [2]


def test_notes_move_to_a_new_key_and_hold_the_old_one_until_then(
    folder: Path, codec: Codec
) -> None:
    with Home.open(folder) as home:
        _decide(home)
        drain(home, codec)
        before, old = _state(home), home.keys.keyring.active.key_id
        home.keys.rotate()
        assert {use.key_id: use.notes for use in count_keys(home)}[old] == 5
        assert reencrypt(home, codec).notes == 5
        retire(home, old.hex())
    _without_index(folder)
    assert rebuild_index(folder).faults == []
    with Home.open(folder) as home:
        assert _state(home) == before


def test_a_decision_that_the_index_refuses_leaves_no_note(home: Home) -> None:
    take(home, dataset())
    with pytest.raises(Unknown):
        Decisions(home).accept(only(home).servable.revision_id, "admin", "")
    assert list(home.notes.glob("*.note")) == []


def test_what_comes_after_a_decision_is_judged_by_it_again(folder: Path, codec: Codec) -> None:
    with Home.open(folder) as home:
        take(home, dataset("1.2.1"), "1.2.1")
        take(home, dataset("1.2.1", study="1.9.9"), "1.2.1")
        (second,) = home.index.revisions.quarantined()
        Decisions(home).accept(second.servable.revision_id, "admin", "renumbered")
        assert take(home, dataset("1.2.1", study="1.9.9", seed=1), "1.2.1").quarantined is None
        drain(home, codec)
        before = _state(home)
    _without_index(folder)
    rebuilt = rebuild_index(folder)
    assert (rebuilt.faults, rebuilt.objects) == ([], 3)
    with Home.open(folder) as home:
        assert _state(home) == before
        served = [item.number for item in home.index.revisions.of_instance("1.2.1") if item.served]
        assert served == [3]


def test_a_lost_note_lets_nothing_be_undone_but_what_was(folder: Path) -> None:
    with Home.open(folder) as home:
        take(home, dataset())
        decisions = Decisions(home)
        decisions.rename(patient("P1"), {"PatientSex": "O"}, ADMIN)
        wrong = decisions.rename(patient("P1"), {"PatientName": "Winter^Wilma"}, ADMIN)
        decisions.rename(patient("P1"), {"PatientName": "Winter^Wanda"}, ADMIN)
        decisions.undo(wrong, "admin")
        before = home.index.corrections.list()
        notes = {read_note(home.notes, home.keys, name)["sequence"]: name
                 for name in note_ids(home.notes)}  # fmt: skip
        remove_note(home.notes, notes[min(notes)])
    _without_index(folder)
    assert rebuild_index(folder).faults == []
    with Home.open(folder) as home:
        again = home.index.corrections.list()
        assert [dataclasses.replace(one, id=one.id + 1) for one in again] == before[1:]


def test_a_correction_outlives_whom_it_is_about(folder: Path) -> None:
    with Home.open(folder) as home:
        take(home, dataset())
        number = Decisions(home).rename(patient("P1"), {"PatientSex": "O"}, ADMIN)
        Decisions(home).undo(number, "admin")
        Decisions(home).rename(patient("P1"), {"PatientName": "Winter^Wanda"}, ADMIN)
        with pytest.raises(Unknown):
            Decisions(home).undo(7, "admin")
        before = home.index.corrections.list()
        for entry in home.journal.glob("*.entry"):
            entry.unlink()
    _without_index(folder)
    assert rebuild_index(folder).faults == []
    with Home.open(folder) as home:
        assert home.index.corrections.list() == before
        take(home, dataset())
        assert found(home.index, "STUDY", PatientName="Winter*")


def test_the_trail_of_a_rebuild_has_corrections_at_their_own_time(folder: Path) -> None:
    with Home.open(folder) as home:
        take(home, dataset())
        number = Decisions(home).rename(patient("P1"), {"PatientSex": "O"}, ADMIN)
        Decisions(home).undo(number, "admin")
        before = _corrected(home)
    _without_index(folder)
    rebuild_index(folder)
    with Home.open(folder) as home:
        assert _corrected(home) == before
        (one,) = home.index.corrections.list()
        assert [at for _, at in before] == [one.at, one.undone_at]


def _corrected(home: Home) -> list[tuple[str, int]]:
    entries = home.index.trail.entries()
    return [(entry.event, entry.at) for entry in entries if "correction" in entry.event]


def test_a_decision_about_what_is_lost_is_named(folder: Path) -> None:
    with Home.open(folder) as home:
        take(home, dataset("1.2.1"), "1.2.1")
        take(home, dataset("1.2.1", study="1.9.9"), "1.2.1")
        (second,) = home.index.revisions.quarantined()
        Decisions(home).accept(second.servable.revision_id, "admin", "")
        entry_path(home.journal, second.servable.entry_id).unlink()
    _without_index(folder)
    (fault,) = rebuild_index(folder).faults
    assert (fault.kind, fault.name[:5]) == ("Unknown", "note ")


def test_a_decision_about_what_was_purged_is_no_fault(folder: Path) -> None:
    with Home.open(folder) as home:
        take(home, dataset("1.2.1"), "1.2.1")
        take(home, dataset("1.2.1", study="1.9.9"), "1.2.1")
        (second,) = home.index.revisions.quarantined()
        Decisions(home).accept(second.servable.revision_id, "admin", "")
        covered = home.index.deletions.covering("instance", "1.2.1")
        number = Deletion(home).delete(covered.revisions, ADMIN)
        Deletion(home).purge(number, ADMIN)
    _without_index(folder)
    assert rebuild_index(folder).faults == []


def test_a_decision_that_the_index_could_not_take_in_leaves_no_note(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    take(home, dataset())

    def fail(*_: object) -> None:
        raise IndexFault("gone")

    with monkeypatch.context() as patch:
        patch.setattr(home.index.corrections, "rename", fail)
        with pytest.raises(IndexFault):
            Decisions(home).rename(patient("P1"), {"PatientSex": "O"}, ADMIN)
    assert list(note_ids(home.notes)) == []


def test_a_decision_whose_index_cannot_tell_is_completed_at_the_next_start(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    take(home, dataset())

    def fail(*_: object) -> None:
        raise IndexFault("gone")

    with monkeypatch.context() as patch:
        patch.setattr(home.index.corrections, "rename", fail)
        patch.setattr(home.index.decisions, "knows", fail)
        with pytest.raises(IndexFault):
            Decisions(home).rename(patient("P1"), {"PatientSex": "O"}, ADMIN)
    assert recover(home).decided == 1
    assert [one.kind for one in home.index.corrections.list()] == ["rename"]
