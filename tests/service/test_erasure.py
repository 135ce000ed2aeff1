"""Crypto-erasure: a key goes with all that is sealed under it, and with nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from service.encode import Codec
from service.errors import DataFault, Held, KeyNeeded, Unknown
from service.failpoints import Step
from service.home import Home
from service.index import Author
from service.keys import KeyState
from service.processes.worker import drain
from service.sealing.journal import JournalReader, entry_ids, entry_path
from service.sealing.note import note_ids, read_note
from service.upkeep.audit import audit
from service.upkeep.decisions import Decisions
from service.upkeep.deletion import purge_due
from service.upkeep.erasure import erase, losses
from service.upkeep.rebuild import rebuild_index
from service.upkeep.recovery import recover
from tests.service.made import dataset, rotate, take
from tests.service.test_deletion import killed_at

ADMIN = Author("admin", "the contract with that clinic ended")


def _fill(home: Home, codec: Codec) -> str:
    """Under the old key an object, a journal entry and a note; under the new one an object."""
    take(home, dataset("1.1"), "1.1")
    drain(home, codec)
    take(home, dataset("1.2"), "1.2")
    (entry,) = entry_ids(home.journal)
    hold = Decisions(home).hold("instance", "1.1", ADMIN)
    Decisions(home).release(hold, ADMIN)
    old = home.keys.keyring.active.key_id.hex()
    rotate(home)
    take(home, dataset("1.3"), "1.3")
    home.index.release_all()
    for waiting in home.index.claim("test", 9, 60):
        if waiting.entry_id != entry:
            home.index.release(waiting.revision_id)
    drain(home, codec)
    home.index.release_all()
    return old


def test_what_is_under_the_key_is_lost_and_all_else_stays(home: Home, codec: Codec) -> None:
    old = _fill(home, codec)
    (object_id,) = [one for one in home.store.ids() if _is_under(home, one, old)]
    saved = home.store.open(object_id).read()
    (entry,) = entry_ids(home.journal)
    copied = entry_path(home.journal, entry).read_bytes()
    lost = losses(home, old)
    assert (lost.instances, lost.revisions, lost.orphans, lost.holds) == (2, 2, 0, [])
    erased = erase(home, old, ADMIN)
    assert (erased.revisions, erased.objects, erased.entries) == (2, 1, 1)
    assert [one.servable.sop_instance_uid for one in home.index.revisions.all()] == ["1.3"]
    entry_path(home.journal, entry).write_bytes(copied)
    with pytest.raises(DataFault), JournalReader(entry_path(home.journal, entry), home.keys):
        pass
    entry_path(home.journal, entry).unlink()
    assert saved, "a copy was kept, and no key in the keyring opens it"
    states = [key.state for key in home.keys.keyring.keys]
    assert states == [KeyState.RETIRED, KeyState.ACTIVE]
    assert all(read_note(home.notes, home.keys, note_id) for note_id in note_ids(home.notes))
    assert audit(home, codec.predictors).faults == []


@pytest.mark.parametrize("is_archived", [True, False])
def test_a_later_revision_keeps_its_number_also_when_the_index_is_made_anew(
    folder: Path, codec: Codec, is_archived: bool
) -> None:
    with Home.open(folder) as home:
        for seed in range(2):
            take(home, dataset(size=8, seed=seed))
            drain(home, codec)
            rotate(home)
        take(home, dataset(size=8, seed=2))
        if is_archived:
            drain(home, codec)
        erase(home, home.keys.keyring.keys[1].key_id.hex(), ADMIN)
        assert audit(home, codec.predictors).faults == []
    rebuild_index(folder)
    with Home.open(folder) as home:
        assert [one.number for one in home.index.revisions.all()] == [1, 3]
        assert audit(home, codec.predictors).faults == []


def _is_under(home: Home, object_id: bytes, key: str) -> bool:
    facts = home.index.revisions.by_object(object_id)
    return facts.key_id is not None and facts.key_id.hex() == key


def test_the_active_key_a_held_one_and_a_destroyed_one_are_refused(
    home: Home, codec: Codec
) -> None:
    old = _fill(home, codec)
    with pytest.raises(KeyNeeded):
        erase(home, home.keys.keyring.active.key_id.hex(), ADMIN)
    hold = Decisions(home).hold("instance", "1.2", ADMIN)
    with pytest.raises(Held):
        erase(home, old, ADMIN)
    assert home.index.statistics().hidden == 0
    Decisions(home).release(hold, ADMIN)
    erase(home, old, ADMIN)
    with pytest.raises(Unknown):
        erase(home, old, ADMIN)


STEPS: list[Step] = [
    "decision.noted",
    "decision.entered",
    "key.retired",
    "purge.entered",
    "object.removed",
    "purge.done",
]


@pytest.mark.parametrize("step", STEPS)
def test_an_erasure_killed_at_any_step_can_be_run_again(
    folder: Path, codec: Codec, step: Step
) -> None:
    with Home.open(folder) as home:
        old = _fill(home, codec)
        with killed_at(step):
            erase(home, old, ADMIN)
    with Home.open(folder) as home:
        recover(home)
        if home.keys.keyring.keys[0].state is not KeyState.RETIRED:
            erase(home, old, ADMIN)
        purge_due(home)
        assert [one.servable.sop_instance_uid for one in home.index.revisions.all()] == ["1.3"]
        assert len(list(home.store.ids())) == 1
        assert audit(home, codec.predictors).faults == []
    rebuilt = rebuild_index(folder)
    assert (rebuilt.objects, rebuilt.faults) == (1, [])
