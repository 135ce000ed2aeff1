"""The tables of the standard's facts, against pydicom's."""

from __future__ import annotations

import pydicom.uid
import pytest
from pydicom._uid_dict import UID_dictionary
from pydicom.valuerep import EXPLICIT_VR_LENGTH_32, STANDARD_VR

from dicom.sop_classes import is_storage
from dicom.status import FailureReason, Status
from dicom.surrogate import surrogate_series_uid, surrogate_study_uid
from dicom.syntax import (
    IMPLEMENTATION_UID,
    IMPLEMENTATION_VERSION,
    RADIOLITH_SYNTAX,
    STORED_SYNTAXES,
    TRANSFER_SYNTAXES,
    encoding,
)
from dicom.vr import KNOWN_VRS, LONG_VRS

NEWER = {f"1.2.840.10008.1.2.4.{n}" for n in (110, 111, 112)} | {"1.2.840.10008.1.2.8.1"}
"""Transfer syntaxes that pydicom 3.0 doesn't know yet."""


def test_every_transfer_syntax_of_the_standard_is_known() -> None:
    known = {uid for uid, facts in UID_dictionary.items() if facts[1] == "Transfer Syntax"}
    assert set(TRANSFER_SYNTAXES) == known | NEWER


@pytest.mark.parametrize("uid", sorted(set(TRANSFER_SYNTAXES) - NEWER))
def test_transfer_syntaxes_mean_what_pydicom_says(uid: str) -> None:
    syntax, known = TRANSFER_SYNTAXES[uid], pydicom.uid.UID(uid)
    if not syntax.is_stored:
        return
    assert syntax.is_little == known.is_little_endian
    assert syntax.is_deflated == known.is_deflated
    if "Papyrus" not in known.name:
        assert syntax.is_explicit == (not known.is_implicit_VR)
        assert syntax.is_encapsulated == known.is_encapsulated


def test_what_is_not_stored() -> None:
    names = {pydicom.uid.UID(uid).name for uid in set(TRANSFER_SYNTAXES) - set(STORED_SYNTAXES)}
    assert all(any(word in name for word in ("JPIP", "SMPTE", "MIME", "XML")) for name in names)
    assert len(names) == 9


def test_what_is_lossless() -> None:
    for uid, syntax in TRANSFER_SYNTAXES.items():
        name = pydicom.uid.UID(uid).name
        if any(word in name for word in ("MPEG", "HEVC", "Baseline", "Extended", "Near")):
            assert not syntax.is_lossless, name
        elif "Lossless" in name:
            assert syntax.is_lossless, name


def test_an_unknown_transfer_syntax_is_taken_as_compressed() -> None:
    assert not encoding("1.2.3").is_native
    assert encoding("1.2.3").is_explicit
    assert not encoding("1.2.3").is_lossless


def test_own_uids_are_uids() -> None:
    assert pydicom.uid.UID(RADIOLITH_SYNTAX).is_valid
    assert pydicom.uid.UID(IMPLEMENTATION_UID).is_valid
    assert len(IMPLEMENTATION_VERSION) <= 16


def test_vr_tables() -> None:
    assert {vr.decode() for vr in KNOWN_VRS} == {str(vr) for vr in STANDARD_VR}
    assert {vr.decode() for vr in LONG_VRS} == {str(vr) for vr in EXPLICIT_VR_LENGTH_32}


def test_storage_classes_are_those_named_so() -> None:
    for uid, (name, kind, _, _, keyword) in UID_dictionary.items():
        if kind not in ("SOP Class", "Meta SOP Class") or not keyword:
            continue
        expected = "Storage" in name and "Commitment" not in name and "Directory" not in name
        assert is_storage(uid) == expected, name


@pytest.mark.parametrize("uid", ["1.2.3.4", "1.2.840.113619.4.30", "", "1.3.12.2.1107.5.9.1"])
def test_unknown_and_private_classes_are_storage(uid: str) -> None:
    assert is_storage(uid)


def test_surrogates_depend_on_the_identity_alone() -> None:
    study = surrogate_study_uid("P1", "", "1.2.3")
    assert study == surrogate_study_uid("P1", "", "1.2.3")
    assert pydicom.uid.UID(study).is_valid
    others = {
        surrogate_study_uid("P", "1", "1.2.3"),
        surrogate_study_uid("P1", "", "1.2.4"),
        surrogate_series_uid("P1", "MR"),
        surrogate_series_uid(study, "MR"),
        surrogate_series_uid(study, "CT"),
    }
    assert len(others | {study}) == 6


def test_failure_reasons_share_the_numbers_of_statuses() -> None:
    assert int(FailureReason.PROCESSING_FAILURE) == int(Status.PROCESSING_FAILURE)
    assert int(FailureReason.CLASS_INSTANCE_CONFLICT) == int(Status.CLASS_INSTANCE_CONFLICT)
    assert int(FailureReason.NO_SUCH_OBJECT_INSTANCE) == int(Status.NO_SUCH_SOP_INSTANCE)
