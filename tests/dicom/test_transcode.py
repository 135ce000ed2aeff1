"""Uncompressed forms hold the same pixels and the same everything else."""

from __future__ import annotations

import importlib
import zlib
from io import BytesIO
from pathlib import Path

import numpy as np
import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from pydicom.dataset import FileDataset
from pydicom.encaps import encapsulate, generate_frames

from dicom.elements import EXPLICIT_LITTLE, PIXEL_DATA, Encoding, top_level
from dicom.frames import _joined_bits
from dicom.inflate import InflateError, inflate
from dicom.part10 import split_part10, write_file_meta
from dicom.syntax import (
    DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
    DEFLATED_IMAGE_FRAME,
    ENCAPSULATED_UNCOMPRESSED,
    EXPLICIT_VR_BIG_ENDIAN,
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
    encoding,
)
from dicom.transcode import NoDecoderError, TranscodeError, to_uncompressed
from tests.dicom.conftest import PYDICOM_FILES
from tests.dicom.encoded import Element, encode, header

TARGETS = [EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN]
PIXEL_DESCRIPTION = {0x00280004, 0x00280006, 0x00280100}
FRAGMENT_TABLES = {0x7FE00001, 0x7FE00002, 0x7FE00003}

MALFORMED = {
    "008_RTPLAN.dcm",
    "032_MR.dcm",
    "049_MR.dcm",
    "rtplan_truncated.dcm",
    "MR_truncated.dcm",
    "JPEG2000-embedded-sequence-delimiter.dcm",
}
"""Files that end inside an element, or whose codestream is damaged: they have no other form."""


def split(path: Path) -> tuple[bytes, str]:
    file = path.read_bytes()
    meta = split_part10(file)
    return file[meta.dataset_offset :], meta.transfer_syntax


def as_file(dataset: bytes, syntax: str) -> FileDataset:
    return pydicom.dcmread(BytesIO(write_file_meta("1.2", "1.2", syntax) + dataset))


def elements(dataset: bytes, syntax: str) -> dict[int, bytes]:
    facts = encoding(syntax)
    written = Encoding(facts.is_explicit, facts.is_little)
    return {h.tag: dataset[h.value : end] for h, end in top_level(dataset, written)}


@pytest.mark.parametrize("target", TARGETS)
def test_real_files_keep_their_pixels(real_file: Path, target: str) -> None:
    dataset, syntax = split(real_file)
    if real_file.name in MALFORMED and syntax != target:
        with pytest.raises(TranscodeError):
            to_uncompressed(dataset, syntax, target)
        return
    transcoded = to_uncompressed(dataset, syntax, target)
    if syntax == target:
        assert transcoded == dataset
        return
    original = as_file(dataset, syntax)
    if "PixelData" not in original:
        return
    assert 0x7FE00010 in elements(transcoded, target)
    try:
        expected = original.pixel_array
    except (NotImplementedError, AttributeError, RuntimeError, ValueError):
        return  # pydicom has no decoder; the tests below know these files otherwise
    found = as_file(transcoded, target).pixel_array
    assert found.dtype.newbyteorder("=") == expected.dtype.newbyteorder("=")
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("target", TARGETS)
def test_real_files_keep_every_other_value(real_file: Path, target: str) -> None:
    dataset, syntax = split(real_file)
    if real_file.name in MALFORMED:
        return  # refused, says the test above
    facts = encoding(syntax)
    changing = FRAGMENT_TABLES
    if facts.is_encapsulated:
        changing = changing | PIXEL_DESCRIPTION | {PIXEL_DATA}
    before = elements(inflate(dataset, 2**24) if facts.is_deflated else dataset, syntax)
    after = elements(to_uncompressed(dataset, syntax, target), target)
    kept = {tag for tag in before if tag & 0xFFFF} - changing
    assert kept == {tag for tag in after if tag & 0xFFFF} - changing
    for tag in kept:
        if before[tag][:4] in (b"\xfe\xff\x00\xe0", b"\xff\xfe\xe0\x00"):
            continue  # headers inside a sequence change their size
        assert len(before[tag]) == len(after[tag]), hex(tag)
        assert before[tag] == after[tag] or not facts.is_little, hex(tag)


JPEG_12_BIT = ["035_NM", "040_MR", "065_CT", "066_CT", "068_CT", "071_CT", "074_CR"]


@pytest.mark.parametrize("name", JPEG_12_BIT)
def test_12_bit_jpeg_decodes_as_another_decoder_does(shared_data: Path, name: str) -> None:
    imagecodecs = pytest.importorskip("imagecodecs", reason="the optional extra 'bench'")
    path = shared_data / "conformance" / f"{name}.dcm"
    original = pydicom.dcmread(path)
    frames = generate_frames(
        original.PixelData, number_of_frames=int(original.get("NumberOfFrames") or 1)
    )
    expected = b"".join(imagecodecs.jpeg_decode(frame).astype("<u2").tobytes() for frame in frames)
    transcoded = to_uncompressed(*split(path), EXPLICIT_VR_LITTLE_ENDIAN)
    assert as_file(transcoded, EXPLICIT_VR_LITTLE_ENDIAN).PixelData == expected


def test_the_instance_uid_stays() -> None:
    dataset, syntax = split(PYDICOM_FILES / "JPEG2000.dcm")
    transcoded = as_file(to_uncompressed(dataset, syntax, TARGETS[0]), TARGETS[0])
    assert transcoded.SOPInstanceUID == as_file(dataset, syntax).SOPInstanceUID


def test_colours_stay_what_they_were_stored_as() -> None:
    dataset, syntax = split(PYDICOM_FILES / "SC_rgb_jpeg_dcmtk.dcm")
    assert as_file(dataset, syntax).PhotometricInterpretation == "YBR_FULL"
    transcoded = as_file(to_uncompressed(dataset, syntax, TARGETS[0]), TARGETS[0])
    assert transcoded.PhotometricInterpretation == "YBR_FULL"
    assert transcoded.PlanarConfiguration == 0


def image(
    pixels: NDArray[np.generic], bits: int, frames: list[bytes], extra: tuple[Element, ...] = ()
) -> bytes:
    """An encapsulated grayscale image of several frames."""

    def us(tag: int, value: int) -> Element:
        return Element(tag, "US", value.to_bytes(2, "little"))

    allocated = 8 * pixels.itemsize if bits > 1 else 1
    head = encode(
        (
            Element(0x00080018, "UI", b"1.2.3\0"),
            us(0x00280002, 1),
            Element(0x00280004, "CS", b"MONOCHROME2 "),
            Element(0x00280008, "IS", f"{len(pixels):<2}".encode()),
            us(0x00280010, pixels.shape[1]),
            us(0x00280011, pixels.shape[2]),
            us(0x00280100, allocated),
            us(0x00280101, bits),
            us(0x00280102, bits - 1),
            us(0x00280103, 0),
            *extra,
        ),
        EXPLICIT_LITTLE,
    )
    value = encapsulate(frames)
    return (
        head
        + header(PIXEL_DATA, "OB", 0xFFFFFFFF, EXPLICIT_LITTLE)
        + value
        + header(0xFFFEE0DD, "", 0, EXPLICIT_LITTLE)
    )


COMPRESSED = ["5", "4.50", "4.51", "4.80", "4.90"]


def raw_deflate(data: bytes) -> bytes:
    compressor = zlib.compressobj(wbits=-15)
    return compressor.compress(data) + compressor.flush()


@pytest.mark.parametrize("syntax", [DEFLATED_IMAGE_FRAME, ENCAPSULATED_UNCOMPRESSED])
@pytest.mark.parametrize("shape", [(3, 4, 5), (1, 1, 1), (2, 7, 3)])
def test_frames_that_are_deflated_or_only_wrapped(syntax: str, shape: tuple[int, ...]) -> None:
    pixels = np.arange(np.prod(shape), dtype="<u2").reshape(shape)
    wrap = raw_deflate if syntax == DEFLATED_IMAGE_FRAME else bytes
    dataset = image(pixels, 12, [wrap(frame.tobytes()) for frame in pixels])
    found = as_file(to_uncompressed(dataset, syntax, TARGETS[0]), TARGETS[0])
    np.testing.assert_array_equal(found.pixel_array.reshape(shape), pixels)


@pytest.mark.parametrize("columns", [8, 5])
def test_frames_of_bits_follow_each_other_without_gaps(columns: int) -> None:
    bits = (np.arange(3 * 3 * columns) % 3 == 0).reshape(3, 3, columns).astype(np.uint8)
    packed = [np.packbits(frame.ravel(), bitorder="little").tobytes() for frame in bits]
    dataset = image(bits, 1, [raw_deflate(frame) for frame in packed])
    found = as_file(to_uncompressed(dataset, DEFLATED_IMAGE_FRAME, TARGETS[0]), TARGETS[0])
    assert found.BitsAllocated == 1
    np.testing.assert_array_equal(found.pixel_array, bits)


@given(st.lists(st.binary(min_size=2, max_size=2), min_size=1, max_size=9), st.integers(9, 16))
def test_bits_are_joined_in_order(frames: list[bytes], frame_bits: int) -> None:
    joined = int.from_bytes(_joined_bits(frames, frame_bits), "little")
    for index, frame in enumerate(frames):
        mask = (1 << frame_bits) - 1
        assert joined >> index * frame_bits & mask == int.from_bytes(frame, "little") & mask


@pytest.mark.parametrize("name", ["026_SEG", "027_SEG", "036_SEG"])
def test_segmentations_of_bits_agree_with_their_other_encodings(
    shared_data: Path, name: str
) -> None:
    dataset, syntax = split(shared_data / "conformance" / f"{name}.dcm")
    found = as_file(to_uncompressed(dataset, syntax, TARGETS[0]), TARGETS[0])
    assert set(np.unique(found.pixel_array)) <= {0, 1}
    assert found.pixel_array.any()


def test_a_deflated_dataset_is_inflated() -> None:
    dataset = encode((Element(0x00080060, "CS", b"MR"),), EXPLICIT_LITTLE)
    for padding in (b"", b"\0"):
        stream = raw_deflate(dataset) + padding
        found = to_uncompressed(stream, DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN, TARGETS[0])
        assert found == dataset


def test_a_deflate_bomb_is_refused() -> None:
    bomb = raw_deflate(bytes(10**7))
    with pytest.raises(TranscodeError, match="more than"):
        to_uncompressed(bomb, DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN, TARGETS[0], limit=10**6)


@pytest.mark.parametrize("stream", [b"", b"\xff\xff", raw_deflate(b"x" * 1000)[:-3]])
def test_damaged_deflate_streams_are_refused(stream: bytes) -> None:
    with pytest.raises(InflateError):
        inflate(stream, 10**6)


@pytest.mark.parametrize(
    "syntax", ["1.2.840.10008.1.2.4.102", "1.2.840.10008.1.2.4.110", "1.2.3.4"]
)
def test_no_decoder_is_said(syntax: str) -> None:
    dataset = image(np.zeros((1, 4, 4), "u1"), 8, [b"stream"])
    with pytest.raises(NoDecoderError, match=syntax):
        to_uncompressed(dataset, syntax, TARGETS[0])


@pytest.mark.parametrize("target", [EXPLICIT_VR_BIG_ENDIAN, "1.2.840.10008.1.2.4.50", "1.2.3"])
def test_other_targets_are_refused(target: str) -> None:
    with pytest.raises(TranscodeError):
        to_uncompressed(b"", EXPLICIT_VR_LITTLE_ENDIAN, target)


def test_an_image_larger_than_dicom_allows_is_refused_before_decoding() -> None:
    dataset = image(np.zeros((1, 4, 4), "<u2"), 16, [b"stream"])
    huge = dataset.replace(b"\x28\x00\x08\x00IS\x02\x001 ", b"\x28\x00\x08\x00IS\x0a\x009999999999")
    with pytest.raises(TranscodeError, match="longer than"):
        to_uncompressed(huge, "1.2.840.10008.1.2.4.90", TARGETS[0])


def test_a_codestream_of_another_size_is_refused_before_decoding() -> None:
    dataset, syntax = split(PYDICOM_FILES / "MR_small_jp2klossless.dcm")
    siz = dataset.index(b"\xff\x4f\xff\x51") + 8
    huge = bytearray(dataset)
    huge[siz : siz + 8] = (60_000).to_bytes(4, "big") * 2
    with pytest.raises(TranscodeError, match="60000 by 60000"):
        to_uncompressed(huge, syntax, TARGETS[0])


def test_damaged_frames_are_refused() -> None:
    dataset, syntax = split(PYDICOM_FILES / "MR_small_jpeg_ls_lossless.dcm")
    start = dataset.index(b"\xff\xda")
    damaged = dataset[:start] + bytes(200) + dataset[start + 200 :]
    with pytest.raises(TranscodeError):
        to_uncompressed(damaged, syntax, TARGETS[0])


def test_missing_frames_are_refused() -> None:
    pixels = np.zeros((3, 4, 4), "<u2")
    dataset = image(pixels, 16, [raw_deflate(pixels[0].tobytes())] * 2)
    with pytest.raises(TranscodeError, match="frames"):
        to_uncompressed(dataset, DEFLATED_IMAGE_FRAME, TARGETS[0])


@given(
    data=st.binary(min_size=2, max_size=300),
    syntax=st.sampled_from(["5", "4.50", "4.51", "4.80", "4.90"]),
)
def test_any_fragments_are_decoded_or_refused(data: bytes, syntax: str) -> None:
    dataset = image(np.zeros((1, 4, 4), "<u2"), 16, [data])
    try:
        to_uncompressed(dataset, f"1.2.840.10008.1.2.{syntax}", TARGETS[0])
    except TranscodeError:
        return


def test_decoders_of_the_standard_s_usual_syntaxes_are_installed() -> None:
    for module in ("gdcm", "jpeg_ls", "openjpeg", "PIL"):
        importlib.import_module(module)
