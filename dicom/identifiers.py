"""Identifiers of C-FIND, C-MOVE and C-GET, and other datasets that DIMSE messages carry."""

from __future__ import annotations

import struct

from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset

from dicom.archive import ArchiveFault, Model, Query
from dicom.association import Message
from dicom.attributes import read_attributes
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
    identifier = read_whole(
        session.association.dataset(), context.transfer_syntax, FindStatus.UNABLE_TO_PROCESS
    )
    is_patient_root = context.abstract_syntax in _PATIENT_ROOT
    model = Model.PATIENT_ROOT if is_patient_root else Model.STUDY_ROOT
    level = str(identifier.get("QueryRetrieveLevel", "")).strip().upper()
    if level not in _LEVELS[model]:
        raise ArchiveFault(
            FindStatus.IDENTIFIER_DOES_NOT_MATCH_SOP_CLASS, "no Query/Retrieve Level of this model"
        )
    return Query(model, level, identifier, session.peer)


def read_whole(encoded: bytes, transfer_syntax: str, status: int) -> Dataset:
    """Read a dataset that a request came with, however long its values: none may be left out.

    Without one of its keys a query would match more.

    Raises:
        ArchiveFault: with ``status``: it is cut short.
    """
    syntax = encoding(transfer_syntax)
    try:
        for _, end in top_level(encoded, Encoding(syntax.is_explicit, syntax.is_little)):
            if end > len(encoded):
                raise Truncated(end)
    except Truncated:
        raise ArchiveFault(status, "a dataset cut short") from None
    return read_attributes(encoded, transfer_syntax, longest=len(encoded))


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
