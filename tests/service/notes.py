"""Rejection notes made here: Key Object Selection Documents (PS3.3 A.35.4)."""

from __future__ import annotations

from collections.abc import Sequence

from pydicom.dataset import Dataset
from pydicom.uid import UID

from dicom.rejection import KEY_OBJECT_SELECTION_DOCUMENT, REASONS
from service.home import Home
from service.index import Added
from service.receive import Origin, Reception
from tests.service.made import CT, EXPLICIT, STUDY, encoded


def code(value: str, meaning: str, scheme: str = "DCM") -> Dataset:
    """Make an item of a code sequence."""
    made = Dataset()
    made.CodeValue, made.CodingSchemeDesignator, made.CodeMeaning = value, scheme, meaning
    return made


def rejection_note(
    title: str,
    instances: Sequence[str],
    uid: str = "1.2.9",
    study: str = STUDY,
    scheme: str = "DCM",
) -> Dataset:
    """Make a Key Object Selection Document of a title that names instances of a study."""
    made = Dataset()
    made.SOPClassUID = UID(KEY_OBJECT_SELECTION_DOCUMENT)
    made.SOPInstanceUID, made.StudyInstanceUID = UID(uid), UID(study)
    made.SeriesInstanceUID = UID(f"{study}.99")
    made.PatientID, made.PatientName, made.Modality = "P1", "Sommer^Sonja", "KO"
    made.ValueType = "CONTAINER"
    made.ConceptNameCodeSequence = [code(title, REASONS.get(title, "Of Interest"), scheme)]
    made.CurrentRequestedProcedureEvidenceSequence = [_evidence(study, instances)]
    return made


def _evidence(study: str, instances: Sequence[str]) -> Dataset:
    items = []
    for instance in instances:
        item = Dataset()
        item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = UID(CT), UID(instance)
        items.append(item)
    series = Dataset()
    series.SeriesInstanceUID, series.ReferencedSOPSequence = UID(f"{study}.2"), items
    evidence = Dataset()
    evidence.StudyInstanceUID, evidence.ReferencedSeriesSequence = UID(study), [series]
    return evidence


def send(home: Home, document: Dataset, calling_ae: str = "READER") -> Added:
    """Take a document in, as an association would."""
    uid = str(document.SOPInstanceUID)
    origin = Origin(
        KEY_OBJECT_SELECTION_DOCUMENT, uid, calling_ae, "RADIOLITH", "127.0.0.1", EXPLICIT
    )
    reception = Reception(home, origin)
    reception.write(encoded(document))
    return reception.take()
