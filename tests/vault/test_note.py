"""Notes: sealed, durable, and every altered byte a named fault."""

from __future__ import annotations

from pathlib import Path

import pytest

from service.errors import DataFault, Missing, Truncated, WrongInstance
from service.sealing.note import note_ids, read_note, write_note
from tests.vault.helpers import FixedKeys

KEYS = FixedKeys()
CONTENT = {"kind": "rejected", "entry_id": "00" * 16, "sequence": 7}


def test_what_is_noted_is_read(tmp_path: Path) -> None:
    folder = tmp_path / "notes"
    assert list(note_ids(folder)) == []
    written = sorted(write_note(folder, KEYS, CONTENT | {"n": n}) for n in range(5))
    assert list(note_ids(folder)) == written
    assert {read_note(folder, KEYS, note_id)["n"] for note_id in written} == set(range(5))


def test_nothing_of_a_note_is_clear(tmp_path: Path) -> None:
    write_note(tmp_path, KEYS, CONTENT)
    (path,) = tmp_path.iterdir()
    assert b"rejected" not in path.read_bytes()


def test_altered_truncated_and_exchanged_notes_are_named(tmp_path: Path) -> None:
    one, two = write_note(tmp_path, KEYS, CONTENT), write_note(tmp_path, KEYS, CONTENT)
    path = tmp_path / f"{one.hex()}.note"
    data = path.read_bytes()
    for offset in range(len(data)):
        path.write_bytes(data[:offset] + bytes([data[offset] ^ 9]) + data[offset + 1 :])
        with pytest.raises(DataFault):
            read_note(tmp_path, KEYS, one)
        path.write_bytes(data[:offset])
        with pytest.raises(Truncated):
            read_note(tmp_path, KEYS, one)
    path.write_bytes((tmp_path / f"{two.hex()}.note").read_bytes())
    with pytest.raises(WrongInstance):
        read_note(tmp_path, KEYS, one)
    path.unlink()
    with pytest.raises(Missing):
        read_note(tmp_path, KEYS, one)
