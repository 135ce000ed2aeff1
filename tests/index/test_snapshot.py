"""Copies of an index, wherever it lies."""

from __future__ import annotations

from pathlib import Path

from dicom.archive import Node
from service.index import Index, snapshot, sqlite_url
from tests.index.conftest import POLICY

AWKWARD = "50%20 of #2?"
"""A folder's name that means something else inside a URI."""


def _index(folder: Path, name: str) -> Path:
    path = folder / name
    Index.open(sqlite_url(path), POLICY, create=True).close()
    return path


def test_a_copy_and_what_is_carried_over_know_the_nodes(tmp_path: Path) -> None:
    folder = tmp_path / AWKWARD
    folder.mkdir()
    source, copied = _index(folder, "source.sqlite"), folder / "copied.sqlite"
    index = Index.open(sqlite_url(source), POLICY)
    index.nodes.add(Node("AET", "127.0.0.1", 104))
    index.close()
    snapshot.copy(source, copied)
    rebuilt = _index(folder, "rebuilt.sqlite")
    assert snapshot.carry_over(copied, rebuilt)
    index = Index.open(sqlite_url(rebuilt), POLICY)
    assert [node.ae_title for node in index.nodes.list()] == ["AET"]
    index.close()


def test_what_is_no_index_carries_nothing_over(tmp_path: Path) -> None:
    source = tmp_path / "source.sqlite"
    source.write_bytes(b"no database, and longer than a header of a database would have to be")
    assert not snapshot.carry_over(source, _index(tmp_path, "rebuilt.sqlite"))
