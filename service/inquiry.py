"""Queries with their trail entry: who asked for which attributes, and how much was found."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from pydicom.tag import Tag

from dicom.archive import Match, Query
from service.home import Home

_STUDY_UID: Final = Tag("StudyInstanceUID")


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
                "model": query.model.value,
                "level": query.level,
                "keys": [element.keyword or str(element.tag) for element in query.identifier],
                "found": found,
            },
        )


def studies(home: Home, query: Query) -> list[str]:
    """Name the studies that a retrieval covers, by their UIDs."""
    element = query.identifier.get(_STUDY_UID)  # By its tag: a keyword would give the value.
    if element is not None and not element.is_empty:
        return [str(uid) for uid in (element.value if element.VM > 1 else [element.value])]
    covered = home.index.select(query)
    found = (home.index.revisions.get(one.revision_id).study_uid for one in covered)
    return sorted(set(found))
