"""Datasets made here, and the shortest ways to have them in an archive."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID

from dicom.part10 import split_part10
from service.contents import read
from service.encode import Codec
from service.home import Home
from service.index import Added, RevisionFacts
from service.receive import Origin, Reception

EXPLICIT = "1.2.840.10008.1.2.1"
CT = "1.2.840.10008.5.1.4.1.1.2"
STUDY = "1.2.826.0.1.3680043.10.1"
SERIES = f"{STUDY}.2"


def dataset(
    instance: str = "1.2.3.4",
    study: str = STUDY,
    series: str = SERIES,
    size: int = 40,
    seed: int = 0,
    frames: int = 1,
    alike: float = 0,
) -> bytes:
    """Encode a small CT image, explicit VR little endian; another seed gives other pixels.

    Frames are of noise of their own and, of standard deviation ``alike``, noise that they share.
    """
    made = Dataset()
    made.SOPClassUID = UID(CT)
    made.SOPInstanceUID = UID(instance)
    made.StudyInstanceUID = UID(study)
    made.SeriesInstanceUID = UID(series)
    made.PatientID = "P1"
    made.PatientName = "Sommer^Sonja"
    made.Modality = "CT"
    made.StudyDate = "20240102"
    made.Rows = made.Columns = size
    made.SamplesPerPixel = 1
    made.PhotometricInterpretation = "MONOCHROME2"
    made.BitsAllocated = made.BitsStored = 16
    made.HighBit = 15
    made.PixelRepresentation = 0
    if frames > 1:
        made.NumberOfFrames = frames
    generator = np.random.default_rng(seed)
    noise = generator.normal(0, 5, (frames, size, size))
    noise += alike * generator.normal(0, 1, (size, size))
    ramp = np.add.outer(np.arange(size), np.arange(size)) * 7
    made.PixelData = (1000 + ramp + noise).astype("<u2").tobytes()
    return encoded(made)


def without_pixels(instance: str, extra: int = 0) -> bytes:
    """Encode a dataset without Pixel Data, of ``extra`` bytes of private data."""
    made = Dataset()
    made.SOPClassUID = UID("1.2.840.10008.5.1.4.1.1.66")
    made.SOPInstanceUID = UID(instance)
    made.StudyInstanceUID = UID(STUDY)
    made.SeriesInstanceUID = UID(f"{STUDY}.3")
    made.PatientID = "P1"
    block = made.private_block(0x0011, "RADIOLITH TEST", create=True)
    block.add_new(0x01, "OB", bytes(range(256)) * (extra // 256))
    return encoded(made)


def encoded(made: Dataset) -> bytes:
    """Encode a dataset in explicit VR little endian."""
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = UID(EXPLICIT)
    file = BytesIO()
    made.save_as(file, enforce_file_format=True)
    written = file.getvalue()
    return written[split_part10(written[:4096]).dataset_offset :]


def origin(instance: str = "1.2.3.4") -> Origin:
    """Say what a C-STORE of the made image says of itself."""
    return Origin(CT, instance, "MODALITY", "RADIOLITH", "127.0.0.1", EXPLICIT)


def take(home: Home, encoded_dataset: bytes, instance: str = "1.2.3.4") -> Added:
    """Take a dataset in, in fragments, as an association would."""
    reception = Reception(home, origin(instance))
    for start in range(0, len(encoded_dataset), 1000):
        reception.write(encoded_dataset[start : start + 1000])
    return reception.take()


def only(home: Home) -> RevisionFacts:
    """Give the archive's only revision."""
    (revision,) = home.index.revisions.all()
    return revision


def content(home: Home, revision: RevisionFacts, codec: Codec) -> bytes:
    """Read a revision back, as export does."""
    return read(home, revision.servable, codec.predictors, lambda it: b"".join(it.pieces))


def object_path(home: Home, object_id: bytes) -> Path:
    """Name the file of an object."""
    name = object_id.hex()
    return home.settings.store.path / name[:2] / name[2:4] / f"{name}.dcm"


def rotate(home: Home) -> None:
    """Make a new active key, as the command does."""
    home.index.trail.append("key rotated", {"key": home.keys.rotate().key_id.hex()})


def damage(path: Path, offset: int) -> None:
    """Flip one bit of a file, be it an object (read-only) or not, so that it surely is another."""
    content = bytearray(path.read_bytes())
    content[offset] ^= 1
    path.chmod(0o600)
    path.write_bytes(content)
