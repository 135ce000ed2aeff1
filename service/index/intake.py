"""One reception becomes a revision: duplicate, new revision, or quarantined (one transaction)."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any, Final

from sqlalchemy import Connection, bindparam, insert, select, update

from service.errors import Rejected
from service.index import hiding, hierarchy, trail, visibility
from service.index.attributes import Attributes, to_json
from service.index.database import AnyRow
from service.index.hiding import NOTHING, Past
from service.index.identity import Identity, columns, identify, is_lossy
from service.index.levels import Level
from service.index.policy import Policy
from service.index.reassembly import reassemble
from service.index.tables import JOURNALLED, CommandUid, Instance, Revision
from service.records import Received


@dataclass(frozen=True, slots=True)
class Added:
    """What became of one reception."""

    revision_id: int
    """The row: of the new revision, or of the one that held the same bytes already."""
    revision: int
    """Its number among the instance's revisions, from 1."""
    duplicate: bool = False
    """The same bytes were there already: nothing was added, the new journal entry can go."""
    quarantined: str | None = None
    """Why the revision is not served until an administrator accepts it."""
    past: Past = NOTHING
    """What happened to the instance before: whether it was deleted or rejected."""
    instance_mismatch: bool = False
    """The command named another SOP Instance UID than the dataset."""
    class_mismatch: bool = False
    """The command named another SOP Class UID than the dataset."""


# Built once: building a statement takes longer than running it (0.5 ms a reception of 1.5).
_REVISIONS: Final = (
    select(
        Revision.id, Revision.instance_id, Revision.number, Revision.served, Revision.state,
        Revision.quarantined, Revision.sop_class_uid, Revision.patient_key, Revision.study_uid,
        Revision.transfer_syntax, Revision.sha256, Revision.lossy, Revision.sequence,
        Instance.series_id,
    )
    .join(Instance, Revision.instance_id == Instance.id)
    .where(Instance.sop_instance_uid == bindparam("uid"))
    .order_by(Revision.number)
)  # fmt: skip
_ADD_INSTANCE: Final = insert(Instance).returning(Instance.id)
_ADD_REVISION: Final = insert(Revision).returning(Revision.id)


def add(
    connection: Connection,
    received: Received,
    attributes: Attributes,
    policy: Policy,
    *,
    acknowledged: bool = False,
    others: Collection[int] = (),
) -> Added:
    """Index one reception in the caller's transaction, its trail entry included.

    Args and raises as :meth:`service.index.Index.add`.

    Raises:
        Rejected: a rejection note forbids it, unless it was ``acknowledged`` before.
    """
    identity = identify(received, attributes)
    known = _revisions(connection, identity)
    past = hiding.past(connection, identity.sop_instance_uid, identity.study_uid)
    if past.refused and (known or past.number) and not acknowledged:
        raise Rejected("a rejection note names this instance")
    twin = _twin(known, received)
    if twin is not None:
        return _again(connection, twin, received, identity, past)
    reason = _quarantine_reason(known, received, identity, is_lossy(received, attributes))
    if reason is None and past.deleted and known and known[0].series_id is None:
        reason = "deleted"
    last = max(known[-1].number if known else 0, past.number)
    revision = next(number for number in count(last + 1) if number not in others)
    served = reason is None and _is_served(known, received, policy)
    instance = known[0].instance_id if known else None
    if served:
        instance = place(connection, identity, attributes, received.sequence, instance)
    values = sealed_values(received, identity, attributes) | {
        "state": JOURNALLED, "rejected": False, "attributes": to_json(attributes), "attempts": 0,
    }  # fmt: skip
    standing = {"instance_id": instance, "number": revision, "served": served, "placed": served}
    row: int = connection.execute(
        _ADD_REVISION, values | standing | {"quarantined": reason}
    ).scalar_one()
    _name(connection, row, received, identity)
    if instance is not None and past.rejected:
        visibility.refresh(connection, [instance])
    details = _details(received, identity, revision, reason)
    # Of a first revision the setting decides nothing.
    details |= {"serve": policy.serve} if known else {}
    trail.append(connection, "stored", details | _told(past))
    return _added(row, revision, received, reason=reason, past=past)


def _again(
    connection: Connection, twin: AnyRow, received: Received, identity: Identity, past: Past
) -> Added:
    """Take note of bytes that are there already."""
    _name(connection, twin.id, received, identity)
    if past.deleted or past.rejected:
        details = _details(received, identity, twin.number, twin.quarantined)
        trail.append(connection, "stored again", details | _told(past))
    reason: str | None = twin.quarantined
    return _added(twin.id, twin.number, received, duplicate=True, reason=reason, past=past)


def _told(past: Past) -> dict[str, Any]:
    """Say in the trail what happened to the instance before, where anything did."""
    told = {"deleted": past.deleted, "rejected": past.rejected, "purged": past.number > 0}
    before = [name for name, is_so in told.items() if is_so]
    return {"before": before} if before else {}


def place(
    connection: Connection,
    identity: Identity,
    attributes: Attributes,
    sequence: int,
    instance: int | None,
) -> int:
    """Put an instance where its next served revision says, and stop serving the one before."""
    series = hierarchy.settle(connection, identity, attributes, sequence)
    values = {"series_id": series, **columns(Level.IMAGE, attributes)}
    if instance is None:
        values["sop_instance_uid"] = identity.sop_instance_uid
        made: int = connection.execute(_ADD_INSTANCE, values).scalar_one()
        return made
    before = connection.scalars(select(Instance.series_id).where(Instance.id == instance)).one()
    connection.execute(update(Instance).where(Instance.id == instance).values(**values))
    connection.execute(
        update(Revision)
        .where(Revision.instance_id == instance, Revision.served)
        .values(served=False)
    )
    if before not in (None, series):
        reassemble(connection, [before])
    return instance


def _name(connection: Connection, revision: int, received: Received, identity: Identity) -> None:
    """Let the command's SOP Instance UID name the revision too, where the dataset has another."""
    uid = received.command_sop_instance_uid.strip(" \0")
    if uid in ("", identity.sop_instance_uid):
        return
    name = {"sop_instance_uid": uid, "revision_id": revision}
    if connection.execute(select(CommandUid).filter_by(**name)).first() is None:
        connection.execute(insert(CommandUid), name)


def _revisions(connection: Connection, identity: Identity) -> Sequence[AnyRow]:
    return connection.execute(_REVISIONS, {"uid": identity.sop_instance_uid}).all()


def _twin(known: Sequence[AnyRow], received: Received) -> AnyRow | None:
    same = (received.sha256, received.transfer_syntax)
    return next((one for one in known if (one.sha256, one.transfer_syntax) == same), None)


def _served(known: Sequence[AnyRow]) -> AnyRow | None:
    return next((one for one in known if one.served), None)


def _quarantine_reason(
    known: Sequence[AnyRow], received: Received, identity: Identity, lossy: bool
) -> str | None:
    served = _served(known)
    if served is None:
        return None
    if served.patient_key != identity.patient_key:
        return "patient"
    if served.study_uid != identity.study_uid:
        return "study"
    if served.sop_class_uid != received.sop_class_uid:
        return "class"
    return "lossy" if lossy and not served.lossy else None


def _is_served(known: Sequence[AnyRow], received: Received, policy: Policy) -> bool:
    served = _served(known)
    if served is None:
        return True
    is_newer: bool = received.sequence > served.sequence
    return is_newer if policy.serve == "newest" else not is_newer


def sealed_values(received: Received, identity: Identity, attributes: Attributes) -> dict[str, Any]:
    """Give the columns of a revision that follow from what is sealed, and never change."""
    command_uid = received.command_sop_instance_uid
    return {
        "entry_id": received.entry_id,
        "sop_class_uid": received.sop_class_uid,
        "command_sop_class_uid": received.command_sop_class_uid,
        "command_sop_instance_uid": (
            command_uid if command_uid != identity.sop_instance_uid else None
        ),
        "patient_key": identity.patient_key,
        "study_uid": identity.study_uid,
        "series_uid": identity.series_uid,
        "calling_ae": received.calling_ae,
        "called_ae": received.called_ae,
        "address": received.address,
        "transfer_syntax": received.transfer_syntax,
        "lossy": is_lossy(received, attributes),
        "received_at": received.received_at,
        "sequence": received.sequence,
        "length": received.length,
        "sha256": received.sha256,
    }


def _details(
    received: Received, identity: Identity, revision: int, reason: str | None
) -> dict[str, Any]:
    return {
        "sop_instance_uid": identity.sop_instance_uid,
        "sop_class_uid": received.sop_class_uid,
        "study_uid": identity.study_uid,
        "revision": revision,
        "entry": received.entry_id.hex(),
        "sha256": received.sha256.hex(),
        "calling_ae": received.calling_ae,
        "address": received.address,
        "quarantined": reason,
    }


def _added(
    row: int,
    revision: int,
    received: Received,
    *,
    past: Past,
    duplicate: bool = False,
    reason: str | None = None,
) -> Added:
    return Added(
        row,
        revision,
        duplicate,
        reason,
        past,
        received.command_sop_instance_uid not in ("", received.sop_instance_uid),
        received.command_sop_class_uid not in ("", received.sop_class_uid),
    )
