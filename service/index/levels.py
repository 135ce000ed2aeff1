"""The Query/Retrieve levels: which attribute belongs to which (PS3.4 C.6, PS3.3 C.7)."""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum
from typing import Final

from pydicom.datadict import tag_for_keyword

from dicom.archive import Model
from service.index.attributes import Attributes


class Level(IntEnum):
    """A Query/Retrieve Level, the highest first."""

    PATIENT = 0
    STUDY = 1
    SERIES = 2
    IMAGE = 3


UNIQUE_KEYS: Final = {
    Level.PATIENT: "00100020",
    Level.STUDY: "0020000D",
    Level.SERIES: "0020000E",
    Level.IMAGE: "00080018",
}
"""PatientID, StudyInstanceUID, SeriesInstanceUID, SOPInstanceUID (PS3.4 C.6.1.1)."""


def top(model: Model) -> Level:
    """Give the highest level of an information model."""
    return Level.PATIENT if model is Model.PATIENT_ROOT else Level.STUDY


def tag_of(name: str) -> str:
    """Give the tag of an attribute's keyword, or of eight hexadecimal digits, as eight digits.

    Raises:
        ValueError: it is neither.
    """
    tag = tag_for_keyword(name)
    if tag is None and len(name) == 8:
        tag = int(name, 16)
    if tag is None:
        raise ValueError(f"no such attribute: {name}")
    return f"{tag:08X}"


def _tags(keywords: str) -> frozenset[str]:
    return frozenset(tag_of(keyword) for keyword in keywords.split())


REQUIRED_KEYS: Final = {
    Level.PATIENT: _tags("PatientName PatientID"),
    Level.STUDY: _tags("StudyDate StudyTime AccessionNumber StudyID StudyInstanceUID"),
    Level.SERIES: _tags("Modality SeriesNumber SeriesInstanceUID"),
    Level.IMAGE: _tags("InstanceNumber SOPInstanceUID SOPClassUID"),
}
"""Unique and required keys of each level (PS3.4 Tables C.6-1 to C.6-4)."""

# PS3.3 C.7.1.1 (Patient).
_PATIENT = _tags(
    """PatientName PatientID IssuerOfPatientID IssuerOfPatientIDQualifiersSequence TypeOfPatientID
    OtherPatientIDs OtherPatientIDsSequence OtherPatientNames PatientBirthName PatientBirthDate
    PatientBirthTime PatientBirthDateInAlternativeCalendar PatientAlternativeCalendar PatientSex
    QualityControlSubject ReferencedPatientPhotoSequence ReferencedPatientSequence EthnicGroup
    EthnicGroupCodeSequence PatientComments PatientSpeciesDescription
    PatientSpeciesCodeSequence PatientBreedDescription PatientBreedCodeSequence
    BreedRegistrationSequence StrainDescription StrainNomenclature StrainCodeSequence
    ResponsiblePerson ResponsiblePersonRole ResponsibleOrganization PatientIdentityRemoved
    DeidentificationMethod DeidentificationMethodCodeSequence PatientAddress PatientMotherBirthName
    PatientTelephoneNumbers PatientTelecomInformation PatientReligiousPreference
    PatientPrimaryLanguageCodeSequence PatientInsurancePlanCodeSequence MilitaryRank
    BranchOfService CountryOfResidence RegionOfResidence
    ConfidentialityConstraintOnPatientDataDescription
    """
)

# PS3.3 C.7.2.1 (General Study), C.7.2.2 (Patient Study), C.7.2.3 (Clinical Trial Study).
_STUDY = _tags(
    """StudyInstanceUID StudyDate StudyTime StudyID AccessionNumber StudyDescription
    IssuerOfAccessionNumberSequence ReferringPhysicianName ReferringPhysicianAddress
    ReferringPhysicianTelephoneNumbers ReferringPhysicianIdentificationSequence
    ConsultingPhysicianName ConsultingPhysicianIdentificationSequence PhysiciansOfRecord
    PhysiciansOfRecordIdentificationSequence NameOfPhysiciansReadingStudy
    PhysiciansReadingStudyIdentificationSequence RequestingPhysician RequestingService
    RequestingServiceCodeSequence ReferencedStudySequence ProcedureCodeSequence
    ReasonForPerformedProcedureCodeSequence AdmittingDiagnosesDescription
    AdmittingDiagnosesCodeSequence PatientAge PatientSize PatientWeight PatientBodyMassIndex
    PatientSizeCodeSequence Occupation AdditionalPatientHistory AdmissionID
    IssuerOfAdmissionIDSequence ServiceEpisodeID ServiceEpisodeDescription PatientState
    PatientSexNeutered MedicalAlerts Allergies SmokingStatus PregnancyStatus LastMenstrualDate
    ReasonForVisit ReasonForVisitCodeSequence CurrentPatientLocation PatientInstitutionResidence
    VisitComments RouteOfAdmissions AdmittingDate AdmittingTime
    StudyStatusID StudyPriorityID StudyComments ReasonForStudy ClinicalTrialTimePointID
    ClinicalTrialTimePointDescription TimezoneOffsetFromUTC InterpretationStatusID
    """
)

# PS3.3 C.7.3.1 (General Series), C.7.4.1 (Frame of Reference), C.7.5.1 (General Equipment).
_SERIES = _tags(
    """Modality SeriesInstanceUID SeriesNumber SeriesDate SeriesTime SeriesDescription
    SeriesDescriptionCodeSequence Laterality PerformingPhysicianName
    PerformingPhysicianIdentificationSequence ProtocolName OperatorsName
    OperatorIdentificationSequence ReferencedPerformedProcedureStepSequence
    RelatedSeriesSequence BodyPartExamined PatientPosition SmallestPixelValueInSeries
    LargestPixelValueInSeries RequestAttributesSequence PerformedProcedureStepID
    PerformedProcedureStepStartDate PerformedProcedureStepStartTime PerformedProcedureStepEndDate
    PerformedProcedureStepEndTime PerformedProcedureStepDescription
    PerformedProtocolCodeSequence CommentsOnThePerformedProcedureStep AnatomicalOrientationType
    TreatmentSessionUID FrameOfReferenceUID PositionReferenceIndicator Manufacturer
    InstitutionName InstitutionAddress StationName InstitutionalDepartmentName
    InstitutionalDepartmentTypeCodeSequence InstitutionCodeSequence ManufacturerModelName
    DeviceSerialNumber SoftwareVersions GantryID DeviceUID SpatialResolution
    DateOfLastCalibration TimeOfLastCalibration PixelPaddingValue ClinicalTrialSeriesID
    ClinicalTrialSeriesDescription SeriesType PresentationIntentType
    """
)

_HOMES: Final = {
    **dict.fromkeys(_PATIENT, Level.PATIENT),
    **dict.fromkeys(_STUDY, Level.STUDY),
    **dict.fromkeys(_SERIES, Level.SERIES),
}
_CHARACTER_SET: Final = tag_of("SpecificCharacterSet")


def home(tag: str) -> Level:
    """Give the level that an attribute describes; what describes none above is the image's."""
    return _HOMES.get(tag, Level.IMAGE)


def part(attributes: Attributes, level: Level) -> Attributes:
    """Take one level's own attributes out of an instance's, and the character set with them."""
    return {
        tag: value
        for tag, value in attributes.items()
        if tag == _CHARACTER_SET or _HOMES.get(tag, Level.IMAGE) is level
    }


def answerable(names: Iterable[str], level: Level) -> frozenset[str]:
    """Give the tags of attributes that a level is to answer.

    Raises:
        ValueError: a name is no attribute, or one of a lower level, which has many values here.
    """
    tags = {tag_of(name): name for name in names}
    for tag, name in tags.items():
        if home(tag) > level:
            raise ValueError(f"{name} is an attribute of the {home(tag).name} level")
    return frozenset(tags)
