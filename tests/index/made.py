"""Receptions made up for the index: whatever a test does not say is plain and distinct."""

from __future__ import annotations

import os
from collections.abc import Iterable
from hashlib import sha256
from itertools import count
from typing import Any

import pydicom.config
from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset

from dicom.archive import Model, Peer, Query
from service.index import Added, Index
from service.records import ObjectFacts, Received

CT = "1.2.840.10008.5.1.4.1.1.2"
MR = "1.2.840.10008.5.1.4.1.1.4"
EXPLICIT = "1.2.840.10008.1.2.1"
JPEG_BASELINE = "1.2.840.10008.1.2.4.50"
PEER = Peer("MODALITY", "RADIOLITH", "127.0.0.1")

_numbers = count(1)


def dataset(**attributes: Any) -> Dataset:
    """Make a dataset of keywords and values; values need not be legal."""
    made = Dataset()
    for keyword, value in attributes.items():
        tag = tag_for_keyword(keyword)
        assert tag is not None
        made.add(DataElement(tag, dictionary_VR(tag), value, validation_mode=pydicom.config.IGNORE))
    return made


def received(attributes: Dataset, data: bytes | None = None, **facts: Any) -> Received:
    """Make the facts of a reception; the bytes are new ones unless ``data`` says which."""
    number = next(_numbers)
    data = f"reception {number}".encode() if data is None else data
    uid = str(attributes.get("SOPInstanceUID") or f"1.9.{number}")
    given = {
        "entry_id": os.urandom(16),
        "sop_class_uid": CT,
        "sop_instance_uid": uid,
        "command_sop_class_uid": facts.get("sop_class_uid", CT),
        "command_sop_instance_uid": facts.get("sop_instance_uid", uid),
        "study_uid": str(attributes.get("StudyInstanceUID") or ""),
        "series_uid": str(attributes.get("SeriesInstanceUID") or ""),
        "calling_ae": "MODALITY",
        "called_ae": "RADIOLITH",
        "address": "127.0.0.1",
        "transfer_syntax": EXPLICIT,
        "received_at": 1_700_000_000_000_000 + number,
        "sequence": number,
        "length": len(data),
        "sha256": sha256(data).digest(),
    }
    return Received(**(given | facts))


def add(index: Index, data: bytes | None = None, facts: Any = None, **attributes: Any) -> Added:
    """Add one instance of a plain CT study; attributes may say otherwise."""
    plain = {
        "SpecificCharacterSet": "ISO_IR 192",
        "PatientID": "P1",
        "PatientName": "Doe^Jane",
        "StudyInstanceUID": "1.1",
        "SeriesInstanceUID": "1.1.1",
        "SOPInstanceUID": f"1.1.1.{next(_numbers)}",
        "Modality": "CT",
    }
    made = dataset(**(plain | attributes))
    return index.add(received(made, data, **(facts or {})), made)


def query(level: str, model: Model = Model.STUDY_ROOT, **keys: Any) -> Query:
    """Make a query of keywords and values."""
    return Query(model, level, dataset(**keys), PEER)


def found(index: Index, level: str, model: Model = Model.STUDY_ROOT, **keys: Any) -> list[Dataset]:
    """Find, and give the attributes of the matches."""
    return [match.attributes for match in index.find(query(level, model, **keys))]


def texts(matches: Iterable[Dataset], keyword: str) -> list[str]:
    """Give one attribute of each match as text."""
    return [str(match[keyword].value or "") for match in matches]


def facts(key_id: bytes = b"k" * 16) -> ObjectFacts:
    """Make an object's facts."""
    return ObjectFacts(os.urandom(16), key_id, 100, None, "frames", 1_700_000_000_000_000)


def archive_all(index: Index) -> None:
    """Say of everything in the journal that it is archived."""
    for waiting in index.claim("worker", 1000, 60.0):
        index.archived(waiting.revision_id, facts())
