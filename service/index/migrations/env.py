"""Run by Alembic inside :func:`service.index.migrations.run`, on a connection given to it."""

from __future__ import annotations

from alembic import context

from service.index.tables import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    render_as_batch=True,
)
context.run_migrations()
