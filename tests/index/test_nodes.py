from __future__ import annotations

import pytest

from dicom.archive import Node, Right
from service.errors import Unknown
from service.index import Index


def test_nodes_are_added_changed_listed_and_removed(index: Index) -> None:
    orthanc = Node("ORTHANC", "10.0.0.1", 4242)
    reader = Node("READER", "10.0.0.2", 104, frozenset({Right.QUERY}), coerced=True)
    index.nodes.add(reader)
    index.nodes.add(orthanc)
    assert index.nodes.list() == [orthanc, reader]
    assert index.nodes.get(" READER ") == reader
    moved = Node("READER", "10.0.0.3", 104, frozenset())
    index.nodes.add(moved)
    assert index.nodes.get("READER") == moved
    index.nodes.remove("READER")
    assert index.nodes.get("READER") is None
    with pytest.raises(Unknown):
        index.nodes.remove("READER")
    events = [entry.event for entry in index.trail.entries()]
    assert events == ["node added", "node added", "node added", "node removed"]
