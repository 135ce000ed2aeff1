"""Every real file beside the checkout is indexed, found, and told in an encodable reply."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydicom import dcmread
from pydicom.errors import InvalidDicomError
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset

from dicom.attributes import read_attributes
from service.index import Index
from tests.index.made import dataset, query, received

HEAD_BYTES = 2**18


@pytest.fixture(scope="module")
def files(shared_data: Path) -> list[Path]:
    return sorted(path for path in (shared_data / "conformance").rglob("*") if path.is_file())


def test_real_files_are_found_and_told(index: Index, files: list[Path]) -> None:
    indexed = 0
    for path in files:
        try:
            meta = dcmread(path, stop_before_pixels=True, specific_tags=[]).file_meta
            start = 144 + meta.FileMetaInformationGroupLength
        except (InvalidDicomError, AttributeError):
            continue
        syntax = meta.TransferSyntaxUID
        head = read_attributes(path.read_bytes()[start : start + HEAD_BYTES], syntax)
        added = index.add(received(head, transfer_syntax=syntax), head)
        indexed += 1
        if added.quarantined is None:
            found_again(index, index.revisions.get(added.revision_id))
    assert indexed > 50
    assert index.trail.verify() == []


def found_again(index: Index, one: Any) -> None:
    """Find an instance by its UIDs, asking for much; the reply can be encoded."""
    keys = {
        "StudyInstanceUID": one.study_uid,
        "SeriesInstanceUID": one.series_uid,
        "SOPInstanceUID": one.servable.sop_instance_uid,
    }
    asked = query("IMAGE", **keys)
    more = ("PatientName", "PatientID", "StudyDate", "Modality", "ImageType", "Rows", "Columns")
    asked.identifier.update(dataset(**dict.fromkeys(more, None)))
    (match,) = index.find(asked)
    assert match.attributes.SOPInstanceUID == one.servable.sop_instance_uid
    out = DicomBytesIO()
    out.is_little_endian, out.is_implicit_VR = True, True
    write_dataset(out, match.attributes)
    (servable,) = index.select(query("IMAGE", **keys))
    assert servable.revision_id == one.servable.revision_id
