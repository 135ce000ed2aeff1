"""Replies are written in a character set that holds them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset

from dicom.attributes import read_attributes
from dicom.charset import character_set, holds, set_character_set
from dicom.syntax import EXPLICIT_VR_LITTLE_ENDIAN

JAPANESE = ("", "ISO 2022 IR 87")


@pytest.mark.parametrize(
    ("terms", "text", "expected"),
    [
        ((), "Doe^John", True),
        ((), "Müller", False),
        (("ISO_IR 6",), "Müller", False),
        (("ISO_IR 100",), "Müller", True),
        (("ISO_IR 100",), "Łukasz", False),
        (("ISO_IR 101",), "Łukasz", True),
        (("ISO_IR 144",), "Люкceмбypг", True),
        (("ISO_IR 192",), "山田^太郎", True),
        (JAPANESE, "Yamada^Tarou=山田^太郎=やまだ^たろう", True),
        (JAPANESE, "Müller", False),
        (("", "ISO 2022 IR 149"), "Hong^Gildong=洪^吉洞=홍^길동", True),
        (("GB18030",), "Wang^XiaoDong=王^小东", True),
        (("ISO_IR 100",), "王", False),
        (("NO SUCH SET",), "Doe", False),
    ],
)
def test_holds(terms: tuple[str, ...], text: str, expected: bool) -> None:
    assert holds(terms, text) is expected


@pytest.mark.parametrize(
    ("name", "asked", "stored", "expected"),
    [
        ("Doe^John", (), ("ISO_IR 100",), ()),
        ("Doe^John", ("ISO_IR 192",), (), ("ISO_IR 192",)),
        ("Müller", (), ("ISO_IR 100",), ("ISO_IR 100",)),
        ("Müller", ("ISO_IR 192",), ("ISO_IR 100",), ("ISO_IR 192",)),
        ("Müller^王", ("ISO_IR 100",), ("ISO_IR 144",), ("ISO_IR 192",)),
        ("Doe^John", ("NONSENSE",), ("ISO_IR 100",), ("ISO_IR 100",)),
        ("山田^太郎", ("ISO_IR 100",), JAPANESE, JAPANESE),
    ],
)
def test_the_query_s_character_set_goes_first(
    name: str, asked: tuple[str, ...], stored: tuple[str, ...], expected: tuple[str, ...]
) -> None:
    reply = Dataset()
    reply.SpecificCharacterSet = "ISO_IR 13"
    reply.PatientName = name
    set_character_set(reply, asked, stored)
    assert character_set(reply) == expected


def test_texts_inside_sequences_count() -> None:
    item = Dataset()
    item.CodeMeaning = "Schädel"
    reply = Dataset()
    reply.ProcedureCodeSequence = [item]
    set_character_set(reply, (), ())
    assert character_set(reply) == ("ISO_IR 192",)


CHARACTER_SETS = [
    (),
    ("ISO_IR 100",),
    ("ISO_IR 126",),
    ("ISO_IR 192",),
    ("GB18030",),
    ("GBK",),
    JAPANESE,
    ("", "ISO 2022 IR 149"),
    ("", "ISO 2022 IR 58"),
    ("ISO 2022 IR 13", "ISO 2022 IR 87"),
    ("ISO 2022 IR 100", "ISO 2022 IR 126", "ISO 2022 IR 144"),
]


@given(
    description=st.text(st.characters(exclude_categories=["C", "Z"], exclude_characters="\\^=")),
    asked=st.sampled_from(CHARACTER_SETS),
    stored=st.sampled_from(CHARACTER_SETS),
)
def test_what_is_written_is_read_back(
    description: str, asked: tuple[str, ...], stored: tuple[str, ...]
) -> None:
    reply = Dataset()
    reply.StudyDescription = description
    set_character_set(reply, asked, stored)
    file = DicomBytesIO()
    file.is_implicit_VR, file.is_little_endian = False, True
    write_dataset(file, reply)
    read = read_attributes(file.getvalue(), EXPLICIT_VR_LITTLE_ENDIAN)
    assert (read.StudyDescription or "") == description
