"""The schema's version: a database is brought to the one that this code needs."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, func, select

from service.errors import Conflict, Missing

MIGRATIONS: Final = Path(__file__).with_name("migrations")

_LOCK: Final = 0x5261_6469
"""Number of the advisory lock that processes starting at once queue up on; any would do."""


def upgrade(connection: Connection, *, create: bool) -> None:
    """Run the migrations that the database lacks.

    Args:
        connection: in a transaction that may write.
        create: whether a database without tables gets them.

    Raises:
        Missing: there are no tables, and ``create`` is off.
        Conflict: a newer version of the software made the tables.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(select(func.pg_advisory_xact_lock(_LOCK)))
    script = ScriptDirectory.from_config(configuration(connection))
    present = MigrationContext.configure(connection).get_current_revision()
    if present == script.get_current_head():
        return
    if present is None and not create:
        raise Missing("the index has no tables: the archive was not initialised")
    if present is not None and present not in {step.revision for step in script.walk_revisions()}:
        raise Conflict(f"the index has schema {present}, made by a newer version of this software")
    command.upgrade(configuration(connection), "head")


def configuration(connection: Connection) -> Config:
    """Give Alembic's configuration, without a file."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config
