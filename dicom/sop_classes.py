"""SOP classes by service (PS3.4, PS3.6 Table A-1)."""

from __future__ import annotations

from typing import Final

VERIFICATION: Final = "1.2.840.10008.1.1"
"""PS3.4 A.4"""

STORAGE_COMMITMENT_PUSH_MODEL: Final = "1.2.840.10008.1.20.1"
STORAGE_COMMITMENT_PUSH_MODEL_INSTANCE: Final = "1.2.840.10008.1.20.1.1"
"""PS3.4 J.3.5: the well-known SOP Instance of the Push Model."""

PATIENT_ROOT_FIND: Final = "1.2.840.10008.5.1.4.1.2.1.1"
PATIENT_ROOT_MOVE: Final = "1.2.840.10008.5.1.4.1.2.1.2"
PATIENT_ROOT_GET: Final = "1.2.840.10008.5.1.4.1.2.1.3"
STUDY_ROOT_FIND: Final = "1.2.840.10008.5.1.4.1.2.2.1"
STUDY_ROOT_MOVE: Final = "1.2.840.10008.5.1.4.1.2.2.2"
STUDY_ROOT_GET: Final = "1.2.840.10008.5.1.4.1.2.2.3"
"""PS3.4 C.6.1.3 and C.6.2.3"""

MEDIA_STORAGE_DIRECTORY: Final = "1.2.840.10008.1.3.10"
"""A DICOMDIR (PS3.10 8): it lives on media and is not stored."""

_NOT_STORAGE: Final = frozenset(
    {
        VERIFICATION,
        MEDIA_STORAGE_DIRECTORY,
        "1.2.840.10008.1.9",  # Basic Study Content Notification, retired
        "1.2.840.10008.1.40",  # Procedural Event Logging (PS3.4 P)
        "1.2.840.10008.1.42",  # Substance Administration Logging (PS3.4 P)
        "1.2.840.10008.5.1.4.33",  # Instance Availability Notification (PS3.4 R)
        "1.2.840.10008.5.1.4.41",  # Product Characteristics Query (PS3.4 V)
        "1.2.840.10008.5.1.4.42",  # Substance Approval Query (PS3.4 V)
        "1.2.840.10008.5.1.4.34.2",  # RT Conventional Machine Verification, trial
        "1.2.840.10008.5.1.4.34.3",  # RT Ion Machine Verification, trial
        "1.2.840.10008.5.1.4.34.8",  # RT Conventional Machine Verification (PS3.4 DD)
        "1.2.840.10008.5.1.4.34.9",  # RT Ion Machine Verification (PS3.4 DD)
        *(f"1.2.840.10008.5.1.4.1.1.200.{n}" for n in (4, 5, 6)),  # Protocol Approval (PS3.4 II)
        *(f"1.2.840.10008.5.1.4.1.1.201.{n}" for n in range(2, 7)),  # Inventory (PS3.4 KK, LL)
        *(f"1.2.840.10008.5.1.4.20.{n}" for n in (1, 2, 3)),  # Defined Procedure Protocol (HH)
        *(f"1.2.840.10008.5.1.4.{n}" for n in (31, 32)),  # worklists (PS3.4 K)
        *(f"1.2.840.10008.5.1.4.37.{n}" for n in (1, 2, 3)),  # Relevant Patient Information (Q)
        *(f"1.2.840.10008.5.1.4.38.{n}" for n in (2, 3, 4)),  # Hanging Protocols (PS3.4 U)
        *(f"1.2.840.10008.5.1.4.39.{n}" for n in (2, 3, 4)),  # Color Palettes (PS3.4 X)
        *(f"1.2.840.10008.5.1.4.43.{n}" for n in (2, 3, 4)),  # Generic Implant Templates (BB)
        *(f"1.2.840.10008.5.1.4.44.{n}" for n in (2, 3, 4)),  # Implant Assembly Templates (BB)
        *(f"1.2.840.10008.5.1.4.45.{n}" for n in (2, 3, 4)),  # Implant Template Groups (BB)
    }
)

_NOT_STORAGE_ROOTS: Final = (
    "1.2.840.10008.1.20.",  # Storage Commitment (PS3.4 J)
    "1.2.840.10008.3.1.2.",  # patient, visit, study and results management, MPPS (PS3.4 F)
    "1.2.840.10008.5.1.1.",  # Print, Media Creation and Display System (PS3.4 H, S, EE)
    "1.2.840.10008.5.1.4.1.2.",  # Query/Retrieve (PS3.4 C, Y, Z)
    "1.2.840.10008.5.1.4.32.",  # General Purpose Worklist, retired
    "1.2.840.10008.5.1.4.34.4.",  # Unified Procedure Step, trial
    "1.2.840.10008.5.1.4.34.6.",  # Unified Procedure Step (PS3.4 CC)
    "1.2.840.10008.10.",  # Real-Time Video (PS3.22)
)

_PRINT_STORAGE: Final = frozenset(
    {
        "1.2.840.10008.5.1.1.27",  # Stored Print Storage, retired
        "1.2.840.10008.5.1.1.29",  # Hardcopy Grayscale Image Storage, retired
        "1.2.840.10008.5.1.1.30",  # Hardcopy Color Image Storage, retired
    }
)
"""Storage classes under a root of another service."""


def is_storage(sop_class_uid: str) -> bool:
    """Whether C-STORE of this SOP class is accepted: every class but those of other services.

    Unknown and private classes are storage.
    """
    if sop_class_uid in _PRINT_STORAGE:
        return True
    return sop_class_uid not in _NOT_STORAGE and not sop_class_uid.startswith(_NOT_STORAGE_ROOTS)
