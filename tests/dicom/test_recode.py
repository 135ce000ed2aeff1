"""The same values in another uncompressed encoding, checked against a writer of the tests' own."""

from __future__ import annotations

import contextlib
import struct
from io import BytesIO

import pydicom
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from pydicom.filereader import read_dataset

from dicom.elements import EXPLICIT_BIG, EXPLICIT_LITTLE, IMPLICIT_LITTLE, UNDEFINED, Encoding
from dicom.part10 import split_part10
from dicom.recode import DEEPEST_NESTING, RecodeError, recode
from dicom.swap import swap_words
from dicom.vr import dictionary_vr
from tests.dicom.conftest import PYDICOM_FILES
from tests.dicom.encoded import (
    HEADS,
    PIXEL_DATA,
    Element,
    Item,
    Sequence,
    encode,
    header,
    number,
)

Elements = tuple[Element | Sequence, ...]

WORDS = {
    "AT": 2, "OW": 2, "SS": 2, "US": 2, "FL": 4, "OF": 4, "OL": 4, "SL": 4, "UL": 4,
    "FD": 8, "OD": 8, "OV": 8, "SV": 8, "UV": 8,
}  # fmt: skip


def reversed_words(element: Element) -> Element:
    """Swap the words of a value one by one, in plain Python."""
    size = WORDS.get(element.vr, 1)
    whole = len(element.value) - len(element.value) % size
    words = [element.value[at : at + size][::-1] for at in range(0, whole, size)]
    return Element(element.tag, element.vr, b"".join(words) + element.value[whole:])


def in_other_byte_order(elements: Elements) -> Elements:
    changed: list[Element | Sequence] = []
    for element in elements:
        if isinstance(element, Element):
            changed.append(reversed_words(element))
        elif element.vr == "UN":
            changed.append(element)  # its items are little endian anyway
        else:
            items = tuple(
                Item(in_other_byte_order(item.elements), item.delimited) for item in element.items
            )
            changed.append(Sequence(element.tag, items, element.delimited, element.vr))
    return tuple(changed)


def is_regular(elements: Elements) -> bool:
    """Whether no generated element happens to set what the meaning of others depends on."""
    return not any(element.tag in (0x00280100, 0x00280103) for element in elements)


@given(HEADS)
def test_explicit_to_implicit(elements: Elements) -> None:
    explicit = encode(elements, EXPLICIT_LITTLE)
    assert recode(explicit, EXPLICIT_LITTLE, IMPLICIT_LITTLE) == encode(elements, IMPLICIT_LITTLE)


@given(HEADS)
def test_big_to_little_endian(elements: Elements) -> None:
    big = encode(in_other_byte_order(elements), EXPLICIT_BIG)
    assert recode(big, EXPLICIT_BIG, EXPLICIT_LITTLE) == encode(elements, EXPLICIT_LITTLE)
    assert recode(big, EXPLICIT_BIG, IMPLICIT_LITTLE) == encode(elements, IMPLICIT_LITTLE)


def fits_dictionary(elements: Elements) -> bool:
    """Whether an implicit reader takes no leaf for a sequence: it only has the dictionary."""
    return all(
        dictionary_vr(element.tag) != b"SQ"
        if isinstance(element, Element)
        else all(fits_dictionary(item.elements) for item in element.items)
        for element in elements
    )


@given(HEADS)
def test_implicit_to_explicit_and_back(elements: Elements) -> None:
    assume(fits_dictionary(elements))
    implicit = encode(elements, IMPLICIT_LITTLE)
    explicit = recode(implicit, IMPLICIT_LITTLE, EXPLICIT_LITTLE)
    assert recode(explicit, EXPLICIT_LITTLE, IMPLICIT_LITTLE) == implicit
    read = read_dataset(BytesIO(explicit), is_implicit_VR=False, is_little_endian=True)
    assert {int(tag) for tag in read.keys()} == {element.tag for element in elements}  # noqa: SIM118


@given(dataset=st.binary(max_size=200), source=st.sampled_from([IMPLICIT_LITTLE, EXPLICIT_BIG]))
def test_any_bytes_are_recoded_or_refused(dataset: bytes, source: Encoding) -> None:
    with contextlib.suppress(RecodeError):
        assert recode(dataset, source, EXPLICIT_LITTLE) or not dataset


@pytest.mark.parametrize(
    ("tag", "signed", "vr"),
    [
        (0x00100010, 0, b"PN"),
        (0x00280106, 0, b"US"),
        (0x00280106, 1, b"SS"),
        (PIXEL_DATA, 0, b"OW"),
        (0x00283006, 0, b"OW"),
        (0x00090010, 0, b"LO"),
        (0x00091001, 0, b"UN"),
        (0x00091234, 0, b"UN"),
        (0x60003000, 0, b"OW"),
    ],
)
def test_vrs_come_from_the_dictionary(tag: int, signed: int, vr: bytes) -> None:
    dataset = header(0x00280103, "", 2, IMPLICIT_LITTLE) + bytes([signed, 0])
    if tag < 0x00280103:
        dataset = b""
    dataset += header(tag, "", 2, IMPLICIT_LITTLE) + b"ab"
    assert vr in recode(dataset, IMPLICIT_LITTLE, EXPLICIT_LITTLE)[-14:]


def test_pixels_of_32_bits_are_cells() -> None:
    cells = struct.pack(">II", 0x01020304, 0x05060708)
    big = header(0x00280100, "US", 2, EXPLICIT_BIG) + number(32, 2, EXPLICIT_BIG)
    big += header(PIXEL_DATA, "OW", 8, EXPLICIT_BIG) + cells
    assert recode(big, EXPLICIT_BIG, EXPLICIT_LITTLE).endswith(bytes([4, 3, 2, 1, 8, 7, 6, 5]))


def test_group_lengths_go_where_they_would_be_wrong() -> None:
    group_length = Element(0x00080000, "UL", bytes(4))
    elements = (group_length, Element(0x00080060, "CS", b"MR"))
    explicit = encode(elements, EXPLICIT_LITTLE)
    assert recode(explicit, EXPLICIT_LITTLE, IMPLICIT_LITTLE) == encode(
        elements[1:], IMPLICIT_LITTLE
    )
    big = encode(elements, EXPLICIT_BIG)
    assert recode(big, EXPLICIT_BIG, EXPLICIT_LITTLE) == explicit


def test_a_value_too_long_for_its_vr_becomes_un() -> None:
    implicit = header(0x00104000, "", 70_000, IMPLICIT_LITTLE) + b" " * 70_000
    explicit = recode(implicit, IMPLICIT_LITTLE, EXPLICIT_LITTLE)
    assert explicit[:12] == header(0x00104000, "UN", 70_000, EXPLICIT_LITTLE)


def test_bytes_behind_the_last_element_stay() -> None:
    dataset = encode((Element(0x00080060, "CS", b"MR"),), EXPLICIT_LITTLE) + b"\0\0\0"
    assert recode(dataset, EXPLICIT_LITTLE, IMPLICIT_LITTLE).endswith(b"MR\0\0\0")


def test_what_is_written_otherwise_than_declared_is_seen() -> None:
    elements = (Element(0x00080060, "CS", b"MR"), Element(0x00100020, "LO", b"P1"))
    implicit = encode(elements, IMPLICIT_LITTLE)
    explicit = encode(elements, EXPLICIT_LITTLE)
    assert recode(implicit, EXPLICIT_LITTLE, EXPLICIT_LITTLE) == explicit
    assert recode(explicit, IMPLICIT_LITTLE, IMPLICIT_LITTLE) == implicit


def test_the_same_encoding_keeps_every_byte() -> None:
    cut_off = header(0x00080060, "CS", 4, EXPLICIT_LITTLE) + b"MR"
    assert recode(cut_off, EXPLICIT_LITTLE, EXPLICIT_LITTLE) == cut_off


@pytest.mark.parametrize(
    "dataset",
    [
        header(0x00080060, "CS", 4, EXPLICIT_LITTLE) + b"MR",
        header(0x00081140, "SQ", UNDEFINED, EXPLICIT_LITTLE),
        header(0x00081140, "SQ", 8, EXPLICIT_LITTLE) + header(0x00080060, "CS", 0, EXPLICIT_LITTLE),
        header(0xFFFEE00D, "", 0, EXPLICIT_LITTLE),
        (
            header(0x00081140, "SQ", UNDEFINED, EXPLICIT_LITTLE)
            + header(0xFFFEE000, "", UNDEFINED, EXPLICIT_LITTLE)
        )
        * (DEEPEST_NESTING + 2)
        + (header(0xFFFEE00D, "", 0, EXPLICIT_LITTLE) + header(0xFFFEE0DD, "", 0, EXPLICIT_LITTLE))
        * (DEEPEST_NESTING + 2),
    ],
    ids=["truncated", "not delimited", "no item", "stray delimiter", "nesting bomb"],
)
def test_malformed_datasets_are_refused(dataset: bytes) -> None:
    with pytest.raises(RecodeError):
        recode(dataset, EXPLICIT_LITTLE, IMPLICIT_LITTLE)


@given(vr=st.sampled_from(sorted(WORDS)), value=st.binary(max_size=50))
def test_swapping_twice_changes_nothing(vr: str, value: bytes) -> None:
    swapped = swap_words(vr.encode(), value)
    assert swapped == reversed_words(Element(0, vr, value)).value
    assert swap_words(vr.encode(), swapped) == value


@pytest.mark.parametrize(
    ("big", "little"),
    [
        ("MR_small_bigendian.dcm", "MR_small.dcm"),
        ("rtdose_expb_1frame.dcm", "rtdose_1frame.dcm"),
        ("SC_rgb_small_odd_big_endian.dcm", "SC_rgb_small_odd.dcm"),
    ],
)
def test_real_pairs_in_both_byte_orders_have_the_same_pixels(big: str, little: str) -> None:
    file = (PYDICOM_FILES / big).read_bytes()
    dataset = recode(file[split_part10(file).dataset_offset :], EXPLICIT_BIG, EXPLICIT_LITTLE)
    pixels = pydicom.dcmread(PYDICOM_FILES / little).PixelData
    assert pydicom.dcmread(BytesIO(dataset), force=True).PixelData == pixels
