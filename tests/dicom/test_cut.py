"""head + pixels + tail is always the dataset, and pixels are the top-level Pixel Data alone."""

from __future__ import annotations

from pathlib import Path

import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dicom.cut import Cut, FrameLayout, NeedMore, cut
from dicom.elements import EXPLICIT_BIG, EXPLICIT_LITTLE, IMPLICIT_LITTLE, Encoding
from dicom.part10 import split_part10
from dicom.syntax import DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN, EXPLICIT_VR_LITTLE_ENDIAN, encoding
from tests.dicom.encoded import (
    ENCODINGS,
    HEADS,
    ICON_IMAGE_SEQUENCE,
    PIXEL_DATA,
    Element,
    Item,
    Sequence,
    by_tag,
    encode,
    header,
    number,
)

TAILS = st.binary(max_size=20) | st.just(header(0xFFFCFFFC, "OB", 4, EXPLICIT_LITTLE) + b"\0" * 4)


def described(
    encoding: Encoding, value_length: int, **changes: int | str
) -> tuple[Element | Sequence, ...]:
    """A grayscale image of 3 rows and 5 columns, 12 of 16 bits, as elements."""
    numbers: dict[str, int | str] = {
        "00280002": 1, "00280004": "MONOCHROME2 ", "00280010": 3, "00280011": 5,
        "00280100": 16, "00280101": 12, "00280102": 11, "00280103": 0, **changes,
    }  # fmt: skip
    elements: list[Element | Sequence] = []
    for tag, value in numbers.items():
        vr = {"00280004": "CS", "00280008": "IS"}.get(tag, "US")
        encoded = value.encode() if isinstance(value, str) else number(value, 2, encoding)
        elements.append(Element(int(tag, 16), vr, encoded))
    elements.append(Element(PIXEL_DATA, "OW", bytes(value_length)))
    return by_tag(elements)


def cut_whole(dataset: bytes, syntax: str) -> Cut:
    return cut(dataset, len(dataset), syntax)


@given(
    elements=HEADS,
    syntax=st.sampled_from(sorted(ENCODINGS)),
    pixels=st.none() | st.binary(max_size=60),
    tail=TAILS,
)
def test_generated_datasets_are_cut_at_the_top_level_pixel_data(
    elements: tuple[Element | Sequence, ...], syntax: str, pixels: bytes | None, tail: bytes
) -> None:
    encoding = ENCODINGS[syntax]
    head = encode(elements, encoding)
    if pixels is None:
        assert cut_whole(head, syntax) == Cut(len(head))
        return
    head += header(PIXEL_DATA, "OW", len(pixels), encoding)
    found = cut_whole(head + pixels + tail, syntax)
    assert found.pixels == (len(head), len(head) + len(pixels))


@given(elements=HEADS, syntax=st.sampled_from(sorted(ENCODINGS)), data=st.data())
def test_a_short_prefix_asks_for_more_until_the_cut_is_the_same(
    elements: tuple[Element | Sequence, ...], syntax: str, data: st.DataObject
) -> None:
    encoding = ENCODINGS[syntax]
    dataset = encode((*elements, Element(PIXEL_DATA, "OW", bytes(64))), encoding)
    length = data.draw(st.integers(0, len(dataset)))
    asked = 0
    while True:
        try:
            found = cut(dataset[:length], len(dataset), syntax)
            break
        except NeedMore as more:
            needed = more.needed
        assert length < needed <= len(dataset)
        length, asked = needed, asked + 1
    assert asked <= len(dataset)
    assert found == cut_whole(dataset, syntax)


@given(dataset=st.binary(max_size=300), syntax=st.sampled_from(sorted(ENCODINGS)))
def test_any_bytes_are_cut_or_kept_whole(dataset: bytes, syntax: str) -> None:
    found = cut_whole(dataset, syntax)
    if found.pixels:
        start, end = found.pixels
        assert 0 <= start <= end <= len(dataset)
        if found.layout:
            assert 0 < found.layout.frames * found.layout.frame_bytes <= end - start


@given(
    elements=HEADS,
    syntax=st.sampled_from(sorted(ENCODINGS)),
    damage=st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), min_size=1, max_size=4),
)
def test_damaged_datasets_never_raise(
    elements: tuple[Element | Sequence, ...], syntax: str, damage: list[tuple[int, int]]
) -> None:
    encoded = bytearray(encode((*elements, Element(PIXEL_DATA, "OW", bytes(8))), ENCODINGS[syntax]))
    for place, byte in damage:
        encoded[place % len(encoded)] = byte
    found = cut_whole(bytes(encoded), syntax)
    assert found.length == len(encoded)


CUT_OFF = {"032_MR.dcm", "MR_truncated.dcm"}
"""Files that end inside their Pixel Data: these are kept whole."""


def test_real_files_are_cut_where_pydicom_finds_the_pixels(real_file: Path) -> None:
    file = real_file.read_bytes()
    meta = split_part10(file)
    dataset = file[meta.dataset_offset :]
    found = cut_whole(dataset, meta.transfer_syntax)
    read = pydicom.dcmread(real_file, force=True)
    is_native = encoding(meta.transfer_syntax).is_native
    if not is_native or real_file.name in CUT_OFF or "PixelData" not in read:
        assert found == Cut(len(dataset))
        return
    assert found.pixels is not None
    start, end = found.pixels
    assert dataset[start:end] == read.PixelData
    allocated, samples = read.get("BitsAllocated"), read.get("SamplesPerPixel")
    gray = str(read.get("PhotometricInterpretation", "")).startswith("MONOCHROME")
    assert (found.layout is not None) == (gray and samples == 1 and allocated in (8, 16))
    if found.layout:
        assert found.layout.frame_bytes * found.layout.frames <= len(read.PixelData)
        assert (found.layout.rows, found.layout.columns) == (read.Rows, read.Columns)
        assert found.layout.bits_stored == read.BitsStored


@pytest.mark.parametrize("syntax", sorted(ENCODINGS))
def test_the_layout_of_grayscale_frames(syntax: str) -> None:
    encoding = ENCODINGS[syntax]
    extra: dict[str, int | str] = {"00280008": "2 ", "00280103": 1, "00280120": 0xF830}
    found = cut_whole(encode(described(encoding, 63, **extra), encoding), syntax)
    assert found.layout == FrameLayout(
        rows=3, columns=5, frames=2, word=2, big_endian=not encoding.little, signed=True,
        bits_stored=12, high_bit=11, padding_value=0xF830,
    )  # fmt: skip
    assert found.layout.frame_bytes == 30
    assert found.unit == 2


@pytest.mark.parametrize(
    "changes",
    [
        {"00280002": 3},
        {"00280004": "PALETTE COLOR "},
        {"00280010": 0},
        {"00280100": 1},
        {"00280100": 32},
        {"00280010": 65535, "00280011": 65535},
        {"00280008": "0 "},
    ],
)
def test_other_images_have_no_layout(changes: dict[str, int | str]) -> None:
    elements = described(EXPLICIT_LITTLE, 30, **changes)
    found = cut_whole(encode(elements, EXPLICIT_LITTLE), EXPLICIT_VR_LITTLE_ENDIAN)
    assert found.pixels is not None
    assert found.layout is None


def test_a_value_of_fewer_frames_than_said_is_laid_out_as_far_as_it_goes() -> None:
    elements = described(EXPLICIT_LITTLE, 30 + 29, **{"00280008": "7 "})
    found = cut_whole(encode(elements, EXPLICIT_LITTLE), EXPLICIT_VR_LITTLE_ENDIAN)
    assert found.layout is not None
    assert found.layout.frames == 1


def test_impossible_bits_fall_back_to_the_allocated_ones() -> None:
    elements = described(EXPLICIT_LITTLE, 30, **{"00280101": 99, "00280102": 40})
    found = cut_whole(encode(elements, EXPLICIT_LITTLE), EXPLICIT_VR_LITTLE_ENDIAN)
    assert found.layout is not None
    assert (found.layout.bits_stored, found.layout.high_bit) == (16, 15)


def test_only_the_icon_has_pixels() -> None:
    icon = Item((Element(PIXEL_DATA, "OW", bytes(128)),), delimited=True)
    for delimited in (False, True):
        sequence = Sequence(ICON_IMAGE_SEQUENCE, (icon,), delimited)
        dataset = encode((sequence,), EXPLICIT_LITTLE)
        assert cut_whole(dataset, EXPLICIT_VR_LITTLE_ENDIAN) == Cut(len(dataset))


def test_an_icon_of_fragments_is_walked_over() -> None:
    fragments = (Item(()), Item((Element(0x00081030, "LO", b"no element"),)))
    icon = Item((Sequence(PIXEL_DATA, fragments, delimited=True, vr="SQ"),), delimited=True)
    head = encode((Sequence(ICON_IMAGE_SEQUENCE, (icon,), delimited=True),), EXPLICIT_LITTLE)
    head = head.replace(b"\xe0\x7f\x10\x00SQ", b"\xe0\x7f\x10\x00OB")
    dataset = head + header(PIXEL_DATA, "OW", 4, EXPLICIT_LITTLE) + b"abcd"
    assert cut_whole(dataset, EXPLICIT_VR_LITTLE_ENDIAN).pixels == (len(dataset) - 4, len(dataset))


@pytest.mark.parametrize(
    "syntax", [DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN, "1.2.840.10008.1.2.4.70", "1.2.3.4.5"]
)
def test_datasets_without_native_pixels_stay_whole(syntax: str) -> None:
    dataset = encode(described(EXPLICIT_LITTLE, 30), EXPLICIT_LITTLE)
    assert cut_whole(dataset, syntax) == Cut(len(dataset))


def test_pixel_data_beyond_the_end_stay_whole() -> None:
    dataset = encode(described(EXPLICIT_LITTLE, 30), EXPLICIT_LITTLE)[:-1]
    assert cut_whole(dataset, EXPLICIT_VR_LITTLE_ENDIAN) == Cut(len(dataset))


def test_explicit_vr_under_a_declared_implicit_one_is_seen() -> None:
    dataset = encode(described(EXPLICIT_LITTLE, 30), EXPLICIT_LITTLE)
    found = cut_whole(dataset, "1.2.840.10008.1.2")
    assert found == cut_whole(dataset, EXPLICIT_VR_LITTLE_ENDIAN)


@pytest.mark.parametrize("encoding", [IMPLICIT_LITTLE, EXPLICIT_LITTLE, EXPLICIT_BIG])
def test_a_nesting_bomb_is_only_long(encoding: Encoding) -> None:
    syntax = next(uid for uid, known in ENCODINGS.items() if known == encoding)
    opening = header(0x00081140, "SQ", 0xFFFFFFFF, encoding)
    opening += header(0xFFFEE000, "", 0xFFFFFFFF, encoding)
    closing = header(0xFFFEE00D, "", 0, encoding) + header(0xFFFEE0DD, "", 0, encoding)
    bomb = opening * 20_000 + closing * 20_000
    pixels = header(PIXEL_DATA, "OW", 2, encoding) + b"ab"
    assert cut_whole(bomb + pixels, syntax).pixels == (len(bomb + pixels) - 2, len(bomb + pixels))
    assert cut_whole(opening * 20_000, syntax) == Cut(len(opening) * 20_000)


def test_a_sequence_closed_without_its_item_is_closed() -> None:
    encoding = EXPLICIT_LITTLE
    sequence = Sequence(0x00081140, (Item((), delimited=True),), delimited=True)
    dataset = encode((sequence,), encoding).replace(header(0xFFFEE00D, "", 0, encoding), b"")
    dataset += header(PIXEL_DATA, "OW", 2, encoding) + b"ab"
    found = cut_whole(dataset, EXPLICIT_VR_LITTLE_ENDIAN)
    assert found.pixels == (len(dataset) - 2, len(dataset))
