"""The first tables of the index."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

ROW = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TEXT = sa.String().with_variant(sa.String(collation="C"), "postgresql")


def upgrade() -> None:
    """Make every table, those that others refer to first."""
    _commitments()
    _corrections()
    _nodes()
    _users()
    _patients()
    _trail()
    _trail_head()
    _commitment_items()
    _studies()
    _series()
    _instances()
    _revisions()
    _command_uids()
    _objects()
    _replica()
    _decisions()
    _holds()
    _deletions()
    _rejections()


def _commitments() -> None:
    op.create_table(
        "commitments",
        sa.Column("id", ROW, nullable=False),
        sa.Column("transaction_uid", TEXT, nullable=False),
        sa.Column("calling_ae", TEXT, nullable=False),
        sa.Column("called_ae", TEXT, nullable=False),
        sa.Column("address", TEXT, nullable=False),
        sa.Column("requested_at", sa.BigInteger(), nullable=False),
        sa.Column("deadline", sa.BigInteger(), nullable=False),
        sa.Column("next_attempt", sa.BigInteger(), nullable=True),
        sa.Column("attempts", ROW, nullable=False),
        sa.Column("delivered", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_commitments"),
    )
    op.create_index("ix_commitments_next_attempt", "commitments", ["next_attempt"], unique=False)


def _corrections() -> None:
    op.create_table(
        "corrections",
        sa.Column("id", ROW, nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("details", sa.Text(), nullable=False),
        sa.Column("corrected_by", TEXT, nullable=False),
        sa.Column("corrected_at", sa.BigInteger(), nullable=False),
        sa.Column("reason", TEXT, nullable=False),
        sa.Column("undone_by", TEXT, nullable=True),
        sa.Column("undone_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_corrections"),
    )


def _nodes() -> None:
    op.create_table(
        "nodes",
        sa.Column("ae_title", TEXT, nullable=False),
        sa.Column("host", sa.String(), nullable=False),
        sa.Column("port", ROW, nullable=False),
        sa.Column("rights", sa.String(), nullable=False),
        sa.Column("coerced", sa.Boolean(), nullable=False),
        sa.Column("tls", sa.Boolean(), nullable=False),
        sa.Column("certificate", TEXT, nullable=False),
        sa.Column("sources", sa.Text(), nullable=False),
        sa.Column("destinations", sa.Text(), nullable=False),
        sa.Column("users", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("ae_title", name="pk_nodes"),
    )


def _users() -> None:
    op.create_table(
        "users",
        sa.Column("username", TEXT, nullable=False),
        sa.Column("salt", sa.LargeBinary(), nullable=False),
        sa.Column("log2_n", ROW, nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("username", name="pk_users"),
    )


def _patients() -> None:
    op.create_table(
        "patients",
        sa.Column("id", ROW, nullable=False),
        sa.Column("key", TEXT, nullable=False),
        sa.Column("patient_id_folded", TEXT, nullable=True),
        sa.Column("name_folded", TEXT, nullable=True),
        sa.Column("birth_date", TEXT, nullable=True),
        sa.Column("attributes", sa.Text(), nullable=False),
        sa.Column("received", sa.Text(), nullable=True),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_patients"),
        sa.UniqueConstraint("key", name="uq_patients_key"),
    )
    op.create_index(
        "ix_patients_patient_id_folded", "patients", ["patient_id_folded"], unique=False
    )


def _trail() -> None:
    op.create_table(
        "trail",
        sa.Column("position", ROW, autoincrement=False, nullable=False),
        sa.Column("entered_at", sa.BigInteger(), nullable=False),
        sa.Column("event", sa.String(), nullable=False),
        sa.Column("details", sa.Text(), nullable=False),
        sa.Column("previous", sa.LargeBinary(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("position", name="pk_trail"),
    )
    refused = sa.text("event = 'user refused'")
    op.create_index(
        "ix_trail_refused",
        "trail",
        ["entered_at"],
        sqlite_where=refused,
        postgresql_where=refused,
    )


def _trail_head() -> None:
    head = op.create_table(
        "trail_head",
        sa.Column("id", ROW, autoincrement=False, nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_trail_head"),
    )
    op.bulk_insert(head, [{"id": 1, "position": 0, "hash": bytes(32)}])


def _commitment_items() -> None:
    op.create_table(
        "commitment_items",
        sa.Column("id", ROW, nullable=False),
        sa.Column("commitment_id", ROW, nullable=False),
        sa.Column("position", ROW, nullable=False),
        sa.Column("sop_class_uid", TEXT, nullable=False),
        sa.Column("sop_instance_uid", TEXT, nullable=False),
        sa.ForeignKeyConstraint(
            ["commitment_id"],
            ["commitments.id"],
            name="fk_commitment_items_commitment_id",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name="pk_commitment_items"),
        sa.UniqueConstraint(
            "commitment_id", "position", name="uq_commitment_items_commitment_id_position"
        ),
    )


def _studies() -> None:
    op.create_table(
        "studies",
        sa.Column("id", ROW, nullable=False),
        sa.Column("patient_id", ROW, nullable=False),
        sa.Column("shown_patient_id", ROW, nullable=False),
        sa.Column("study_uid", TEXT, nullable=False),
        sa.Column("ambiguous", sa.Boolean(), nullable=False),
        sa.Column("study_date", TEXT, nullable=True),
        sa.Column("study_time", TEXT, nullable=True),
        sa.Column("accession_folded", TEXT, nullable=True),
        sa.Column("study_id_folded", TEXT, nullable=True),
        sa.Column("attributes", sa.Text(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["patient_id"], ["patients.id"], name="fk_studies_patient_id"),
        sa.ForeignKeyConstraint(
            ["shown_patient_id"], ["patients.id"], name="fk_studies_shown_patient_id"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_studies"),
        sa.UniqueConstraint("patient_id", "study_uid", name="uq_studies_patient_id_study_uid"),
    )
    op.create_index("ix_studies_accession_folded", "studies", ["accession_folded"], unique=False)
    op.create_index("ix_studies_shown_patient_id", "studies", ["shown_patient_id"], unique=False)
    op.create_index("ix_studies_study_date", "studies", ["study_date"], unique=False)
    op.create_index("ix_studies_study_uid", "studies", ["study_uid"], unique=False)


def _series() -> None:
    op.create_table(
        "series",
        sa.Column("id", ROW, nullable=False),
        sa.Column("study_id", ROW, nullable=False),
        sa.Column("series_uid", TEXT, nullable=False),
        sa.Column("modality", TEXT, nullable=False),
        sa.Column("modality_folded", TEXT, nullable=True),
        sa.Column("number", ROW, nullable=True),
        sa.Column("attributes", sa.Text(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["study_id"], ["studies.id"], name="fk_series_study_id"),
        sa.PrimaryKeyConstraint("id", name="pk_series"),
        sa.UniqueConstraint("study_id", "series_uid", name="uq_series_study_id_series_uid"),
    )


def _instances() -> None:
    op.create_table(
        "instances",
        sa.Column("id", ROW, nullable=False),
        sa.Column("series_id", ROW, nullable=True),
        sa.Column("sop_instance_uid", TEXT, nullable=False),
        sa.Column("number", ROW, nullable=True),
        sa.ForeignKeyConstraint(["series_id"], ["series.id"], name="fk_instances_series_id"),
        sa.PrimaryKeyConstraint("id", name="pk_instances"),
        sa.UniqueConstraint("sop_instance_uid", name="uq_instances_sop_instance_uid"),
    )
    op.create_index("ix_instances_series_id", "instances", ["series_id"], unique=False)


def _revisions() -> None:
    op.create_table(
        "revisions",
        sa.Column("id", ROW, nullable=False),
        sa.Column("instance_id", ROW, nullable=False),
        sa.Column("number", ROW, nullable=False),
        sa.Column("entry_id", sa.LargeBinary(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("served", sa.Boolean(), nullable=False),
        sa.Column("placed", sa.Boolean(), nullable=False),
        sa.Column("quarantined", sa.String(), nullable=True),
        sa.Column("rejected", sa.Boolean(), nullable=False),
        sa.Column("sop_class_uid", TEXT, nullable=False),
        sa.Column("command_sop_class_uid", TEXT, nullable=False),
        sa.Column("command_sop_instance_uid", TEXT, nullable=True),
        sa.Column("patient_key", TEXT, nullable=False),
        sa.Column("study_uid", TEXT, nullable=False),
        sa.Column("series_uid", TEXT, nullable=False),
        sa.Column("calling_ae", TEXT, nullable=False),
        sa.Column("called_ae", TEXT, nullable=False),
        sa.Column("address", TEXT, nullable=False),
        sa.Column("transfer_syntax", TEXT, nullable=False),
        sa.Column("lossy", sa.Boolean(), nullable=False),
        sa.Column("received_at", sa.BigInteger(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("length", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.LargeBinary(), nullable=False),
        sa.Column("attributes", sa.Text(), nullable=False),
        sa.Column("claimed_by", sa.String(), nullable=True),
        sa.Column("claimed_until", sa.BigInteger(), nullable=True),
        sa.Column("attempts", ROW, nullable=False),
        sa.Column("failure", sa.String(), nullable=True),
        sa.Column("verified_at", sa.BigInteger(), nullable=True),
        sa.Column("damage", sa.String(), nullable=True),
        sa.ForeignKeyConstraint(["instance_id"], ["instances.id"], name="fk_revisions_instance_id"),
        sa.PrimaryKeyConstraint("id", name="pk_revisions"),
        sa.UniqueConstraint("entry_id", name="uq_revisions_entry_id"),
        sa.UniqueConstraint("instance_id", "number", name="uq_revisions_instance_id_number"),
    )
    op.create_index(
        "ix_revisions_journalled",
        "revisions",
        ["sequence"],
        unique=False,
        sqlite_where=sa.text("state = 'journalled'"),
        postgresql_where=sa.text("state = 'journalled'"),
    )
    op.create_index("ix_revisions_verified_at", "revisions", ["verified_at"], unique=False)
    op.create_index(
        "ix_revisions_served",
        "revisions",
        ["instance_id"],
        unique=True,
        sqlite_where=sa.text("served = 1"),
        postgresql_where=sa.text("served"),
    )


def _command_uids() -> None:
    op.create_table(
        "command_uids",
        sa.Column("sop_instance_uid", TEXT, nullable=False),
        sa.Column("revision_id", ROW, nullable=False),
        sa.ForeignKeyConstraint(
            ["revision_id"], ["revisions.id"], name="fk_command_uids_revision_id"
        ),
        sa.PrimaryKeyConstraint("sop_instance_uid", "revision_id", name="pk_command_uids"),
    )


def _objects() -> None:
    op.create_table(
        "objects",
        sa.Column("id", ROW, nullable=False),
        sa.Column("object_id", sa.LargeBinary(), nullable=False),
        sa.Column("revision_id", ROW, nullable=False),
        sa.Column("key_id", sa.LargeBinary(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("model", sa.LargeBinary(), nullable=True),
        sa.Column("coding", sa.String(), nullable=False),
        sa.Column("sealed_at", sa.BigInteger(), nullable=False),
        sa.Column("replicated_at", sa.BigInteger(), nullable=True),
        sa.Column("replica_damage", sa.String(), nullable=True),
        sa.ForeignKeyConstraint(["revision_id"], ["revisions.id"], name="fk_objects_revision_id"),
        sa.PrimaryKeyConstraint("id", name="pk_objects"),
        sa.UniqueConstraint("object_id", name="uq_objects_object_id"),
        sa.UniqueConstraint("revision_id", name="uq_objects_revision_id"),
    )
    op.create_index("ix_objects_key_id", "objects", ["key_id"], unique=False)
    unreplicated = sa.text("replicated_at IS NULL")
    op.create_index(
        "ix_objects_unreplicated",
        "objects",
        ["id"],
        unique=False,
        sqlite_where=unreplicated,
        postgresql_where=unreplicated,
    )
    damaged = sa.text("replica_damage IS NOT NULL")
    op.create_index(
        "ix_objects_replica_damage",
        "objects",
        ["id"],
        unique=False,
        sqlite_where=damaged,
        postgresql_where=damaged,
    )


def _replica() -> None:
    op.create_table(
        "replica_removals",
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("file_id", sa.LargeBinary(), nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("kind", "file_id", name="pk_replica_removals"),
    )
    op.create_table(
        "replica_reads",
        sa.Column("object_id", sa.LargeBinary(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("reads", ROW, nullable=False),
        sa.Column("last_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("object_id", name="pk_replica_reads"),
    )


def _decisions() -> None:
    op.create_table(
        "decisions",
        sa.Column("sequence", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("sequence", name="pk_decisions"),
    )


def _holds() -> None:
    op.create_table(
        "holds",
        sa.Column("id", ROW, nullable=False),
        sa.Column("level", sa.String(), nullable=False),
        sa.Column("key", TEXT, nullable=False),
        sa.Column("held_by", TEXT, nullable=False),
        sa.Column("held_at", sa.BigInteger(), nullable=False),
        sa.Column("reason", TEXT, nullable=False),
        sa.Column("released_by", TEXT, nullable=True),
        sa.Column("released_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_holds"),
        sa.UniqueConstraint("held_at", name="uq_holds_held_at"),
    )


def _deletions() -> None:
    op.create_table(
        "deletions",
        sa.Column("id", ROW, nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("deleted_by", TEXT, nullable=False),
        sa.Column("deleted_at", sa.BigInteger(), nullable=False),
        sa.Column("reason", TEXT, nullable=False),
        sa.Column("due", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_deletions"),
        sa.UniqueConstraint("deleted_at", name="uq_deletions_deleted_at"),
    )
    _deleted_revisions()
    op.create_table(
        "purged_objects",
        sa.Column("object_id", sa.LargeBinary(), nullable=False),
        sa.Column("deletion_id", ROW, nullable=False),
        sa.ForeignKeyConstraint(
            ["deletion_id"], ["deletions.id"], name="fk_purged_objects_deletion_id"
        ),
        sa.PrimaryKeyConstraint("object_id", name="pk_purged_objects"),
    )
    op.create_index("ix_purged_objects_deletion_id", "purged_objects", ["deletion_id"])


def _deleted_revisions() -> None:
    table = "deleted_revisions"
    op.create_table(
        table,
        sa.Column("deletion_id", ROW, nullable=False),
        sa.Column("entry_id", sa.LargeBinary(), nullable=False),
        sa.Column("sop_instance_uid", TEXT, nullable=False),
        sa.Column("number", ROW, nullable=False),
        sa.Column("sha256", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["deletion_id"], ["deletions.id"], name="fk_deleted_revisions_deletion_id"
        ),
        sa.PrimaryKeyConstraint("deletion_id", "entry_id", name="pk_deleted_revisions"),
    )
    op.create_index("ix_deleted_revisions_entry_id", table, ["entry_id"])
    op.create_index("ix_deleted_revisions_sop_instance_uid", table, ["sop_instance_uid"])


def _rejections() -> None:
    op.create_table(
        "rejections",
        sa.Column("id", ROW, nullable=False),
        sa.Column("entry_id", sa.LargeBinary(), nullable=False),
        sa.Column("sop_instance_uid", TEXT, nullable=False),
        sa.Column("code", sa.String(), nullable=False),
        sa.Column("rejected_by", TEXT, nullable=False),
        sa.Column("rejected_at", sa.BigInteger(), nullable=False),
        sa.Column("hides", sa.Boolean(), nullable=False),
        sa.Column("revoked_by", TEXT, nullable=True),
        sa.Column("revoked_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_rejections"),
        sa.UniqueConstraint("entry_id", name="uq_rejections_entry_id"),
        sa.UniqueConstraint("rejected_at", name="uq_rejections_rejected_at"),
    )
    op.create_table(
        "rejected_instances",
        sa.Column("rejection_id", ROW, nullable=False),
        sa.Column("sop_instance_uid", TEXT, nullable=False),
        sa.Column("study_uid", TEXT, nullable=False),
        sa.ForeignKeyConstraint(
            ["rejection_id"], ["rejections.id"], name="fk_rejected_instances_rejection_id"
        ),
        sa.PrimaryKeyConstraint("rejection_id", "sop_instance_uid", name="pk_rejected_instances"),
    )
    op.create_index(
        "ix_rejected_instances_sop_instance_uid", "rejected_instances", ["sop_instance_uid"]
    )


def downgrade() -> None:
    """Nothing stands before this step."""
    raise NotImplementedError("there is no index without these tables")
