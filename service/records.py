"""The records that every part of the archive passes on: what was received, and what was sealed.

Times are integers: microseconds since 1970-01-01 UTC. Ids are 16 random bytes. UIDs and AE titles
are opaque text: the bytes received taken as ISO 8859-1, without trailing padding, whatever
characters they hold.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

ID_BYTES: Final = 16
"""Length of entry, object and key ids."""


@dataclass(frozen=True, slots=True)
class Received:
    """Everything known about one received instance besides its bytes.

    It is sealed together with them, in the journal and in the object, so that the index can be
    rebuilt from either. Patient attributes are not repeated here: they are in the head.
    """

    entry_id: bytes
    """Names this reception for ever: in the journal, in its object and in the trail."""
    sop_class_uid: str
    """The dataset's (0008,0016), else the command's."""
    sop_instance_uid: str
    """The dataset's (0008,0018), else the command's. This is the identity in queries."""
    command_sop_class_uid: str
    """Affected SOP Class UID of the C-STORE (PS3.7 9.1.1); of the file meta for an import."""
    command_sop_instance_uid: str
    """Affected SOP Instance UID; it also resolves in retrieval and commitment."""
    study_uid: str
    """As received, empty when the dataset has none; surrogates are the index's."""
    series_uid: str
    calling_ae: str
    called_ae: str
    address: str
    """The peer's network address, or where an import came from in general terms (no path)."""
    transfer_syntax: str
    """The encoding of the bytes received."""
    received_at: int
    sequence: int
    """The archive's monotone receive sequence: later receptions have larger numbers."""
    length: int
    """Bytes of the encoded dataset."""
    sha256: bytes
    """SHA-256 of the encoded dataset, 32 bytes."""
    prefix: bytes = b""
    """What stood before the dataset in an imported file (preamble, file meta), so that the file can
    be exported as it was; empty for a C-STORE."""


@dataclass(frozen=True, slots=True)
class ObjectFacts:
    """What the index keeps of a sealed object."""

    object_id: bytes
    key_id: bytes
    """The archive key that it is sealed under."""
    size: int
    """Bytes of the object file."""
    model: bytes | None
    """Digest of the model that its frames need, None where no frame needs one."""
    coding: str
    """How the Pixel Data is kept: ``frames`` (learned codec) or ``general``."""
    sealed_at: int
