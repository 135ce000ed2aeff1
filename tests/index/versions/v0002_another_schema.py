"""A step that does to an index what later ones may: tables altered, made anew, filled, removed."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Alter a table in place, make two anew to which others refer, move rows to another."""
    op.add_column("studies", sa.Column("reading", sa.Text(), nullable=True))
    op.execute("UPDATE studies SET reading = study_uid || ' is to be read'")
    for name in ("commitments", "instances"):
        with op.batch_alter_table(name, recreate="always") as table:
            table.add_column(sa.Column("priority", sa.Integer(), server_default="7"))
    op.create_table("addresses", sa.Column("address", sa.String(), primary_key=True))
    op.execute("INSERT INTO addresses SELECT DISTINCT address FROM revisions")
    op.drop_index("ix_studies_study_date", "studies")
    op.drop_table("replica_reads")


def downgrade() -> None:
    """Nobody goes back."""
    raise NotImplementedError
