"""Seeded harm to the rows of an index."""

from __future__ import annotations

from random import Random

from service.upkeep.kinds import Kind
from tests.integrity.mutations import Harm, Mutation, of
from tests.integrity.victim import Victim

COLUMNS = {
    "patients": ["key", "patient_id_folded", "name_folded", "birth_date", "attributes", "sequence"],
    "studies": [
        "patient_id", "shown_patient_id", "study_uid", "ambiguous", "study_date", "study_time",
        "accession_folded", "study_id_folded", "attributes", "sequence",
    ],
    "series": [
        "study_id", "series_uid", "modality", "modality_folded", "number", "attributes", "sequence",
    ],
    "instances": ["series_id", "sop_instance_uid", "number"],
    "revisions": [
        "instance_id", "number", "entry_id", "state", "quarantined", "rejected", "sop_class_uid",
        "command_sop_class_uid", "command_sop_instance_uid", "patient_key", "study_uid",
        "series_uid", "calling_ae", "called_ae", "address", "transfer_syntax", "lossy",
        "received_at", "sequence", "length", "sha256", "attributes",
    ],
    "objects": ["object_id", "revision_id", "key_id", "size", "model", "coding", "sealed_at"],
    "corrections": ["kind", "details", "corrected_by", "corrected_at", "reason", "undone_at"],
    "holds": ["level", "key", "held_by", "held_at", "reason", "released_by", "released_at"],
    "deletions": ["state", "deleted_by", "deleted_at", "reason", "due"],
    "deleted_revisions": ["deletion_id", "entry_id", "sop_instance_uid", "sha256"],
    "nodes": ["ae_title", "host", "port", "rights", "coerced", "tls", "certificate", "sources"],
    "trail": ["position", "entered_at", "event", "details", "previous", "hash"],
    "trail_head": ["position", "hash"],
}  # fmt: skip
"""Every column that says something of what is stored, of who may ask, and of what happened."""

FLAGS = {"served", "rejected", "lossy", "ambiguous", "coerced", "tls"}
TRAIL = {"trail", "trail_head"}


def change_column(victim: Victim, random: Random) -> Harm:
    """Change one value of one row to another of its type."""
    table = random.choice(list(COLUMNS))
    column = random.choice(COLUMNS[table])
    row, value = random.choice(victim.sql(f"SELECT rowid, {column} FROM {table}"))
    changed = other(value, random, flag=column in FLAGS)
    victim.sql(f"UPDATE OR REPLACE {table} SET {column} = ? WHERE rowid = ?", changed, row)
    return rows_of(victim, table)


def other(value: object, random: Random, *, flag: bool = False) -> object:
    """Make another value of the same type."""
    if flag:
        return 1 - int(str(value))
    if value is None:
        return 1
    if isinstance(value, int):
        return value + random.choice([-1, 1, 1 << random.randrange(31)])
    if isinstance(value, bytes):
        changed = bytearray(value)
        changed[random.randrange(len(value))] ^= 1 << random.randrange(8)
        return bytes(changed)
    text = str(value)
    place = random.randrange(len(text) + 1)
    return text[:place] + random.choice("AZ09.^x") + text[place:]


def rows_of(victim: Victim, table: str) -> Harm:
    """Say what harm to rows of a table is called, and by which names it may be told."""
    if table in TRAIL:
        return Harm(frozenset({"trail/"}), frozenset({Kind.TRAIL_BROKEN}), others=True)
    uids = frozenset(one.servable.sop_instance_uid for one in victim.revisions)
    kinds = {Kind.ROW_MISMATCH}
    if table in ("revisions", "objects", "instances"):
        # A row that names another file, or whose file is another's, is told by the file.
        kinds |= {Kind.MISSING, Kind.WRONG_INSTANCE, Kind.STALE, Kind.UNDECODABLE}
    return Harm(uids | {f"{table}/"}, frozenset(kinds), others=True)


def delete_row(victim: Victim, random: Random) -> Harm:
    """Delete a row."""
    table = random.choice([name for name in COLUMNS if name != "trail_head"])
    (row,) = random.choice(victim.sql(f"SELECT rowid FROM {table}"))
    victim.sql(f"DELETE FROM {table} WHERE rowid = ?", row)
    harm = rows_of(victim, table)
    return Harm(harm.about | {"index"}, harm.kinds | {Kind.STALE}, others=True)


def delete_many(victim: Victim, random: Random) -> Harm:
    """Delete all rows of an instance: the objects are left."""
    revision = random.choice(victim.revisions)
    number = revision.servable.revision_id
    victim.sql("DELETE FROM objects WHERE revision_id = ?", number)
    victim.sql("DELETE FROM command_uids WHERE revision_id = ?", number)
    victim.sql("DELETE FROM revisions WHERE id = ?", number)
    return Harm(of(revision).about, frozenset({Kind.STALE}), others=True)


def exchange_objects(victim: Victim, random: Random) -> Harm:
    """Let two rows name each other's objects, with all that rows say of an object."""
    one, two = (each.servable.revision_id for each in random.sample(victim.archived, 2))
    for old, new in ((one, -1), (two, one), (-1, two)):
        victim.sql("UPDATE objects SET revision_id = ? WHERE revision_id = ?", new, old)
    about = frozenset(each.servable.sop_instance_uid for each in victim.archived)
    return Harm(about, frozenset({Kind.WRONG_INSTANCE}))


def serve_another(victim: Victim, random: Random) -> Harm:
    """Serve an older or a quarantined revision of an instance, whose object is sound."""
    many = [one for one in victim.revisions if not one.served]
    revision = random.choice(many)
    victim.sql(
        "UPDATE revisions SET served = 0 WHERE instance_id ="
        " (SELECT instance_id FROM revisions WHERE id = ?)",
        revision.servable.revision_id,
    )
    victim.sql("UPDATE revisions SET served = 1 WHERE id = ?", revision.servable.revision_id)
    return of(revision, Kind.ROW_MISMATCH)


def copy_row(victim: Victim, random: Random) -> Harm:
    """Add a patient, a study, a node or a correction that nobody sent or decided."""
    table, key = random.choice(
        [("patients", "key"), ("nodes", "ae_title"), ("corrections", "corrected_at")]
    )
    columns = [str(row[1]) for row in victim.sql(f"PRAGMA table_info({table})") if row[1] != "id"]
    values = ", ".join(f"{key} || '7'" if name == key else name for name in columns)
    victim.sql(f"INSERT INTO {table} ({', '.join(columns)}) SELECT {values} FROM {table} LIMIT 1")
    return Harm(frozenset({f"{table}/"}), frozenset({Kind.ROW_MISMATCH}))


def cut_trail(victim: Victim, random: Random) -> Harm:
    """Cut the end of the trail off and set its head back to fit."""
    (last,) = victim.sql("SELECT position FROM trail_head")[0]
    kept = random.randrange(1, int(str(last)))
    victim.sql("DELETE FROM trail WHERE position > ?", kept)
    victim.sql(
        "UPDATE trail_head SET position = ?,"
        " hash = (SELECT hash FROM trail ORDER BY position DESC LIMIT 1)",
        kept,
    )
    return Harm(frozenset({"trail.anchor"}), frozenset({Kind.STALE}), others=True)


ROWS: list[Mutation] = [
    change_column, change_column, change_column, delete_row, delete_many, exchange_objects,
    serve_another, copy_row, cut_trail,
]  # fmt: skip
