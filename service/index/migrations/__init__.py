"""Alembic's environment: the index's tables, one step after another."""
