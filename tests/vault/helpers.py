"""Keys and receptions for the tests of this folder, all synthetic."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

from service.keys import ArchiveKey, Keyring, KeyState
from service.records import Received


def archive_key(number: int, state: KeyState = KeyState.ACTIVE) -> ArchiveKey:
    """A key whose bytes follow from a number, for files that must come out the same each time."""
    digest = hashlib.sha512(b"synthetic key %d" % number).digest()
    return ArchiveKey(digest[:16], state, 0, digest[16:48])


@dataclass
class FixedKeys:
    """A keyring without a file."""

    keyring: Keyring = field(default_factory=lambda: Keyring((archive_key(1),)))


def reception(dataset: bytes, **changes: object) -> Received:
    """What a modality might have sent, with the right length and SHA-256."""
    values: dict[str, object] = {
        "entry_id": bytes(range(16)),
        "sop_class_uid": "1.2.840.10008.5.1.4.1.1.4",
        "sop_instance_uid": "1.2.826.0.1.3680043.10.999.1.2.3",
        "command_sop_class_uid": "1.2.840.10008.5.1.4.1.1.4",
        "command_sop_instance_uid": "1.2.826.0.1.3680043.10.999.1.2.3",
        "study_uid": "1.2.826.0.1.3680043.10.999.1",
        "series_uid": "1.2.826.0.1.3680043.10.999.1.2",
        "calling_ae": "MODALITY",
        "called_ae": "RADIOLITH",
        "address": "192.0.2.7",
        "transfer_syntax": "1.2.840.10008.1.2.1",
        "received_at": 1_790_000_000_000_000,
        "sequence": 1_790_000_000_000_001,
        "length": len(dataset),
        "sha256": hashlib.sha256(dataset).digest(),
    }
    return Received(**(values | changes))  # type: ignore[arg-type]
