"""Fuzzed: identifiers of C-FIND and C-MOVE, against a real index, and matching by itself."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from pydicom.datadict import dictionary_VR
from sqlalchemy import Connection, Engine, event

from dicom.archive import ArchiveFault, Model, Peer, Query
from dicom.identifiers import encode_dataset, read_whole
from dicom.matching import WILDCARD_VRS, matches, parse_key
from dicom.moments import MOMENT_VRS
from service.index import Index
from tests.fuzz.target import Target
from tests.index.conftest import POLICY
from tests.index.made import add
from tests.index.made import dataset as attributes_of
from tests.service.made import EXPLICIT

_LEVELS = ("PATIENT", "STUDY", "SERIES", "IMAGE")
_VRS = sorted((WILDCARD_VRS | MOMENT_VRS | {"UI", "IS", "DS", "US", "FD"}) - {"AE"})
_ESCAPE = "ESCAPE '/'"


def _no_literal(_: Connection, __: object, statement: str, *___: object) -> None:
    """No value of a key is in a statement's own text: it has no literals at all."""
    assert "'" not in statement.replace(_ESCAPE, ""), statement
    assert '"' not in statement, statement


@cache
def _index() -> Index:
    folder = Path(tempfile.mkdtemp(prefix="radiolith-fuzz-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    index = Index.open(f"sqlite:///{folder / 'index.sqlite'}", POLICY, create=True)
    add(index, PatientName="Ägir^Jörð=阿^佐", StudyDate="20240102", StudyTime="101112.5")
    add(index, PatientID="P%_/", PatientName="O'Brien^\\", StudyInstanceUID="1.2", Modality="MR")
    return index


@contextmanager
def _watched() -> Iterator[Index]:
    """The index, whose statements are looked at: no other's are, in this process or after it."""
    index = _index()
    event.listen(Engine, "before_cursor_execute", _no_literal)
    try:
        yield index
    finally:
        event.remove(Engine, "before_cursor_execute", _no_literal)


def _find(data: bytes) -> None:
    """The first byte chooses information model and level."""
    if not data:
        return
    model = Model.PATIENT_ROOT if data[0] & 4 else Model.STUDY_ROOT
    try:
        identifier = read_whole(data[1:], EXPLICIT, 0xC000)
        query = Query(model, _LEVELS[data[0] & 3], identifier, Peer("A", "B", "127.0.0.1"))
        with _watched() as index:
            for match in index.find(query):
                encode_dataset(match.attributes, EXPLICIT)
    except ArchiveFault:
        return


def _find_seeds() -> Iterator[bytes]:
    keys: tuple[dict[str, object], ...] = (
        {"PatientName": "O'B*", "PatientID": "", "StudyInstanceUID": ""},
        {
            "PatientName": "=阿^?",
            "StudyDate": "20240101-20250101",
            "SpecificCharacterSet": "ISO_IR 192",
        },
        {"StudyInstanceUID": ["1.1", "1.2"], "ModalitiesInStudy": "MR", "StudyTime": "10-"},
        {"PatientID": "P%_/", "NumberOfStudyRelatedInstances": "", "AccessionNumber": "x' OR 1=1"},
        {"StudyInstanceUID": "1.1", "SeriesInstanceUID": "1.1.1", "Rows": 4, "ImageType": "A\\B"},
    )
    for number, given in enumerate(keys):
        encoded = encode_dataset(attributes_of(**given), EXPLICIT)
        yield from (bytes([level]) + encoded for level in (number % 4, 4 + number % 4))


def _matching(data: bytes) -> None:
    """A VR, a key and a value, parted by a line feed."""
    vr = _VRS[data[0] % len(_VRS)] if data else "LO"
    key, _, value = data[1:].decode("utf-8", "surrogateescape").partition("\n")
    condition = parse_key(0x00100010, vr, key.split("\\"))
    matches(condition, [value, ""])
    if not set(key) & set("*?\\-") and key.strip(" \0") and vr not in MOMENT_VRS:
        assert matches(condition, [key]), (vr, key)


def _matching_seeds() -> Iterator[bytes]:
    assert dictionary_VR(0x00100010) == "PN"
    texts = (
        b"DOE*^J?NE\nDoe^Jane",
        b"20240101-\n20240102",
        b"1.2.3\\1.2\n1.2",
        b"*a*a*a*b\n" + b"a" * 40,
    )
    for number in range(len(_VRS)):
        yield bytes([number]) + texts[number % len(texts)]


TARGETS = (
    Target("find", _find, _find_seeds, ("dicom", "service"), 1024),
    Target("matching", _matching, _matching_seeds, ("dicom",), 512),
)
