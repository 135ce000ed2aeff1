"""The schema's version: a database is brought to the one that this code needs."""

from __future__ import annotations

from typing import Final

from sqlalchemy import ColumnClause, Connection, column, func, inspect, select, table

from service.errors import Missing
from service.failpoints import failpoint

HEAD: Final = "0001"
"""The last step of ``migrations/versions``, stated here so that looking needs no Alembic."""

_LOCK: Final = 0x5261_6469
"""Number of the advisory lock that processes starting at once queue up on; any would do."""

_VERSION: Final = "alembic_version"


def is_current(connection: Connection) -> bool:
    """Whether the tables are there, as this code needs them."""
    if not inspect(connection).has_table(_VERSION):
        return False
    version: ColumnClause[str] = column("version_num")
    statement = select(version).select_from(table(_VERSION))
    return connection.execute(statement).scalar_one_or_none() == HEAD


def upgrade(connection: Connection, *, create: bool) -> None:
    """Run the migrations that the database lacks.

    Args:
        connection: in a transaction that may alter tables.
        create: whether a database without tables gets them.

    Raises:
        Missing: there are no tables, and ``create`` is off.
        Conflict: a newer version of the software made the tables.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(select(func.pg_advisory_xact_lock(_LOCK)))
    if not create and not inspect(connection).has_table(_VERSION):
        raise Missing("the index has no tables: the archive was not initialised")
    # Alembic takes 0.3 s to import, and only a new or old index needs it.
    from service.index import migrations

    migrations.run(connection)
    failpoint("schema.upgraded")
