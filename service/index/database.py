"""One SQL database behind the index: how transactions begin, what SQLite must promise."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Any, Final

from sqlalchemy import URL, Connection, Engine, Row, Select, create_engine, event, make_url
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.pool import ConnectionPoolEntry, QueuePool

from service.errors import Busy, IndexFault, OutOfSpace

_FULL: Final = 2
"""SQLite's number for ``synchronous=FULL``: every commit is on the disk before it returns."""

_RACED: Final = ("40001", "40P01")
"""PostgreSQL's SQLSTATEs of serialization failures and deadlocks."""

_POOL: Final = 64
"""Connections at most: one for each association thread of a receiver that is in a query."""

_PRIVATE: Final = 0o600
"""Mode of files that hold patients' names in the clear."""

_KEPT: Final = 4
"""Connections that stay open to a server: each is a process there, of 100 by default."""


AnyRow = Row[*tuple[Any, ...]]
AnySelect = Select[*tuple[Any, ...]]


def sqlite_url(path: Path) -> str:
    """Name the SQLite database of a file, whatever characters its path holds."""
    return URL.create("sqlite", database=str(path)).render_as_string()


class Raced(IndexFault):
    """Another transaction wrote the same rows first; the same transaction now finds them."""


class Database:
    """Connections to one database. Open it after a fork: neither engine nor SQLite survives one.

    Args:
        url: SQLAlchemy's.
        busy_timeout_s: seconds to wait for another process's write.
        durable: off for what is thrown away afterwards (SQLite only): nothing is synced.
    """

    def __init__(self, url: str, busy_timeout_s: float, *, durable: bool = True) -> None:
        self.url = make_url(url)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        self._engine = _sqlite_engine(url, busy_timeout_s) if self.is_sqlite else _engine(url)
        if not durable:
            event.listen(self._engine, "connect", _sync_nothing)
        self._reader = self._engine.execution_options(radiolith_read=True)
        # SQLite has one writer. Threads of a process wait here, woken at once, not in its polling.
        self._turn = Lock()

    @property
    def engine(self) -> Engine:
        """The engine, for migrations."""
        return self._engine

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """Run a transaction that may write: committed at the end of the block, durable then.

        Raises:
            Busy: another process kept the database locked for longer than the busy timeout.
            OutOfSpace: the database's disk is full.
            IndexFault: the database failed otherwise.
        """
        with (
            _faults(),
            self._turn if self.is_sqlite else _no_turn(),
            self._engine.begin() as opened,
        ):
            yield opened

    @contextmanager
    def change_tables(self) -> Iterator[Connection]:
        """Run a transaction that may alter tables; references are looked at when it ends.

        SQLite alters most of a table by making it anew. While it looks at references, removing the
        old one is refused, or takes along the rows that refer to it (sqlite.org/lang_altertable).

        Raises:
            Busy, OutOfSpace: as :meth:`write` does.
            IndexFault: the database failed, or a row would refer to one that is gone.
        """
        with _faults(), self._engine.connect() as opened:
            if self.is_sqlite:
                _drive(opened).execute("PRAGMA foreign_keys = OFF")
                opened.detach()  # closed at the end: no later transaction is to have this
            with opened.begin():
                yield opened
                if loose := _loose(opened) if self.is_sqlite else []:
                    raise IndexFault(loose[0])

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Run a transaction that only reads; on SQLite it waits for no writer.

        Raises:
            IndexFault: the database failed.
        """
        with _faults(), self._reader.begin() as opened:
            yield opened

    def fold_log(self) -> None:
        """Bring SQLite's write-ahead log into the database and empty it, if no reader needs it now.

        What it held of rows that were removed is gone then.
        """
        if self.is_sqlite:
            with self._engine.connect() as opened:
                _drive(opened).execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def check(self) -> list[str]:
        """Name what is wrong with a SQLite database's structure, and rows that refer to none.

        Raises:
            IndexFault: it cannot be read at all.
        """
        if not self.is_sqlite:
            return []
        with self.read() as connection:
            told = connection.exec_driver_sql("PRAGMA integrity_check").scalars().all()
            loose = _loose(connection)
        return [line for text in told if text != "ok" for line in str(text).splitlines()] + loose

    def close(self) -> None:
        """Close every connection."""
        self._engine.dispose()


@contextmanager
def _no_turn() -> Iterator[None]:
    yield


def _drive(connection: Connection) -> Any:
    """Give SQLite's own connection, for what must not begin a transaction."""
    return connection.connection.driver_connection


def _loose(connection: Connection) -> list[str]:
    found = connection.exec_driver_sql("PRAGMA foreign_key_check").all()
    return [f"{row[0]}/{row[1]} refers to a row of {row[2]} that is gone" for row in found]


@contextmanager
def _faults() -> Iterator[None]:
    """Tell the database's errors as ours. Parameters are patient data and stay hidden."""
    try:
        yield
    except DBAPIError as error:
        code = getattr(error.orig, "sqlite_errorname", "")
        if code.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
            raise Busy("the index is locked by another process") from error
        if code == "SQLITE_FULL":
            raise OutOfSpace("the index's disk is full") from error
        state = getattr(error.orig, "sqlstate", None)
        kind = Raced if isinstance(error, IntegrityError) or state in _RACED else IndexFault
        raise kind(f"{type(error).__name__} {code or state}") from error


def _engine(url: str) -> Engine:
    return create_engine(
        url,
        hide_parameters=True,
        pool_pre_ping=True,
        pool_size=_KEPT,
        max_overflow=_POOL - _KEPT,
    )


def _sqlite_engine(url: str, busy_timeout_s: float) -> Engine:
    path = make_url(url).database
    if path:
        # SQLite gives its write-ahead log the mode of the database file.
        os.close(os.open(path, os.O_CREAT | os.O_CLOEXEC, _PRIVATE))
    engine = create_engine(
        url,
        hide_parameters=True,
        poolclass=QueuePool,
        pool_size=_POOL,
        max_overflow=0,
        connect_args={"timeout": busy_timeout_s},
    )
    event.listen(engine, "connect", _prepare)
    event.listen(engine, "begin", _begin)
    return engine


def _prepare(connection: sqlite3.Connection, _: ConnectionPoolEntry) -> None:
    """Set what SQLite keeps per connection, and make sure that it obeys."""
    connection.isolation_level = None  # our own BEGIN, not the driver's
    _into_wal(connection)
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")
    # What rows said is overwritten when they go or change: names of purged patients, too.
    connection.execute("PRAGMA secure_delete = ON")
    if connection.execute("PRAGMA synchronous").fetchone()[0] != _FULL:
        raise IndexFault("SQLite does not take synchronous=FULL: commits would not be durable")


def _sync_nothing(connection: sqlite3.Connection, _: ConnectionPoolEntry) -> None:
    connection.execute("PRAGMA synchronous = OFF")


def _into_wal(connection: sqlite3.Connection) -> None:
    """Switch to the write-ahead log. SQLite's busy timeout does not cover this one lock."""
    for wait_s in (0.01, 0.03, 0.1, 0.3, 1.0, 0.0):
        try:
            mode = connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
        except sqlite3.OperationalError:
            mode = "locked"
        if mode == "wal":
            return
        time.sleep(wait_s)
    raise IndexFault(f"SQLite does not take journal_mode=WAL here: it stays {mode}")


def _begin(connection: Connection) -> None:
    """Take the write lock first: a read lock that is to become one can fail at once."""
    reads: Any = connection.get_execution_options().get("radiolith_read")
    connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")
