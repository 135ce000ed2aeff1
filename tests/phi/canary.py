"""A patient who must not be found: values to send through everything, and the search for them."""

from __future__ import annotations

import os
from base64 import b64encode
from collections.abc import Iterable, Iterator
from pathlib import Path

from pydicom.dataset import Dataset
from pydicom.uid import UID

from tests.service.made import CT, encoded

NAME = "Kanarienvogel^Kunigunde"
PATIENT_ID = "PID-KANARIE-4711"
ACCESSION = "ACC-KANARIE-99"
REFERRING = "Zaunkoenig^Zacharias"
COMMENT = "Gelbfieber nach Reise"
BIRTH = "19330417"
PRIVATE = "privates Gezwitscher"
STUDY = "1.2.999.424242.1"
SERIES = "1.2.999.424242.2"
INSTANCE = "1.2.999.424242.3"
WITH_NUL = "1.2.999.424242.4\0KANARIE"
WITH_NAME = "Kanarienvogel.1933"
CHARSET = "ISO KANARIE 7"

PERSON = (NAME, PATIENT_ID, ACCESSION, REFERRING, COMMENT, PRIVATE, CHARSET)
"""What is nowhere but in the index and behind a seal. (A birth date alone is too short to tell.)"""
UIDS = (STUDY, SERIES, INSTANCE, WITH_NAME, WITH_NUL.partition("\0")[0])
"""What is in no log either. Verbs name instances by them, and SOP Instance UIDs that are some stand
in the clear part of objects."""


def image(instance: str = INSTANCE, size: int = 24) -> Dataset:
    """A CT image of the patient, full of what identifies her."""
    made = Dataset()
    made.SpecificCharacterSet = "ISO_IR 100"
    made.SOPClassUID = UID(CT)
    made.SOPInstanceUID = UID(instance)
    made.StudyInstanceUID = UID(STUDY)
    made.SeriesInstanceUID = UID(SERIES)
    made.StudyDate = "20240102"
    made.Modality = "CT"
    made.AccessionNumber = ACCESSION
    made.ReferringPhysicianName = REFERRING
    made.PatientName = NAME
    made.PatientID = PATIENT_ID
    made.PatientBirthDate = BIRTH
    made.PatientComments = COMMENT
    block = made.private_block(0x0011, "KANARIE PRIVAT", create=True)
    block.add_new(0x01, "LO", PRIVATE)
    made.Rows = made.Columns = size
    made.SamplesPerPixel = 1
    made.PhotometricInterpretation = "MONOCHROME2"
    made.BitsAllocated = made.BitsStored = 16
    made.HighBit = 15
    made.PixelRepresentation = 0
    made.PixelData = bytes(range(256)) * (size * size * 2 // 256) + bytes(size * size * 2 % 256)
    return made


def dataset(instance: str = INSTANCE) -> bytes:
    """The image, explicit VR little endian."""
    return encoded(image(instance))


def faulty() -> Iterator[bytes]:
    """Datasets of hers that something is wrong with, each in its way."""
    whole = dataset(f"{INSTANCE}.1")
    yield whole[: len(whole) // 2]
    yield whole.replace(b"ISO_IR 100", CHARSET[:10].encode())
    yield whole.replace(BIRTH.encode(), b"KANARIE!")
    yield whole.replace(b"US\x02\x00\x18\x00", b"US\x02\x00\xff\xff")
    yield whole.replace(b"PN", b"SQ", 1)
    yield whole + b"\x10\0\x10\0PN\xff\xff" + NAME.encode()
    yield NAME.encode() * 50
    homeless = image(f"{INSTANCE}.2")
    del homeless.StudyInstanceUID, homeless.SeriesInstanceUID
    yield encoded(homeless)


def found(places: Iterable[Path], wanted: Iterable[str]) -> set[tuple[str, str]]:
    """Name the files that hold one of the texts, and which: plain, in UTF-16, hex or base64."""
    needles = [(text, needle) for text in wanted for needle in _forms(text)]
    hits = set()
    for path in _files(places):
        content = path.read_bytes().lower()
        hits |= {(str(path), text) for text, needle in needles if needle in content}
    return hits


def _forms(text: str) -> Iterator[bytes]:
    raw = text.encode()
    yield raw.lower()
    yield raw.replace(b"^", b" ").lower()
    yield text.encode("utf-16-le").lower()
    yield raw.hex().encode()
    for shift in range(3):
        # Of three alignments in a longer text the same characters come out, but for the borders.
        yield b64encode(bytes(shift) + raw)[4 if shift else 0 : -4].lower()


def _files(places: Iterable[Path]) -> Iterator[Path]:
    for place in places:
        if place.is_file():
            yield place
        for folder, _, names in os.walk(place):
            for name in names:
                path = Path(folder, name)
                if path.is_file():
                    yield path
