"""Re-encryption resumes wherever it was stopped; a key that anything needs is not retired."""

import pytest

from service.encode import Codec
from service.errors import KeyNeeded, WrongKey
from service.home import Home
from service.index import Author, patient
from service.processes.worker import drain
from service.receive import Reception
from service.upkeep.decisions import Decisions
from service.upkeep.jobs import reencrypt
from service.upkeep.key_uses import count_keys, retire
from service.upkeep.rebuild import rebuild_index
from tests.service.made import content, damage, dataset, only, origin, take, without_pixels

INSTANCES = {"1.2.1": dataset("1.2.1"), "1.2.2": without_pixels("1.2.2", 5000)}


@pytest.fixture
def filled(home: Home, codec: Codec) -> Home:
    for uid, data in INSTANCES.items():
        take(home, data, uid)
    drain(home, codec)
    return home


def _datasets(home: Home, codec: Codec) -> dict[str, bytes]:
    found = {}
    for revision in home.index.revisions.all():
        found[revision.servable.sop_instance_uid] = content(home, revision, codec)
    return found


def _keys(home: Home) -> set[bytes | None]:
    return {revision.key_id for revision in home.index.revisions.all()}


def test_every_object_moves_to_the_active_key_and_gives_the_same_bytes(
    filled: Home, codec: Codec
) -> None:
    old = filled.keys.keyring.active.key_id
    new = filled.keys.rotate().key_id
    done = reencrypt(filled, codec)
    assert (done.resealed, done.faults, _keys(filled)) == (2, [], {new})
    assert _datasets(filled, codec) == INSTANCES
    assert len(list(filled.store.ids())) == 2
    retire(filled, old.hex())
    assert _datasets(filled, codec) == INSTANCES
    with pytest.raises(WrongKey):
        filled.keys.keyring.get(old)


class Killed(BaseException):
    """Stands for a process that is gone at this point."""


@pytest.mark.parametrize("where", ["before the row", "after the row"])
def test_a_job_that_was_killed_goes_on(
    where: str, filled: Home, codec: Codec, monkeypatch: pytest.MonkeyPatch
) -> None:
    new = filled.keys.rotate().key_id

    def die(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr("service.store.local.LocalDraft.discard", lambda _: None)
        if where == "before the row":
            patch.setattr(filled.index.revisions, "replace_object", die)
        else:
            patch.setattr(filled.store, "remove", die)
        with pytest.raises(Killed):
            reencrypt(filled, codec)
    done = reencrypt(filled, codec)
    assert _keys(filled) == {new}
    assert done.removed == (0 if where == "before the row" else 1)
    assert _datasets(filled, codec) == INSTANCES


def test_an_older_object_that_was_restored_for_a_lost_one_stays(filled: Home, codec: Codec) -> None:
    kept = {path: path.read_bytes() for path in filled.settings.store.path.rglob("*.dcm")}
    filled.keys.rotate()
    reencrypt(filled, codec)
    for path in filled.settings.store.path.rglob("*.dcm"):
        path.unlink()
    for path, kept_content in kept.items():
        path.write_bytes(kept_content)
    rebuild_index(filled.path)
    with Home.open(filled.path) as restored:
        assert reencrypt(restored, codec).resealed == 2
        assert _datasets(restored, codec) == INSTANCES


def test_an_object_that_is_not_sound_is_named_and_stays(filled: Home, codec: Codec) -> None:
    path = next(filled.settings.store.path.rglob("*.dcm"))
    damage(path, -60)
    filled.keys.rotate()
    done = reencrypt(filled, codec)
    assert done.resealed == 1
    assert [fault.kind for fault in done.faults] == ["Altered"]
    assert path.exists()


def test_a_note_that_is_not_sound_is_named_and_stays(filled: Home, codec: Codec) -> None:
    author = Author("me", "for a test")
    Decisions(filled).rename(patient("P1", ""), {"PatientName": "Winter"}, author)
    (path,) = filled.notes.glob("*.note")
    damage(path, -1)
    filled.keys.rotate()
    done = reencrypt(filled, codec)
    assert [(fault.object, fault.kind) for fault in done.faults] == [
        (f"notes/{path.stem}", "Altered")
    ]
    assert (done.resealed, done.notes, path.exists()) == (2, 0, True)


def test_a_key_is_needed_while_objects_or_entries_are_under_it(home: Home, codec: Codec) -> None:
    old = home.keys.keyring.active.key_id
    take(home, dataset())
    home.keys.rotate()
    uses = {use.key_id: (use.objects, use.entries) for use in count_keys(home)}
    assert uses[old] == (0, 1)
    with pytest.raises(KeyNeeded, match="1 × journal entry under it"):
        retire(home, old.hex())
    drain(home, codec)
    assert only(home).key_id == home.keys.keyring.active.key_id
    retire(home, old.hex())


def test_a_file_that_says_no_key_may_need_any(filled: Home) -> None:
    old = filled.keys.keyring.active.key_id
    (filled.journal / f"{'ab' * 16}.entry").write_bytes(b"RLJ")
    for path in filled.settings.store.path.rglob("*.dcm"):
        path.unlink()
    filled.keys.rotate()
    with pytest.raises(KeyNeeded, match="1 that cannot be read"):
        retire(filled, old.hex())


def test_what_is_in_memory_under_a_retired_key_is_refused_never_lost(home: Home) -> None:
    reception = Reception(home, origin())
    reception.write(dataset())
    old = home.keys.keyring.active.key_id
    home.keys.rotate()
    retire(home, old.hex())
    with pytest.raises(WrongKey):
        reception.take()
    assert list(home.index.revisions.all()) == []
