"""Corrected attributes in a dataset, for nodes that are set to get them.

Everyone else gets the received bytes. A coerced dataset is decoded and encoded again in the same
transfer syntax; of its elements only the corrected ones change, and where its character set cannot
hold those, all text becomes UTF-8. Pixels are not touched.
"""

from __future__ import annotations

from io import BytesIO

from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError

from dicom.charset import UTF_8, character_set, holds, texts
from dicom.part10 import split_part10, write_file_meta
from service.errors import Undecodable

_META_BYTES = 4096
"""More than a header of ours takes."""


def apply(changes: Dataset, dataset: memoryview, transfer_syntax: str) -> bytes:
    """Give the encoded dataset with ``changes`` put in.

    Raises:
        Undecodable: the dataset cannot be parsed, so nothing in it can be changed.
    """
    header = write_file_meta("", "", transfer_syntax)
    file = BytesIO(header + bytes(dataset))
    try:
        parsed = dcmread(file, force=True)
        parsed.update(changes)
        if not all(holds(character_set(parsed), text) for text in texts(changes)):
            parsed.SpecificCharacterSet = UTF_8[0]
        written = BytesIO()
        parsed.save_as(written, enforce_file_format=False)
    except (InvalidDicomError, ValueError, TypeError, AttributeError, EOFError, OSError) as fault:
        raise Undecodable("corrections cannot be put into a dataset that is malformed") from fault
    whole = written.getvalue()
    return whole[split_part10(whole[:_META_BYTES]).dataset_offset :]
