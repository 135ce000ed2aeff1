"""A served in-memory archive, and DICOM files to send to it."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian, generate_uid

from dicom.association import Timeouts
from dicom.server import Listener, ServerOptions, bind, serve_associations
from tests.dicom_net.memory_archive import MemoryArchive

CT = "1.2.840.10008.5.1.4.1.1.2"
AE_TITLE = "RADIOLITH"
OPTIONS = ServerOptions(AE_TITLE, grace_s=1.0, pending_interval_s=0.0, timeouts=Timeouts(dimse=10))

MakeFile = Callable[..., Path]


class Served:
    """An archive that is being served on a port of loopback."""

    def __init__(self, archive: MemoryArchive, port: int, stop: Callable[[], None]) -> None:
        self.archive = archive
        self.port = port
        self.stop = stop


@contextmanager
def serving(archive: MemoryArchive, options: ServerOptions = OPTIONS) -> Iterator[Served]:
    """Serve an archive, over TLS where the options have it."""
    with bind("127.0.0.1", 0) as listener:
        stop = threading.Event()
        listeners = [Listener(listener, is_secure=options.security is not None)]
        server = threading.Thread(
            target=serve_associations,
            args=(listeners, archive, options, stop),
        )
        server.start()

        def end() -> None:
            stop.set()
            with suppress(OSError):  # Wakes the server before its next look at stop.
                socket.create_connection(listener.getsockname(), 1).close()
            server.join(10)
            assert not server.is_alive()

        try:
            yield Served(archive, listener.getsockname()[1], end)
        finally:
            end()


@pytest.fixture
def memory() -> Iterator[Served]:
    with serving(MemoryArchive()) as served:
        yield served


@pytest.fixture
def make_file(tmp_path: Path) -> MakeFile:
    """Write a small CT; keyword arguments set its attributes."""

    def make(syntax: str = ExplicitVRLittleEndian, **attributes: object) -> Path:
        dataset = example(**attributes)
        dataset.file_meta = FileMetaDataset()
        dataset.file_meta.TransferSyntaxUID = UID(syntax)
        path = tmp_path / f"{dataset.SOPInstanceUID}.dcm"
        dataset.save_as(path, enforce_file_format=True)
        return path

    return make


def example(**attributes: object) -> Dataset:
    dataset = Dataset()
    dataset.SOPClassUID = CT
    dataset.SOPInstanceUID = generate_uid()
    dataset.StudyInstanceUID = "1.2.3"
    dataset.SeriesInstanceUID = "1.2.3.4"
    dataset.PatientID = "P1"
    dataset.PatientName = "Doe^Jane"
    dataset.StudyDate = "20240229"
    dataset.Modality = "CT"
    dataset.Rows = dataset.Columns = 64
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 12, 11
    dataset.PixelRepresentation = 0
    dataset.add_new(0x7FE00010, "OW", bytes(range(256)) * 32)
    for keyword, value in attributes.items():
        setattr(dataset, keyword, value)
    return dataset
