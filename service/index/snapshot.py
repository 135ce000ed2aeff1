"""Copies of an index in a SQLite file: whole, or of what no object or journal entry tells."""

from __future__ import annotations

import sqlite3
from contextlib import closing, suppress
from pathlib import Path
from typing import Final

from service.errors import IndexFault

CARRIED: Final = (
    "nodes", "users", "commitments", "commitment_items", "trail", "trail_head", "replica_removals",
)  # fmt: skip
"""Tables that nothing sealed could restore. Corrections and decisions have notes of their own."""

_COMMAND_UIDS: Final = """
    INSERT OR IGNORE INTO main.command_uids (sop_instance_uid, revision_id)
    SELECT named.sop_instance_uid, rebuilt.id FROM source.command_uids AS named
    JOIN source.revisions AS held ON held.id = named.revision_id
    JOIN main.revisions AS rebuilt ON rebuilt.entry_id = held.entry_id
"""
"""Those of duplicates, of which nothing was stored: rows of one revision may differ in number."""


def copy(source: Path, target: Path) -> None:
    """Copy a database that may be in use, in one consistent state, to a new file.

    Raises:
        IndexFault: it cannot be read, or the copy not written.
    """
    try:
        with (
            closing(sqlite3.connect(_read_only(source), uri=True)) as read,
            closing(sqlite3.connect(target)) as written,
        ):
            read.backup(written)
    except sqlite3.Error as error:
        raise IndexFault(f"the index cannot be copied: {error}") from error


def fold(path: Path) -> None:
    """Bring what its write-ahead log holds into a database's file, durably, if it can be read."""
    with suppress(sqlite3.Error), closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def carry_over(source: Path, target: Path) -> bool:
    """Replace nodes, commitments and trail of an index by those of another of the same schema.

    The UIDs that commands gave the same revisions are added.

    Returns:
        False, and nothing is changed, where the source cannot be read or has another schema.
    """
    try:
        with closing(
            sqlite3.connect(target.absolute().as_uri(), isolation_level=None, uri=True)
        ) as connection:
            connection.execute("ATTACH ? AS source", (_read_only(source),))
            connection.execute("BEGIN IMMEDIATE")
            if _schema(connection, "source") != _schema(connection, "main"):
                return False
            for table in CARRIED:
                connection.execute(f"DELETE FROM main.{table}")  # noqa: S608 - our own names
                connection.execute(f"INSERT INTO main.{table} SELECT * FROM source.{table}")  # noqa: S608
            connection.execute(_COMMAND_UIDS)
            connection.execute("COMMIT")
    except sqlite3.Error:
        return False
    return True


def _read_only(path: Path) -> str:
    return f"{path.absolute().as_uri()}?mode=ro"


def _schema(connection: sqlite3.Connection, database: str) -> list[tuple[str]]:
    return connection.execute(f"SELECT version_num FROM {database}.alembic_version").fetchall()  # noqa: S608
