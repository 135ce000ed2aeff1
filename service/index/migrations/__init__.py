"""Alembic's environment: the index's tables, one step after another."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from service.errors import Conflict


def run(connection: Connection) -> None:
    """Run the steps that a database lacks.

    Raises:
        Conflict: a newer version of the software made its tables.
    """
    script = ScriptDirectory.from_config(configuration(connection))
    present = MigrationContext.configure(connection).get_current_revision()
    if present is not None and present not in {step.revision for step in script.walk_revisions()}:
        raise Conflict(f"the index has schema {present}, made by a newer version of this software")
    command.upgrade(configuration(connection), "head")


def configuration(connection: Connection) -> Config:
    """Give Alembic's configuration, without a file."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config
