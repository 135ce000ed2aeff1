"""Identifiers of C-FIND, C-MOVE and C-GET, and other datasets that DIMSE messages carry."""

from __future__ import annotations

import struct

from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset

from dicom.archive import ArchiveFault, Model, Query
from dicom.association import Message
from dicom.attributes import LONGEST_VALUE, read_attributes
from dicom.elements import Encoding, Truncated, top_level
from dicom.session import Session
from dicom.sop_classes import PATIENT_ROOT_FIND, PATIENT_ROOT_GET, PATIENT_ROOT_MOVE
from dicom.status import FindStatus
from dicom.syntax import encoding

_LEVELS = {
    Model.PATIENT_ROOT: ("PATIENT", "STUDY", "SERIES", "IMAGE"),
    Model.STUDY_ROOT: ("STUDY", "SERIES", "IMAGE"),
}
_PATIENT_ROOT = frozenset({PATIENT_ROOT_FIND, PATIENT_ROOT_MOVE, PATIENT_ROOT_GET})


def read_query(session: Session, message: Message) -> Query:
    """Read the identifier of a query or retrieval.

    Raises:
        ArchiveFault: 0xA900, its level is missing or not one of its model; 0xC000, it cannot be
            read completely.
        AssociationFault: the association ended.
    """
    context = message.context
    encoded = session.association.dataset()
    _check_lengths(encoded, context.transfer_syntax)
    identifier = read_attributes(encoded, context.transfer_syntax)
    is_patient_root = context.abstract_syntax in _PATIENT_ROOT
    model = Model.PATIENT_ROOT if is_patient_root else Model.STUDY_ROOT
    level = str(identifier.get("QueryRetrieveLevel", "")).strip().upper()
    if level not in _LEVELS[model]:
        raise ArchiveFault(
            FindStatus.IDENTIFIER_DOES_NOT_MATCH_SOP_CLASS, "no Query/Retrieve Level of this model"
        )
    return Query(model, level, identifier, session.peer)


def _check_lengths(encoded: bytes, transfer_syntax: str) -> None:
    """Refuse a key that :func:`read_attributes` would leave out: without it more would match."""
    syntax = encoding(transfer_syntax)
    try:
        for header, end in top_level(encoded, Encoding(syntax.is_explicit, syntax.is_little)):
            if end > len(encoded):
                raise Truncated(end)
            if end - header.value > LONGEST_VALUE and header.vr != b"SQ":
                raise ArchiveFault(FindStatus.UNABLE_TO_PROCESS, "a key over 64 KiB")
    except Truncated:
        raise ArchiveFault(FindStatus.UNABLE_TO_PROCESS, "an identifier cut short") from None


def encode_dataset(dataset: Dataset, transfer_syntax: str) -> bytes:
    """Encode a dataset of our own in one of the uncompressed syntaxes.

    Raises:
        ArchiveFault: 0xC000, a value does not fit its VR.
    """
    syntax = encoding(transfer_syntax)
    out = DicomBytesIO()
    out.is_implicit_VR = not syntax.is_explicit
    out.is_little_endian = syntax.is_little
    try:
        write_dataset(out, dataset)
    except (ValueError, TypeError, AttributeError, struct.error) as error:
        raise ArchiveFault(FindStatus.UNABLE_TO_PROCESS, "a value that does not fit") from error
    return out.getvalue()
