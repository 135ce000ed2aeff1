"""The anchor: the head of the trail, sealed and kept in the object store, outside of the index.

An index that is set back as a whole, its trail and the trail's head with it, is in order by itself.
The anchor says how far the trail had come. It is written by the housekeeper while the trail grows,
and by every verb that changes keys; who can set back the store too, unseen, is met only by a head
kept elsewhere: in the manifest of a backup, or with the receiver of syslog.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from service.errors import Missing, StoreFault, Undecodable
from service.files import make_folder, write_atomically
from service.index.trail import Trail
from service.keys.derivation import Purpose
from service.keys.keystore import Keys
from service.records import ID_BYTES
from service.sealing import envelope, record
from service.sealing.envelope import Envelope
from service.sealing.parts import PartType
from service.sequence import utc_now

ANCHOR: Final = "trail.anchor"
"""Its name in the object store."""
MAGIC: Final = b"RLA\x01"
"""Three letters and the format version."""

_ID: Final = bytes(ID_BYTES)
"""There is one anchor: it has no id of its own."""


@dataclass(frozen=True, slots=True)
class Anchor:
    """A head that the trail had."""

    position: int
    hash: bytes
    at: int
    """When, microseconds since 1970 UTC."""


def drop_anchor(trail: Trail, keys: Keys, store: Path) -> Anchor:
    """Seal the trail's head as it is now and make it durable in the folder of the store.

    Raises:
        StoreFault: it cannot be written.
        IoFault: index or keyring cannot be read.
    """
    position, digest = trail.head()
    anchor = Anchor(position, digest, utc_now())
    content = {"position": position, "hash": digest.hex(), "at": anchor.at}
    sealed = Envelope.seal(MAGIC, Purpose.ANCHOR, keys, _ID)
    part = sealed.cipher.seal(PartType.ANCHOR, 0, 1, record.to_json(content))
    try:
        make_folder(store)
        write_atomically(store / ANCHOR, sealed.start + part)
    except OSError as fault:
        raise StoreFault(f"the trail's anchor cannot be written: {fault.strerror}") from fault
    return anchor


def read_anchor(keys: Keys, store: Path) -> Anchor:
    """Open the anchor.

    Raises:
        Missing: there is none.
        DataFault: named by what is wrong with it.
        StoreFault: it cannot be read.
    """
    try:
        data = (store / ANCHOR).read_bytes()
    except FileNotFoundError as fault:
        raise Missing("the trail has no anchor") from fault
    except OSError as fault:
        raise StoreFault(f"the trail's anchor cannot be read: {fault.strerror}") from fault
    sealed = Envelope.open(MAGIC, Purpose.ANCHOR, keys, data[: envelope.SIZE])
    content = record.from_json(sealed.cipher.open(PartType.ANCHOR, 0, 1, data[envelope.SIZE :]))
    try:
        return Anchor(content["position"], bytes.fromhex(content["hash"]), content["at"])
    except (KeyError, TypeError, ValueError) as fault:
        raise Undecodable("the trail's anchor is of another version") from fault


def against(trail: Trail, anchor: Anchor) -> str | None:
    """Say how the trail contradicts an anchor; None where it does not."""
    position, _ = trail.head()
    if position < anchor.position:
        return f"the trail ends at {position}, and had come to {anchor.position}: it was set back"
    if trail.hash_at(anchor.position) != anchor.hash:
        return f"entry {anchor.position} is not the one that was there: another trail"
    return None
