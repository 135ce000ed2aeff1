"""Queries with their trail entry: who asked for which attributes, and how much was found."""

from __future__ import annotations

from collections.abc import Iterator

from dicom.archive import Match, Query
from service.home import Home


def find(home: Home, query: Query) -> Iterator[Match]:
    """Match a query, lazily; when it ends, however it ends, its trail entry is written.

    The entry names the keys, never their values: those may be a patient's.

    Raises:
        ArchiveFault: 0xA900: the identifier does not fit its level and model.
        IoFault: the index failed.
    """
    found = 0
    try:
        for match in home.index.find(query):
            found += 1
            yield match
    finally:
        home.index.trail.append(
            "query",
            {
                "peer": query.peer.calling_ae,
                "address": query.peer.address,
                "level": query.level,
                "keys": [element.keyword or str(element.tag) for element in query.identifier],
                "found": found,
            },
        )
