"""Put instances into an archive in memory without a network."""

from __future__ import annotations

from typing import Any

from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset

from dicom.archive import Peer, StoreRequest
from tests.dicom_net.conftest import example
from tests.dicom_net.memory_archive import MemoryArchive

PEER = Peer("FILLER", "RADIOLITH", "127.0.0.1")
EXPLICIT = "1.2.840.10008.1.2.1"


def fill(
    archive: MemoryArchive, count: int = 1, syntax: str = EXPLICIT, **attributes: Any
) -> list[str]:
    """Keep synthetic instances; gives their SOP Instance UIDs."""
    return [put(archive, example(**attributes), syntax) for _ in range(count)]


def put(archive: MemoryArchive, dataset: Dataset, syntax: str) -> str:
    uid = str(dataset.SOPInstanceUID)
    incoming = archive.incoming(StoreRequest(PEER, str(dataset.SOPClassUID), uid, syntax))
    incoming.write(encode(dataset))
    incoming.commit()
    return uid


def encode(dataset: Dataset) -> bytes:
    out = DicomBytesIO()
    out.is_implicit_VR, out.is_little_endian = False, True
    write_dataset(out, dataset)
    return out.getvalue()
