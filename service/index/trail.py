"""The audit trail: append-only, each entry's hash covering the one before it.

An entry holds what happened, when, and the UIDs and AE titles it concerns: nothing else of a
patient. The chain shows any change to what is in it; that its end was cut off together with the
head row shows only against a copy of an earlier head kept elsewhere (``backup`` keeps one).
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

from sqlalchemy import Connection, insert, select, update

from service.index.database import Database
from service.index.tables import IS_REFUSED, TrailEntry, TrailHead
from service.sequence import utc_now

FIRST: Final = bytes(32)
"""What stands for the hash before the first entry."""

_PAGE: Final = 1000

_HEAD: Final = select(TrailHead.position, TrailHead.hash)
_LOCK_HEAD: Final = _HEAD.with_for_update()
_MOVE_HEAD: Final = update(TrailHead)
_ENTER: Final = insert(TrailEntry)

Details = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of the trail."""

    position: int
    at: int
    event: str
    details: Details
    previous: bytes
    hash: bytes


@dataclass(frozen=True, slots=True)
class Break:
    """One place where the chain does not hold."""

    position: int
    kind: str
    """``altered``, ``removed``, ``reordered`` or ``added``; of the anchor, a kind of the audit."""
    detail: str


class Trail:
    """The trail of one index."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def append(self, event: str, details: Details) -> int:
        """Enter an event in a transaction of its own; give its position."""
        with self._database.write() as connection:
            return append(connection, event, details)

    def entries(self, after: int = 0) -> Iterator[Entry]:
        """Read the entries behind a position, in order, page by page."""
        while page := self._page(after):
            yield from page
            after = page[-1].position

    def head(self) -> tuple[int, bytes]:
        """Give the last entry's position and hash: what a copy elsewhere is to be compared with."""
        with self._database.read() as connection:
            row = connection.execute(_HEAD).one()
        return row.position, row.hash

    def hash_at(self, position: int) -> bytes | None:
        """Give the hash of one entry, None where there is no such entry."""
        if position == 0:
            return FIRST
        statement = select(TrailEntry.hash).where(TrailEntry.position == position)
        with self._database.read() as connection:
            return connection.scalars(statement).one_or_none()

    def refused_users(self, since: int) -> Counter[tuple[str, str]]:
        """Count how often users were not proven since then, by AE title and address of the peer."""
        statement = select(TrailEntry.details).where(IS_REFUSED, TrailEntry.at >= since)
        with self._database.read() as connection:
            told = map(_read, connection.execute(statement).scalars())
            return Counter((str(one.get("peer")), str(one.get("address"))) for one in told)

    def verify(self) -> list[Break]:
        """Name every place where an entry was altered, removed, put elsewhere or added.

        Entries may be appended meanwhile: the head is read after the entries it must agree with.
        """
        breaks: list[Break] = []
        position, link = 0, FIRST
        while True:
            for entry in self.entries(after=position):
                breaks.extend(_breaks(entry, position, link))
                position, link = entry.position, entry.hash
            end = self.head()
            if end[0] <= position or not self._page(position):
                break
        if (position, link) != end:
            breaks.append(_end_break(position, end[0]))
        return breaks

    def _page(self, after: int) -> list[Entry]:
        statement = (
            select(TrailEntry.__table__)
            .where(TrailEntry.position > after)
            .order_by(TrailEntry.position)
            .limit(_PAGE)
        )
        with self._database.read() as connection:
            rows = connection.execute(statement).all()
        return [
            Entry(
                row.position, row.entered_at, row.event, _read(row.details), row.previous, row.hash
            )
            for row in rows
        ]


def append(connection: Connection, event: str, details: Details, at: int | None = None) -> int:
    """Enter an event in the caller's transaction, as its last statement; give its position."""
    at = utc_now() if at is None else at
    previous_position, previous = _advance(connection)
    position = previous_position + 1
    digest = entry_hash(previous, position, at, event, details)
    entry = {"position": position, "entered_at": at, "event": event}
    sealed = {"details": _canonical(details), "previous": previous, "hash": digest}
    connection.execute(_ENTER, entry | sealed)
    connection.execute(_MOVE_HEAD, {"position": position, "hash": digest})
    return position


def entry_hash(previous: bytes, position: int, at: int, event: str, details: Details) -> bytes:
    """Hash an entry: SHA-256 of the previous hash and the entry as canonical JSON."""
    entry = {"position": position, "at": at, "event": event, "details": details}
    return sha256(previous + _canonical(entry).encode("ascii")).digest()


def _canonical(value: Details) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def _read(text: str) -> Details:
    """Read an entry's details, also those that somebody made into something else."""
    try:
        details = json.loads(text)
    except ValueError:
        details = text
    return details if isinstance(details, dict) else {"unreadable": text}


def _advance(connection: Connection) -> tuple[int, bytes]:
    """Lock the head, so that the next writer waits for this transaction's end, and read it."""
    row = connection.execute(_LOCK_HEAD).one()
    return row.position, row.hash


def _breaks(entry: Entry, position: int, link: bytes) -> Iterator[Break]:
    if entry.position != position + 1:
        missing = f"entries {position + 1} to {entry.position - 1} are gone"
        yield Break(position + 1, "removed", missing)
    elif entry.previous != link:
        yield Break(entry.position, "reordered", "does not follow the entry before it")
    computed = entry_hash(entry.previous, entry.position, entry.at, entry.event, entry.details)
    if computed != entry.hash:
        yield Break(entry.position, "altered", "its hash does not fit its contents")


def _end_break(position: int, expected: int) -> Break:
    if position < expected:
        return Break(position + 1, "removed", f"entries {position + 1} to {expected} are gone")
    if position > expected:
        return Break(expected + 1, "added", "stands behind the head")
    return Break(position, "altered", "the last entry's hash is not the head's")
