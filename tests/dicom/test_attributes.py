"""Attributes of any dataset are read, as far as they can be, and never raise."""

from __future__ import annotations

import zlib
from pathlib import Path

import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataset import Dataset

from dicom.attributes import DEEPEST_NESTING, LONGEST_VALUE, read_attributes
from dicom.elements import EXPLICIT_BIG, EXPLICIT_LITTLE, IMPLICIT_LITTLE
from dicom.part10 import split_part10
from dicom.syntax import DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN, EXPLICIT_VR_LITTLE_ENDIAN
from tests.dicom.encoded import ENCODINGS, HEADS, PIXEL_DATA, Element, Item, Sequence, encode

SYNTAXES = sorted(ENCODINGS)

IDENTITY = [
    "SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID", "PatientID",
    "PatientName", "StudyDate", "StudyTime", "Modality", "StudyDescription", "InstanceNumber",
    "Rows", "SpecificCharacterSet",
]  # fmt: skip

UNREADABLE_TO_PYDICOM = {"049_MR.dcm", "rtplan_truncated.dcm"}
"""Cut off inside a sequence or fragment, where pydicom reads less or nothing."""


def read(
    elements: tuple[Element | Sequence, ...], syntax: str = EXPLICIT_VR_LITTLE_ENDIAN
) -> Dataset:
    return read_attributes(encode(elements, ENCODINGS[syntax]), syntax)


def use_all(dataset: Dataset) -> None:
    """Touch every value in the ways that an index does."""
    for element in dataset.iterall():
        assert str(element.value) is not None
    dataset.to_json_dict()


def test_real_files_read_as_pydicom_reads_them(real_file: Path) -> None:
    file = real_file.read_bytes()
    header = split_part10(file)
    found = read_attributes(file[header.dataset_offset :], header.transfer_syntax)
    use_all(found)
    if real_file.name in UNREADABLE_TO_PYDICOM:
        return
    expected = pydicom.dcmread(real_file, force=True, stop_before_pixels=True)
    for keyword in IDENTITY:
        assert str(found.get(keyword)) == str(expected.get(keyword)), keyword


@given(elements=HEADS, syntax=st.sampled_from(SYNTAXES))
def test_generated_datasets_give_every_element(
    elements: tuple[Element | Sequence, ...], syntax: str
) -> None:
    found = read((*elements, Element(PIXEL_DATA, "OW", b"ab")), syntax)
    use_all(found)
    assert {int(tag) for tag in found.keys()} == {e.tag for e in elements}  # noqa: SIM118


@given(dataset=st.binary(max_size=300), syntax=st.sampled_from(SYNTAXES))
def test_any_bytes_are_read(dataset: bytes, syntax: str) -> None:
    use_all(read_attributes(dataset, syntax))


@given(elements=HEADS, syntax=st.sampled_from(SYNTAXES), length=st.integers(0, 500))
def test_any_prefix_gives_the_elements_inside_it(
    elements: tuple[Element | Sequence, ...], syntax: str, length: int
) -> None:
    whole = encode(elements, ENCODINGS[syntax])
    found = read_attributes(whole[:length], syntax)
    use_all(found)
    inside = [
        element.tag
        for index, element in enumerate(elements)
        if len(encode(elements[: index + 1], ENCODINGS[syntax])) <= length
    ]
    assert {int(tag) for tag in found.keys()} == set(inside)  # noqa: SIM118


@pytest.mark.parametrize(
    ("vr", "value", "expected_vr", "expected"),
    [
        ("UI", b"not/a\\uid..\xe9 ", "UI", ["not/a", "uid..é"]),
        ("UI", b"1.2.3\0", "UI", "1.2.3"),
        ("IS", b"seven ", "LO", "seven"),
        ("IS", b"1.5 ", "LO", "1.5"),
        ("DS", b"1,5\\2 ", "LO", ["1,5", "2"]),
        ("DS", b"inf ", "LO", "inf"),
        ("US", b"\1\0\2", "OB", b"\1\0\2"),
        ("FD", b"0.391 ", "OB", b"0.391 "),
        ("DA", b"2020.1.1", "DA", "2020.1.1"),
        ("TM", b"late", "TM", "late"),
        ("AS", b"99999", "AS", "99999"),
        ("QQ", b"?", "OB", b"?"),
    ],
)
def test_values_that_do_not_fit_their_vr_are_kept(
    vr: str, value: bytes, expected_vr: str, expected: object
) -> None:
    start = b"\x08\x00\x18\x00" + vr.encode() + len(value).to_bytes(2, "little")
    element = read_attributes(start + value, EXPLICIT_VR_LITTLE_ENDIAN)[0x00080018]
    assert (element.VR, element.value) == (expected_vr, expected)


def test_odd_lengths_do_not_shift_what_follows() -> None:
    found = read((Element(0x00080050, "SH", b"odd"), Element(0x00080060, "CS", b"MR")))
    assert (found.AccessionNumber, found.Modality) == ("odd", "MR")


@pytest.mark.parametrize(
    ("term", "name", "expected"),
    [
        (b"ISO_IR 100", "Müller".encode("latin-1"), "Müller"),
        (b"ISO-IR 100", "Müller".encode("latin-1"), "Müller"),
        (b"ISO_IR 192", "王".encode(), "王"),
        (b"\\ISO 2022 IR 87", b"Yamada=\x1b$B;3ED\x1b(B", "Yamada=山田"),
        (b"KLINGON", "Müller".encode("latin-1"), "Müller"),
    ],
)
def test_texts_are_decoded_by_their_character_set(term: bytes, name: bytes, expected: str) -> None:
    found = read((Element(0x00080005, "CS", term), Element(0x00100010, "PN", name)))
    assert str(found.PatientName) == expected


def test_items_inherit_the_character_set() -> None:
    item = Item((Element(0x00080104, "LO", "Kopf ü".encode()),))
    found = read((Element(0x00080005, "CS", b"ISO_IR 192"), Sequence(0x00081032, (item,))))
    assert found.ProcedureCodeSequence[0].CodeMeaning == "Kopf ü"


def test_bulk_is_left_out() -> None:
    found = read(
        (
            Element(0x00080060, "CS", b"MR"),
            Element(0x00091001, "OB", bytes(LONGEST_VALUE + 2)),
            Element(0x00100020, "LO", b"P1"),
            Element(PIXEL_DATA, "OW", b"ab"),
            Element(0xFFFCFFFC, "OB", b"\0\0"),
        )
    )
    assert [element.keyword for element in found] == ["Modality", "PatientID"]


def deflated(data: bytes) -> bytes:
    compressor = zlib.compressobj(wbits=-15)
    return compressor.compress(data) + compressor.flush()


def test_a_deflated_dataset_is_inflated_up_to_the_limit() -> None:
    head = encode((Element(0x00080060, "CS", b"MR"),), EXPLICIT_LITTLE)
    bomb = deflated(head + encode((Element(0x00091001, "OB", bytes(2**26)),), EXPLICIT_LITTLE))
    assert len(bomb) < 2**17
    found = read_attributes(bomb, DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN, limit=1000)
    assert found.Modality == "MR"
    assert not read_attributes(b"\xff" * 9, DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN)
    cut_off = read_attributes(deflated(head)[:-1], DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN)
    assert not cut_off or cut_off.Modality == "MR"


def nested(levels: int, delimited: bool) -> Sequence:
    sequence = Sequence(0x00081140, ())
    for _ in range(levels):
        sequence = Sequence(0x00081140, (Item((sequence,), delimited),), delimited)
    return sequence


def depth(dataset: Dataset) -> int:
    return 1 + max(
        (depth(item) for item in dataset.get("ReferencedImageSequence") or ()), default=0
    )


@pytest.mark.parametrize("encoding", [IMPLICIT_LITTLE, EXPLICIT_LITTLE, EXPLICIT_BIG])
@pytest.mark.parametrize("delimited", [False, True])
def test_nesting_is_read_to_a_depth(encoding: object, delimited: bool) -> None:
    syntax = next(uid for uid, known in ENCODINGS.items() if known == encoding)
    found = read((nested(60, delimited),), syntax)
    assert depth(found) == DEEPEST_NESTING + 1
    use_all(found)


def test_warnings_do_not_quote_patients(
    recwarn: pytest.WarningsRecorder, caplog: pytest.LogCaptureFixture
) -> None:
    read((Element(0x00100030, "DA", b"Doe"), Element(0x00080018, "UI", b"Doe^John")))
    assert not recwarn.list
    assert "Doe" not in caplog.text
