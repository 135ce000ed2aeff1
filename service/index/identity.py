"""Who an instance belongs to, and what the index keeps of it at each level."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final

from dicom.matching import normal_form
from dicom.moments import normal_moment
from dicom.surrogate import surrogate_series_uid, surrogate_study_uid
from dicom.syntax import encoding
from service.index.attributes import Attributes, first_text, values_of
from service.index.levels import Level, tag_of
from service.index.text import folded
from service.records import Received

PATIENT_ID: Final = tag_of("PatientID")
ISSUER: Final = tag_of("IssuerOfPatientID")
PATIENT_NAME: Final = tag_of("PatientName")
BIRTH_DATE: Final = tag_of("PatientBirthDate")
STUDY_DATE: Final = tag_of("StudyDate")
STUDY_TIME: Final = tag_of("StudyTime")
ACCESSION: Final = tag_of("AccessionNumber")
STUDY_ID: Final = tag_of("StudyID")
MODALITY: Final = tag_of("Modality")
SERIES_NUMBER: Final = tag_of("SeriesNumber")
INSTANCE_NUMBER: Final = tag_of("InstanceNumber")
LOSSY: Final = tag_of("LossyImageCompression")

_LARGEST_NUMBER: Final = 2**31 - 1
"""Of an IS value (PS3.5 6.2), and of the column."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Where an instance belongs, with surrogates for what its dataset does not say."""

    patient_key: str
    study_uid: str
    series_uid: str
    sop_instance_uid: str


def identify(received: Received, attributes: Attributes) -> Identity:
    """Name the patient, study, series and instance that a reception belongs to."""
    patient_id, issuer = first_text(attributes, PATIENT_ID), first_text(attributes, ISSUER)
    instance = received.sop_instance_uid.strip(" \0")
    study = received.study_uid.strip(" \0") or surrogate_study_uid(patient_id, issuer, instance)
    series = received.series_uid.strip(" \0") or surrogate_series_uid(
        study, first_text(attributes, MODALITY)
    )
    return Identity(patient_key(attributes, study), study, series, instance)


def patient_key(attributes: Attributes, study_uid: str) -> str:
    """Give what makes a patient one: (Patient ID, Issuer), or the study where the ID is empty."""
    patient_id = first_text(attributes, PATIENT_ID)
    if patient_id:
        return json.dumps(["id", patient_id, first_text(attributes, ISSUER)])
    return json.dumps(["study", study_uid])


def is_lossy(received: Received, attributes: Attributes) -> bool:
    """Whether pixels may have been approximated (PS3.3 C.7.6.1.1.5, or by the encoding)."""
    return (
        not encoding(received.transfer_syntax).is_lossless or first_text(attributes, LOSSY) == "01"
    )


def columns(level: Level, attributes: Attributes) -> dict[str, Any]:
    """Give the columns that a level's rows are matched and ordered by in SQL."""
    return _COLUMNS[level](attributes)


def _patient(attributes: Attributes) -> dict[str, Any]:
    return {
        "patient_id_folded": _folded(attributes, PATIENT_ID, "LO"),
        "name_folded": _folded(attributes, PATIENT_NAME, "PN"),
        "birth_date": _moment(attributes, BIRTH_DATE, "DA"),
    }


def _study(attributes: Attributes) -> dict[str, Any]:
    return {
        "study_date": _moment(attributes, STUDY_DATE, "DA"),
        "study_time": _moment(attributes, STUDY_TIME, "TM"),
        "accession_folded": _folded(attributes, ACCESSION, "SH"),
        "study_id_folded": _folded(attributes, STUDY_ID, "SH"),
    }


def _series(attributes: Attributes) -> dict[str, Any]:
    return {
        "modality": first_text(attributes, MODALITY),
        "modality_folded": _folded(attributes, MODALITY, "CS"),
        "number": _number(attributes, SERIES_NUMBER),
    }


def _image(attributes: Attributes) -> dict[str, Any]:
    return {"number": _number(attributes, INSTANCE_NUMBER)}


_COLUMNS: Final = {
    Level.PATIENT: _patient,
    Level.STUDY: _study,
    Level.SERIES: _series,
    Level.IMAGE: _image,
}


def _folded(attributes: Attributes, tag: str, vr: str) -> str | None:
    values = values_of(attributes, tag)
    if len(values) > 1:
        return None
    return folded(normal_form(vr, values[0])) if values else ""


def _moment(attributes: Attributes, tag: str, vr: str) -> str | None:
    values = values_of(attributes, tag)
    if len(values) > 1:
        return None
    return normal_moment(vr, str(values[0])) if values else ""


def _number(attributes: Attributes, tag: str) -> int | None:
    try:
        number = int(first_text(attributes, tag))
    except ValueError:
        return None
    return number if abs(number) <= _LARGEST_NUMBER else None
