"""Rejection notes: Key Object Selection Documents that say what is not to be used any more.

IHE Radiology Technical Framework, Imaging Object Change Management: RAD TF-3 4.66, Rejection Note
Stored. The document's title says why (PS3.16 CID 7011), its evidence what (PS3.3 C.17.6.2.1).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from pydicom.dataset import Dataset

KEY_OBJECT_SELECTION_DOCUMENT: Final = "1.2.840.10008.5.1.4.1.1.88.59"

QUALITY: Final = "113001"
PATIENT_SAFETY: Final = "113037"
INCORRECT_WORKLIST_ENTRY: Final = "113038"
RETENTION_EXPIRED: Final = "113039"

REASONS: Final = {
    QUALITY: "Rejected for Quality Reasons",
    PATIENT_SAFETY: "Rejected for Patient Safety Reasons",
    INCORRECT_WORKLIST_ENTRY: "Incorrect Modality Worklist Entry",
    RETENTION_EXPIRED: "Data Retention Policy Expired",
}
"""Code values of the coding scheme DCM (PS3.16 Annex D), with their meanings."""


@dataclass(frozen=True, slots=True)
class RejectionNote:
    """What a rejection note says."""

    code: str
    """A key of :data:`REASONS`."""
    instances: tuple[tuple[str, str], ...]
    """Study and SOP Instance UID of what it rejects; empty where the document names nothing."""


def read_rejection_note(document: Dataset) -> RejectionNote | None:
    """Read a Key Object Selection Document; None where its title says that it rejects nothing.

    Whatever is malformed in it is left out; nothing is raised for that.
    """
    for title in _items(document, "ConceptNameCodeSequence"):
        code = _text(title, "CodeValue")
        if code in REASONS and _text(title, "CodingSchemeDesignator") == "DCM":
            return RejectionNote(code, tuple(dict.fromkeys(_evidence(document))))
    return None


def _evidence(document: Dataset) -> Iterator[tuple[str, str]]:
    """Name what stands in Current Requested Procedure Evidence Sequence (0040,A375)."""
    for study in _items(document, "CurrentRequestedProcedureEvidenceSequence"):
        for series in _items(study, "ReferencedSeriesSequence"):
            for instance in _items(series, "ReferencedSOPSequence"):
                named = (
                    _text(study, "StudyInstanceUID"),
                    _text(instance, "ReferencedSOPInstanceUID"),
                )
                if all(named):
                    yield named


def _items(dataset: Dataset, keyword: str) -> list[Dataset]:
    value: Any = dataset.get(keyword)
    return [item for item in value if isinstance(item, Dataset)] if value is not None else []


def _text(dataset: Dataset, keyword: str) -> str:
    return str(dataset.get(keyword) or "").strip(" \0")
