"""Build a header dictionary: ``python -m service.sealing.dictionaries.build FILE``.

A dictionary is literal text in every installation, so it is made of nothing but synthetic headers:
attributes that the standard's modules name (PS3.3), tags and VRs out of pydicom's data dictionary
(PS3.6), and values drawn from a seeded generator. No real file is read. The same versions of
zstandard, pydicom and this script give the same bytes.
"""

from __future__ import annotations

import random
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import zstandard
from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset
from pydicom.sequence import Sequence

from dicom.syntax import TRANSFER_SYNTAXES
from service.records import Received
from service.sealing import record
from service.sealing.header import FrameShape, SealedHeader

SIZE = 32 * 1024
"""Bytes. The sealed headers of 213 public CT, MR and X-ray files, 49 KB of head on average, came to
9829 bytes with 8 KiB of dictionary, 9782 with 16, 9719 with 32, 9694 with 64; larger ones take
longer to load. Repeat: ``python -m tests.vault.header_sizes FOLDER DICTIONARY...``."""

SAMPLES = 1500
SEED = 1

_VOCABULARY = tomllib.loads(Path(__file__).with_name("vocabulary.toml").read_text("utf-8"))
_CLASSES: dict[str, str] = _VOCABULARY["classes"]
_TEXTS: dict[str, list[str]] = _VOCABULARY["texts"]
_NUMBERS: dict[str, list[int]] = _VOCABULARY["numbers"]


def synthetic_header(draw: random.Random) -> bytes:
    """Make the plaintext of one sealed header: a record, then an encoded head."""
    dataset = _dataset(draw, draw.choice(list(_CLASSES)))
    head = DicomBytesIO()
    head.is_little_endian, head.is_implicit_VR = True, draw.random() < 0.4
    write_dataset(head, dataset)
    text = record.to_json(_record(draw, dataset, len(head.getvalue())))
    return len(text).to_bytes(4, "little") + text + head.getvalue()


def _record(draw: random.Random, dataset: Dataset, head: int) -> dict[str, object]:
    frame_bytes = dataset.Rows * dataset.Columns * 2
    instant = draw.randrange(1_700_000_000_000_000, 2_000_000_000_000_000)
    received = Received(
        entry_id=draw.randbytes(16),
        sop_class_uid=dataset.SOPClassUID,
        sop_instance_uid=dataset.SOPInstanceUID,
        command_sop_class_uid=dataset.SOPClassUID,
        command_sop_instance_uid=dataset.SOPInstanceUID,
        study_uid=dataset.StudyInstanceUID,
        series_uid=dataset.SeriesInstanceUID,
        calling_ae=draw.choice(["MODALITY", "CT01", "MR01", "STORESCU", "PACS", "ORTHANC"]),
        called_ae="RADIOLITH",
        address=draw.choice(["10.0.", "192.168.", "172.16."]) + f"{draw.randrange(255)}.7",
        transfer_syntax=draw.choice(list(TRANSFER_SYNTAXES)),
        received_at=instant,
        sequence=instant + 1,
        length=head + frame_bytes,
        sha256=draw.randbytes(32),
    )
    shape = FrameShape(dataset.Rows, dataset.Columns, 1, 2, False)
    coded = draw.random() < 0.7
    header = SealedHeader(
        received=received,
        revision=1,
        sealed_at=instant + draw.randrange(10**7),
        frames=shape if coded else None,
        body=frame_bytes,
        chunk=1 << 20,
        head=bytes(head),
        tail=b"",
    )
    return header.facts()


def _dataset(draw: random.Random, modality: str) -> Dataset:
    dataset = Dataset()
    own = _VOCABULARY["modality"].get(modality, [])
    for keyword in [*_VOCABULARY["general"], *own]:
        if draw.random() < 0.85:
            setattr(dataset, keyword, _value(draw, keyword))
    uids = {
        word: _uid(draw) for word in ("SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID")
    }
    for keyword, value in {"SOPClassUID": _CLASSES[modality], "Modality": modality, **uids}.items():
        setattr(dataset, keyword, value)
    for keyword in ("Rows", "Columns"):
        setattr(dataset, keyword, draw.choice(_NUMBERS[keyword]))
    return dataset


def _value(draw: random.Random, keyword: str) -> object:
    if keyword in _TEXTS:
        return draw.choice(_TEXTS[keyword]).split("\\")
    if keyword in _NUMBERS:
        return draw.choice(_NUMBERS[keyword])
    tag = tag_for_keyword(keyword)
    if tag is None:
        raise ValueError(f"no attribute is called {keyword}")
    return _MAKERS[dictionary_VR(tag).split()[0]](draw)


def _uid(draw: random.Random) -> str:
    root: str = draw.choice(_VOCABULARY["uid_roots"])
    return (root + ".".join(str(draw.randrange(10**9)) for _ in range(4)))[:60].rstrip(".")


def _text(draw: random.Random) -> str:
    return " ".join(draw.choices(_VOCABULARY["words"], k=draw.randrange(1, 4)))


def _reference(draw: random.Random) -> Sequence:
    item = Dataset()
    item.ReferencedSOPClassUID = draw.choice(list(_CLASSES.values()))
    item.ReferencedSOPInstanceUID = _uid(draw)
    return Sequence([item])


def _numbers(draw: random.Random) -> list[str]:
    return [f"{draw.uniform(-300, 300):.6g}" for _ in range(draw.choice([1, 1, 2, 3]))]


_MAKERS: dict[str, Callable[[random.Random], object]] = {
    "CS": lambda draw: draw.choice(["Y", "N", "NONE", "YES", "NO", "AUTO"]),
    "LO": lambda draw: _text(draw)[:64],
    "SH": lambda draw: _text(draw)[:16],
    "ST": _text,
    "LT": _text,
    "UT": _text,
    "PN": lambda draw: draw.choice(_TEXTS["PatientName"]),
    "DA": lambda draw: (
        f"20{draw.randrange(10, 30)}{draw.randrange(1, 13):02}{draw.randrange(28):02}"
    ),
    "TM": lambda draw: f"{draw.randrange(24):02}{draw.randrange(60):02}{draw.randrange(60):02}.000",
    "DT": lambda draw: f"20{draw.randrange(10, 30)}0101120000.000000",
    "AS": lambda draw: f"{draw.randrange(100):03}Y",
    "DS": _numbers,
    "IS": lambda draw: str(draw.randrange(2000)),
    "US": lambda draw: draw.randrange(4096),
    "SS": lambda draw: draw.randrange(-2048, 2048),
    "UL": lambda draw: draw.randrange(1 << 20),
    "FD": lambda draw: draw.choice([0.0, 1.0, draw.uniform(-300, 300)]),
    "FL": lambda draw: draw.choice([0.0, 1.0]),
    "UI": _uid,
    "AT": lambda draw: 0x00181063,
    "SQ": _reference,
    "OB": lambda draw: bytes(4),
}
"""A value for each VR that the attributes above have."""


def build(size: int = SIZE) -> bytes:
    """Train the dictionary."""
    draw = random.Random(SEED)  # noqa: S311 - reproducible on purpose; no secret
    samples: list[bytes | bytearray | memoryview] = [synthetic_header(draw) for _ in range(SAMPLES)]
    trained = zstandard.train_dictionary(size, samples, k=200, d=8, dict_id=1, level=19)
    return trained.as_bytes()


if __name__ == "__main__":
    Path(sys.argv[1]).write_bytes(build())
