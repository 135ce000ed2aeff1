"""Surrogate UIDs for studies, series and instances that have none.

They are UUIDs of version 5 in the form of PS3.5 B.2, so that the same instance gets the same
surrogate whenever it comes, and wherever the index is rebuilt.
"""

from __future__ import annotations

from typing import Final
from uuid import UUID, uuid5

_STUDIES: Final = UUID("5b0f8b4e-3b0a-4d0e-9c0a-6f1d3c7a9e21")
_SERIES: Final = UUID("c2a4b7d8-71e3-4f52-8a66-0d9b5e4f3a17")
_INSTANCES: Final = UUID("6f9d1e0b-52c7-4c0e-8f3b-1a7d94e2b865")


def surrogate_instance_uid(sha256: bytes) -> str:
    """Name an instance that neither dataset nor command names: by its bytes alone."""
    return _uid(_INSTANCES, sha256.hex())


def surrogate_study_uid(patient_id: str, issuer: str, sop_instance_uid: str) -> str:
    """Name the study of an instance without Study Instance UID.

    Nothing tells which of a patient's instances belong together: each is a study of its own.
    """
    return _uid(_STUDIES, patient_id, issuer, sop_instance_uid)


def surrogate_series_uid(study_uid: str, modality: str) -> str:
    """Name the series of an instance without Series Instance UID: one a study and modality."""
    return _uid(_SERIES, study_uid, modality)


def _uid(namespace: UUID, *identity: str) -> str:
    # Lengths before the texts keep ("ab", "c") and ("a", "bc") apart.
    name = "".join(f"{len(text)}:{text}" for text in identity)
    # Texts of strangers may hold halves of surrogate pairs, which have no bytes of their own.
    encodable = name.encode("utf-8", "backslashreplace").decode("utf-8")
    return f"2.25.{uuid5(namespace, encodable).int}"
