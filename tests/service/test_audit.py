"""The audit names every kind of fault, and only faults; it changes nothing."""

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from service.encode import Codec
from service.home import Home, init
from service.index import Author, RevisionFacts, patient
from service.processes.worker import drain
from service.sealing.journal import entry_path
from service.sequence import utc_now
from service.upkeep.anchor import drop_anchor
from service.upkeep.audit import AuditFault, Kind, Scope, audit
from service.upkeep.decisions import Decisions
from service.upkeep.jobs import reencrypt
from tests.service.made import damage, dataset, rotate, take

GOLDEN = Path(__file__).parents[1] / "golden"
PIXEL_DATA_ITEMS = bytes.fromhex("e07f1000 4f420000 ffffffff feff00e0")
SEQUENCE_END = bytes.fromhex("feffdde0 00000000")

TWO = ("1.2.1", "1.2.2")


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory, codec: Codec) -> Path:
    """An archive with two archived images and a journalled one, to be copied."""
    path = tmp_path_factory.mktemp("template") / "home"
    init(path)
    with Home.open(path) as home:
        for seed, uid in enumerate(TWO):
            take(home, dataset(uid, seed=seed), uid)
        drain(home, codec)
        take(home, dataset("1.2.3", seed=3), "1.2.3")
    return path


@pytest.fixture
def filled(template: Path, tmp_path: Path) -> Iterator[Home]:
    """A copy of the template to do harm to."""
    shutil.copytree(template, tmp_path / "home")
    with Home.open(tmp_path / "home") as home:
        yield home


def _revision(home: Home, uid: str) -> RevisionFacts:
    (revision,) = home.index.revisions.of_instance(uid)
    return revision


def _object(home: Home, uid: str) -> Path:
    object_id = _revision(home, uid).servable.object_id
    assert object_id is not None
    (path,) = home.settings.store.path.rglob(f"{object_id.hex()}.dcm")
    return path


def _write(path: Path, content: bytes) -> None:
    path.chmod(0o600)
    path.write_bytes(content)


def _sql(home: Home, statement: str, *values: object) -> None:
    with sqlite3.connect(home.path / "index.sqlite") as connection:
        connection.execute(statement, values)
    connection.close()


def _missing(home: Home) -> None:
    _object(home, "1.2.1").unlink()


def _unreadable(home: Home) -> None:
    path = _object(home, "1.2.1")
    path.unlink()
    path.mkdir()


def _truncated(home: Home) -> None:
    path = _object(home, "1.2.1")
    _write(path, path.read_bytes()[:-100])


def _altered(home: Home) -> None:
    path = _object(home, "1.2.1")
    content = bytearray(path.read_bytes())
    content[-60] ^= 4
    _write(path, bytes(content))


def _wrong_instance(home: Home) -> None:
    _write(_object(home, "1.2.1"), _object(home, "1.2.2").read_bytes())


def _rows_exchanged(home: Home) -> None:
    one, two = (_revision(home, uid).servable for uid in TWO)
    _sql(home, "UPDATE objects SET object_id = ? WHERE revision_id = ?", b"0" * 16, one.revision_id)
    for object_id, revision_id in (
        (one.object_id, two.revision_id),
        (two.object_id, one.revision_id),
    ):
        _sql(
            home,
            "UPDATE objects SET object_id = ? WHERE revision_id = ?",
            object_id,
            revision_id,
        )


def _wrong_key(home: Home) -> None:
    old = home.keys.keyring.active.key_id
    rotate(home)
    home.keys.retire(old)
    drop_anchor(home.index.trail, home.keys, home.settings.store.path)


def _changed(table: str, column: str, value: object) -> Callable[[Home], None]:
    def harm(home: Home) -> None:
        one = _revision(home, "1.2.1").servable.revision_id
        rows = {
            "revisions": "?",
            "series": "(SELECT series_id FROM instances WHERE id = ?)",
        }
        _sql(home, f"UPDATE {table} SET {column} = ? WHERE id = {rows[table]}", value, one)

    harm.__name__ = f"_{table}_{column}"
    return harm


def _journal_missing(home: Home) -> None:
    entry_path(home.journal, _revision(home, "1.2.3").servable.entry_id).unlink()


def _journal_truncated(home: Home) -> None:
    path = entry_path(home.journal, _revision(home, "1.2.3").servable.entry_id)
    path.write_bytes(path.read_bytes()[:200])


CASES: list[tuple[Callable[[Home], None], dict[str, Kind]]] = [
    (_missing, {"1.2.1": Kind.MISSING}),
    (_unreadable, {"1.2.1": Kind.MISSING}),
    (_truncated, {"1.2.1": Kind.TRUNCATED}),
    (_altered, {"1.2.1": Kind.ALTERED}),
    (_wrong_instance, {"1.2.1": Kind.WRONG_INSTANCE}),
    (_rows_exchanged, {"1.2.1": Kind.WRONG_INSTANCE, "1.2.2": Kind.WRONG_INSTANCE}),
    (_wrong_key, {"1.2.1": Kind.WRONG_KEY, "1.2.2": Kind.WRONG_KEY, "1.2.3": Kind.WRONG_KEY}),
    (_changed("revisions", "calling_ae", "OTHER"), {"1.2.1": Kind.ROW_MISMATCH}),
    (_changed("revisions", "patient_key", "OTHER"), {"1.2.1": Kind.ROW_MISMATCH}),
    (_changed("revisions", "sha256", b"0" * 32), {"1.2.1": Kind.ROW_MISMATCH}),
    (
        _changed("series", "series_uid", "9.9"),
        dict.fromkeys((*TWO, "1.2.3", ""), Kind.ROW_MISMATCH),
    ),
    (_journal_missing, {"1.2.3": Kind.MISSING}),
    (_journal_truncated, {"1.2.3": Kind.TRUNCATED}),
]


def test_a_sound_archive_has_no_faults(filled: Home, codec: Codec) -> None:
    seen: list[tuple[int, int]] = []
    audited = audit(filled, codec.predictors, progress=lambda *done: seen.append(done))
    assert (audited.checked, audited.faults) == (3, [])
    assert seen == [(1, 3), (2, 3), (3, 3)]


@pytest.mark.parametrize(("harm", "kinds"), CASES, ids=[case[0].__name__ for case in CASES])
def test_each_harm_is_named_for_what_it_is(
    harm: Callable[[Home], None], kinds: dict[str, Kind], filled: Home, codec: Codec
) -> None:
    harm(filled)
    faults = audit(filled, codec.predictors).faults
    assert {fault.sop_instance_uid: fault.kind for fault in faults} == {
        uid: kind.value for uid, kind in kinds.items()
    }


def test_an_altered_frame_is_named(filled: Home, codec: Codec) -> None:
    _altered(filled)
    (fault,) = audit(filled, codec.predictors).faults
    assert "frame 1" in fault.detail
    assert fault.object == _object(filled, "1.2.1").stem


def _exchange_frames(content: bytes) -> bytes:
    """Exchange the first two frames of an object, offsets mended: each a whole item."""
    table = content.index(PIXEL_DATA_ITEMS) + len(PIXEL_DATA_ITEMS)
    offsets = np.frombuffer(content, "<u4", 2, table + 4)
    first = table + 4 + int.from_bytes(content[table : table + 4], "little")
    second, end = first + int(offsets[1]), content.index(SEQUENCE_END, first)
    one, two = content[first:second], content[second:end]
    mended = np.array([0, len(two)], "<u4").tobytes()
    return content[: table + 4] + mended + two + one + content[end:]


def test_frames_that_were_exchanged_are_named(home: Home, codec: Codec) -> None:
    take(home, (GOLDEN / "v1-frames.dataset").read_bytes())
    drain(home, codec)
    (path,) = home.settings.store.path.rglob("*.dcm")
    _write(path, _exchange_frames(path.read_bytes()))
    (fault,) = audit(home, codec.predictors).faults
    assert fault.kind == Kind.SWAPPED.value


def test_a_decision_that_cannot_be_read_is_named(filled: Home, codec: Codec) -> None:
    author = Author("me", "for a test")
    Decisions(filled).rename(patient("P1", ""), {"PatientName": "Winter"}, author)
    (path,) = filled.notes.glob("*.note")
    assert audit(filled, codec.predictors).faults == []
    damage(path, -1)
    *rows, fault = audit(filled, codec.predictors).faults
    assert (fault.object, fault.kind) == (f"notes/{path.stem}", "altered")
    assert {row.object for row in rows} == {"patients/1", "corrections/1"}
    assert all("cannot be read" in row.detail for row in rows)


def test_without_its_model_an_object_is_undecodable(filled: Home) -> None:
    kinds = {fault.kind for fault in audit(filled, {}).faults}
    assert kinds == {Kind.UNDECODABLE.value}


def _orphans(home: Home, codec: Codec) -> list[AuditFault]:
    return [f for f in audit(home, codec.predictors).faults if f.kind == Kind.ORPHANED.value]


def test_objects_and_entries_without_rows_are_orphans_unless_just_made(
    filled: Home, codec: Codec, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = _object(filled, "1.2.1")
    servable = _revision(filled, "1.2.1").servable
    _sql(filled, "DELETE FROM objects WHERE revision_id = ?", servable.revision_id)
    _sql(filled, "DELETE FROM revisions WHERE id = ?", servable.revision_id)
    assert _orphans(filled, codec) == []
    monkeypatch.setattr("service.upkeep.audit.YOUNG_S", -1)
    assert [fault.object for fault in _orphans(filled, codec)] == [path.stem]
    entry = filled.journal / f"{'ab' * 16}.entry"
    entry.write_bytes(b"")
    assert {fault.object for fault in _orphans(filled, codec)} == {
        path.stem,
        f"journal/{'ab' * 16}",
    }


def test_a_row_and_its_object_set_back_together_are_stale(filled: Home, codec: Codec) -> None:
    """An earlier object, itself sound, is put back together with its row."""
    before = _revision(filled, "1.2.1")
    path = _object(filled, "1.2.1")
    content = path.read_bytes()
    rotate(filled)
    reencrypt(filled, codec)
    now = _object(filled, "1.2.1")
    path.parent.mkdir(exist_ok=True, parents=True)
    path.write_bytes(content)
    now.unlink()
    _sql(
        filled,
        "UPDATE objects SET object_id = ?, key_id = ?, size = ? WHERE revision_id = ?",
        before.servable.object_id,
        before.key_id,
        before.size,
        before.servable.revision_id,
    )
    (fault,) = audit(filled, codec.predictors).faults
    assert (fault.sop_instance_uid, fault.kind) == ("1.2.1", Kind.STALE.value)


def test_a_reception_that_only_the_trail_knows_is_stale(filled: Home, codec: Codec) -> None:
    servable = _revision(filled, "1.2.3").servable
    entry_path(filled.journal, servable.entry_id).unlink()
    _sql(filled, "DELETE FROM revisions WHERE id = ?", servable.revision_id)
    row, fault = audit(filled, codec.predictors).faults
    assert (fault.sop_instance_uid, fault.kind) == ("1.2.3", Kind.STALE.value)
    assert (row.sop_instance_uid, row.kind) == ("1.2.3", Kind.ROW_MISMATCH.value)


def test_a_state_that_there_is_not_is_a_mismatch(filled: Home, codec: Codec) -> None:
    """No worker would ever claim it."""
    number = _revision(filled, "1.2.3").servable.revision_id
    _sql(filled, "UPDATE revisions SET state = 'Zjournalled' WHERE id = ?", number)
    (fault,) = audit(filled, codec.predictors).faults
    assert (fault.sop_instance_uid, fault.kind) == ("1.2.3", Kind.ROW_MISMATCH.value)


def test_a_scope_limits_what_is_read(filled: Home, codec: Codec) -> None:
    _missing(filled)
    later = utc_now() + 1
    assert audit(filled, codec.predictors, Scope(since=later)).checked == 0
    assert audit(filled, codec.predictors, Scope(sample=0.0)).checked == 0
    assert audit(filled, codec.predictors, Scope(since=1)).checked == 3


def test_an_object_that_moves_while_it_is_looked_at_is_no_fault(
    filled: Home, codec: Codec, monkeypatch: pytest.MonkeyPatch
) -> None:
    walk = filled.index.revisions.all

    def moved_meanwhile(since: int = 0) -> list[RevisionFacts]:
        monkeypatch.setattr(filled.index.revisions, "all", walk)
        rows = list(walk(since=since))
        drain(filled, codec)
        rotate(filled)
        reencrypt(filled, codec)
        return rows

    monkeypatch.setattr(filled.index.revisions, "all", moved_meanwhile)
    assert audit(filled, codec.predictors).faults == []
