"""The tables of the index, as typed models.

Times are integers: microseconds since 1970-01-01 UTC. Text that is matched in SQL stands folded
(:func:`service.index.text.fold`) beside the values as received, which are in the ``attributes`` of
the same row: JSON as :mod:`service.index.attributes` writes it. A folded or normalised column is
NULL where SQL cannot tell (several values, a malformed date): such rows are left to
:mod:`dicom.matching`, and an empty text means that there is no value.
"""

from __future__ import annotations

from typing import Annotated, Final

from sqlalchemy import (
    BigInteger,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from service.index.text import OpaqueText, plain_text

JOURNALLED: Final = "journalled"
ARCHIVED: Final = "archived"

Row = Annotated[int, mapped_column(primary_key=True)]
Micros = Annotated[int, mapped_column(BigInteger)]
Uid = Annotated[str, mapped_column(OpaqueText)]
Folded = Annotated[str | None, mapped_column(plain_text())]
Json = Annotated[str, mapped_column(Text)]
Digest = Annotated[bytes, mapped_column(LargeBinary)]


class Base(DeclarativeBase):
    """The registry of all tables."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(column_0_label)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {  # noqa: RUF012 (SQLAlchemy declares it so)
        # SQLite numbers rows by itself only for a primary key of type INTEGER.
        int: BigInteger().with_variant(Integer, "sqlite"),
        str: String,
    }


class Patient(Base):
    """A patient: (Patient ID, Issuer of Patient ID), or one study where the ID is empty."""

    __tablename__ = "patients"

    id: Mapped[Row]
    key: Mapped[Uid] = mapped_column(unique=True)
    """What makes it one patient (:func:`service.index.identity.patient_key`)."""
    patient_id_folded: Mapped[Folded] = mapped_column(index=True)
    name_folded: Mapped[Folded]
    birth_date: Mapped[Folded]
    attributes: Mapped[Json]
    """Effective: what queries see."""
    received: Mapped[str | None] = mapped_column(Text)
    """Attributes as received, where a correction made the effective ones differ."""
    sequence: Mapped[Micros]
    """Receive sequence of the latest revision that the attributes come from."""


class Study(Base):
    """A study of a patient. The same Study Instance UID may occur under several patients."""

    __tablename__ = "studies"
    __table_args__ = (UniqueConstraint("patient_id", "study_uid"),)

    id: Mapped[Row]
    patient_id: Mapped[int] = mapped_column(ForeignKey("patients.id"))
    """As received."""
    shown_patient_id: Mapped[int] = mapped_column(ForeignKey("patients.id"), index=True)
    """Effective: the patient that queries show it under."""
    study_uid: Mapped[Uid] = mapped_column(index=True)
    ambiguous: Mapped[bool]
    """Whether another patient has a study of the same UID."""
    study_date: Mapped[Folded] = mapped_column(index=True)
    study_time: Mapped[Folded]
    accession_folded: Mapped[Folded] = mapped_column(index=True)
    study_id_folded: Mapped[Folded]
    attributes: Mapped[Json]
    sequence: Mapped[Micros]


class Series(Base):
    """A series of a study."""

    __tablename__ = "series"
    __table_args__ = (UniqueConstraint("study_id", "series_uid"),)

    id: Mapped[Row]
    study_id: Mapped[int] = mapped_column(ForeignKey("studies.id"))
    series_uid: Mapped[Uid]
    modality: Mapped[Uid]
    modality_folded: Mapped[Folded]
    number: Mapped[int | None]
    attributes: Mapped[Json]
    sequence: Mapped[Micros]


class Instance(Base):
    """A SOP Instance, where its served revision puts it."""

    __tablename__ = "instances"

    id: Mapped[Row]
    series_id: Mapped[int | None] = mapped_column(ForeignKey("series.id"), index=True)
    """NULL while it is hidden (:mod:`service.index.hiding`): no query reaches it then."""
    sop_instance_uid: Mapped[Uid] = mapped_column(unique=True)
    number: Mapped[int | None]


_IS_JOURNALLED = text("state = 'journalled'")


class Revision(Base):
    """One distinct byte string received for a SOP Instance."""

    __tablename__ = "revisions"
    __table_args__ = (
        UniqueConstraint("instance_id", "number"),
        Index(
            "ix_revisions_journalled",
            "sequence",
            sqlite_where=_IS_JOURNALLED,
            postgresql_where=_IS_JOURNALLED,
        ),
        Index(
            "ix_revisions_served",
            "instance_id",
            unique=True,
            sqlite_where=text("served = 1"),
            postgresql_where=text("served"),
        ),
    )

    id: Mapped[Row]
    instance_id: Mapped[int] = mapped_column(ForeignKey("instances.id"))
    number: Mapped[int]
    """1 for the first revision of its instance."""
    entry_id: Mapped[Digest] = mapped_column(unique=True)
    state: Mapped[str]
    """``journalled`` or ``archived``."""
    served: Mapped[bool]
    """Whether it is the one that stands for its instance, also while that is hidden."""
    placed: Mapped[bool]
    """Whether it ever stood for its instance, so that levels above have its attributes."""
    quarantined: Mapped[str | None]
    """Why it is not served before an administrator accepts it; NULL when it may be."""
    rejected: Mapped[bool]
    """Whether an administrator decided that it is never served."""
    sop_class_uid: Mapped[Uid]
    command_sop_class_uid: Mapped[Uid]
    command_sop_instance_uid: Mapped[str | None] = mapped_column(OpaqueText)
    """NULL when it is the instance's own."""
    patient_key: Mapped[Uid]
    study_uid: Mapped[Uid]
    """With a surrogate where the dataset has none."""
    series_uid: Mapped[Uid]
    calling_ae: Mapped[Uid]
    called_ae: Mapped[Uid]
    address: Mapped[Uid]
    transfer_syntax: Mapped[Uid]
    lossy: Mapped[bool]
    received_at: Mapped[Micros]
    sequence: Mapped[Micros]
    length: Mapped[Micros]
    sha256: Mapped[Digest]
    attributes: Mapped[Json]
    """All head attributes but bulk, of every level."""
    claimed_by: Mapped[str | None]
    claimed_until: Mapped[int | None] = mapped_column(BigInteger)
    """When the lease ends, or when a failed one may be tried again."""
    attempts: Mapped[int]
    failure: Mapped[str | None]
    """Why the last attempt to archive it failed."""
    verified_at: Mapped[int | None] = mapped_column(BigInteger, index=True)
    """When its object was last read, decoded and found to be what was received; NULL while it is
    in the journal."""
    damage: Mapped[str | None]
    """What was wrong when it was last read, a kind of :mod:`service.upkeep.examine`; NULL if
    nothing."""


class CommandUid(Base):
    """A SOP Instance UID that a C-STORE command gave a revision, where its dataset has another.

    Those of duplicates too: as nothing is stored of a duplicate, nothing sealed could restore them.
    """

    __tablename__ = "command_uids"

    sop_instance_uid: Mapped[Uid] = mapped_column(primary_key=True)
    revision_id: Mapped[int] = mapped_column(ForeignKey("revisions.id"), primary_key=True)


_IS_UNREPLICATED = text("replicated_at IS NULL")
_IS_DAMAGED_COPY = text("replica_damage IS NOT NULL")


class StoredObject(Base):
    """A sealed object that holds an archived revision."""

    __tablename__ = "objects"
    __table_args__ = (
        Index(
            "ix_objects_unreplicated",
            "id",
            sqlite_where=_IS_UNREPLICATED,
            postgresql_where=_IS_UNREPLICATED,
        ),
        Index(
            "ix_objects_replica_damage",
            "id",
            sqlite_where=_IS_DAMAGED_COPY,
            postgresql_where=_IS_DAMAGED_COPY,
        ),
    )

    id: Mapped[Row]
    object_id: Mapped[Digest] = mapped_column(unique=True)
    revision_id: Mapped[int] = mapped_column(ForeignKey("revisions.id"), unique=True)
    key_id: Mapped[Digest] = mapped_column(index=True)
    size: Mapped[Micros]
    model: Mapped[bytes | None] = mapped_column(LargeBinary)
    coding: Mapped[str]
    sealed_at: Mapped[Micros]
    replicated_at: Mapped[int | None] = mapped_column(BigInteger)
    """When the replica was seen to hold it; NULL while it waits for that."""
    replica_damage: Mapped[str | None]
    """What was wrong with the replica's copy when it was last read; NULL if nothing."""


class ReplicaRemoval(Base):
    """What left the store and is still to leave the replica."""

    __tablename__ = "replica_removals"

    kind: Mapped[str] = mapped_column(primary_key=True)
    """``object`` or ``note``."""
    file_id: Mapped[Digest] = mapped_column(primary_key=True)
    since: Mapped[Micros]


class ReplicaRead(Base):
    """An object that had to be read from the replica, as the store's own would not do."""

    __tablename__ = "replica_reads"

    object_id: Mapped[Digest] = mapped_column(primary_key=True)
    kind: Mapped[str]
    """What the last fault was."""
    reads: Mapped[int]
    last_at: Mapped[Micros]


class KnownNode(Base):
    """A peer Application Entity and what it may do."""

    __tablename__ = "nodes"

    ae_title: Mapped[Uid] = mapped_column(primary_key=True)
    host: Mapped[str]
    port: Mapped[int]
    rights: Mapped[str]
    """Values of :class:`dicom.archive.Right`, comma-separated."""
    coerced: Mapped[bool]
    tls: Mapped[bool]
    certificate: Mapped[Uid]
    """SHA-256 fingerprint or subject; empty where none is asked for."""
    sources: Mapped[Json]
    """Networks that it may call from, as a list; so are the two that follow."""
    destinations: Mapped[Json]
    users: Mapped[Json]


class KnownUser(Base):
    """A user of peers, and the hash of their passcode."""

    __tablename__ = "users"

    username: Mapped[Uid] = mapped_column(primary_key=True)
    salt: Mapped[Digest]
    log2_n: Mapped[int]
    hash: Mapped[Digest]


class CommitmentRequest(Base):
    """A storage commitment transaction (PS3.4 Annex J)."""

    __tablename__ = "commitments"

    id: Mapped[Row]
    transaction_uid: Mapped[Uid]
    calling_ae: Mapped[Uid]
    called_ae: Mapped[Uid]
    address: Mapped[Uid]
    requested_at: Mapped[Micros]
    deadline: Mapped[Micros]
    """When what is not archived yet is reported as failed."""
    next_attempt: Mapped[int | None] = mapped_column(BigInteger, index=True)
    """When to look at it again; NULL once delivered or given up."""
    attempts: Mapped[int]
    delivered: Mapped[bool]


class CommitmentReference(Base):
    """One SOP Instance that a commitment was asked for."""

    __tablename__ = "commitment_items"
    __table_args__ = (UniqueConstraint("commitment_id", "position"),)

    id: Mapped[Row]
    commitment_id: Mapped[int] = mapped_column(ForeignKey("commitments.id", ondelete="CASCADE"))
    position: Mapped[int]
    sop_class_uid: Mapped[Uid]
    sop_instance_uid: Mapped[Uid]


class Correction(Base):
    """An administrator's change to what queries see; received bytes stay as they are."""

    __tablename__ = "corrections"

    id: Mapped[Row]
    kind: Mapped[str]
    """``merge``, ``rename`` or ``move``."""
    details: Mapped[Json]
    by: Mapped[Uid] = mapped_column("corrected_by")
    at: Mapped[Micros] = mapped_column("corrected_at")
    reason: Mapped[Uid]
    undone_by: Mapped[str | None] = mapped_column(OpaqueText)
    undone_at: Mapped[int | None] = mapped_column(BigInteger)


class Decided(Base):
    """A note of a decision that this index has taken in, whatever became of it since."""

    __tablename__ = "decisions"

    sequence: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    kind: Mapped[str]


class Hold(Base):
    """A legal hold: nothing that it covers may be deleted."""

    __tablename__ = "holds"

    id: Mapped[Row]
    level: Mapped[str]
    """``patient``, ``study``, ``series`` or ``instance``."""
    key: Mapped[Uid]
    """Of a patient as in ``patients``, else the UID."""
    by: Mapped[Uid] = mapped_column("held_by")
    at: Mapped[Micros] = mapped_column("held_at", unique=True)
    """Receive sequence of its note, too."""
    reason: Mapped[Uid]
    released_by: Mapped[str | None] = mapped_column(OpaqueText)
    released_at: Mapped[int | None] = mapped_column(BigInteger)


class Deletion(Base):
    """A deletion: marked and hidden, then undone or purged."""

    __tablename__ = "deletions"

    id: Mapped[Row]
    state: Mapped[str]
    """``marked``, ``undone``, ``purging`` (rows are gone, files may be left) or ``purged``."""
    by: Mapped[Uid] = mapped_column("deleted_by")
    at: Mapped[Micros] = mapped_column("deleted_at", unique=True)
    """Receive sequence of its note, too."""
    reason: Mapped[Uid]
    due: Mapped[Micros]
    """When it may be purged."""


class DeletedRevision(Base):
    """A revision that a deletion covers; it stays when the revision is gone."""

    __tablename__ = "deleted_revisions"

    deletion_id: Mapped[int] = mapped_column(ForeignKey("deletions.id"), primary_key=True)
    entry_id: Mapped[Digest] = mapped_column(primary_key=True, index=True)
    sop_instance_uid: Mapped[Uid] = mapped_column(index=True)
    number: Mapped[int]
    sha256: Mapped[Digest]


class PurgedObject(Base):
    """An object whose revision is purged; the row goes once the object has left the store."""

    __tablename__ = "purged_objects"

    object_id: Mapped[Digest] = mapped_column(primary_key=True)
    deletion_id: Mapped[int] = mapped_column(ForeignKey("deletions.id"), index=True)


class Rejection(Base):
    """A rejection note (IHE RAD IOCM) that was received."""

    __tablename__ = "rejections"

    id: Mapped[Row]
    entry_id: Mapped[Digest] = mapped_column(unique=True)
    """Of the note's own reception."""
    sop_instance_uid: Mapped[Uid]
    """Of the note itself."""
    code: Mapped[str]
    """Its document title, a code value of DCM."""
    by: Mapped[Uid] = mapped_column("rejected_by")
    """AE title that sent it."""
    at: Mapped[Micros] = mapped_column("rejected_at", unique=True)
    """Receive sequence of the note."""
    hides: Mapped[bool]
    revoked_by: Mapped[str | None] = mapped_column(OpaqueText)
    revoked_at: Mapped[int | None] = mapped_column(BigInteger)


class RejectedInstance(Base):
    """An instance that a rejection note names, received or not."""

    __tablename__ = "rejected_instances"

    rejection_id: Mapped[int] = mapped_column(ForeignKey("rejections.id"), primary_key=True)
    sop_instance_uid: Mapped[Uid] = mapped_column(primary_key=True, index=True)
    study_uid: Mapped[Uid]


USER_REFUSED: Final = "user refused"
"""The event of a user who did not prove themselves."""

IS_REFUSED = text(f"event = '{USER_REFUSED}'")
"""A literal: only by that can SQLite tell that its partial index will do."""


class TrailEntry(Base):
    """One entry of the audit trail; each one's hash covers the one before it."""

    __tablename__ = "trail"
    __table_args__ = (
        Index(
            "ix_trail_refused",
            "entered_at",
            sqlite_where=IS_REFUSED,
            postgresql_where=IS_REFUSED,
        ),
    )

    position: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    at: Mapped[Micros] = mapped_column("entered_at")
    event: Mapped[str]
    details: Mapped[Json]
    previous: Mapped[Digest]
    hash: Mapped[Digest]


class TrailHead(Base):
    """The one row that says where the trail ends; writers queue up on it."""

    __tablename__ = "trail_head"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    position: Mapped[Micros]
    hash: Mapped[Digest]
