"""What stands before a dataset is told apart, kept and put back."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dicom.part10 import MAGIC, NotDicom, split_part10, write_file_meta
from dicom.syntax import (
    EXPLICIT_VR_BIG_ENDIAN,
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
)
from tests.dicom.conftest import NOT_DICOM, PYDICOM_FILES
from tests.dicom.encoded import ENCODINGS, Element, encode

DATASET = (Element(0x00080005, "CS", b"ISO_IR 100"), Element(0x00080060, "CS", b"MR"))


def test_real_files_come_together_again(real_file: Path) -> None:
    file = real_file.read_bytes()
    header = split_part10(file[: 64 * 1024])
    assert header.restore(file[header.dataset_offset :]) == file
    assert header.dataset_offset == len(header.raw)


def test_real_files_say_what_pydicom_reads(real_file: Path) -> None:
    header = split_part10(real_file.read_bytes())
    meta = pydicom.dcmread(real_file, force=True, stop_before_pixels=True).file_meta
    assert header.sop_instance_uid == str(meta.get("MediaStorageSOPInstanceUID", ""))
    assert header.sop_class_uid == str(meta.get("MediaStorageSOPClassUID", ""))
    if "TransferSyntaxUID" in meta:
        assert header.transfer_syntax == str(meta.TransferSyntaxUID)


@pytest.mark.parametrize(
    ("name", "syntax"),
    [
        ("ExplVR_LitEndNoMeta.dcm", EXPLICIT_VR_LITTLE_ENDIAN),
        ("ExplVR_BigEndNoMeta.dcm", EXPLICIT_VR_BIG_ENDIAN),
        ("meta_missing_tsyntax.dcm", IMPLICIT_VR_LITTLE_ENDIAN),
    ],
)
def test_the_syntax_of_files_that_do_not_say(name: str, syntax: str) -> None:
    header = split_part10((PYDICOM_FILES / name).read_bytes())
    assert header.transfer_syntax == syntax
    assert not header.is_complete


@pytest.mark.parametrize("syntax", sorted(ENCODINGS))
def test_bare_datasets_are_told_apart(syntax: str) -> None:
    dataset = encode(DATASET, ENCODINGS[syntax])
    header = split_part10(dataset)
    assert (header.raw, header.transfer_syntax) == (b"", syntax)


@pytest.mark.parametrize(
    "cut_off", [b"", bytes(128), bytes(128) + MAGIC, MAGIC], ids=["nothing", "zeros", "magic", "m"]
)
def test_meta_information_is_read_without_what_should_precede_it(cut_off: bytes) -> None:
    whole = write_file_meta("1.2", "3.4", EXPLICIT_VR_LITTLE_ENDIAN)
    meta = whole[132:]
    dataset = encode(DATASET, ENCODINGS[EXPLICIT_VR_LITTLE_ENDIAN])
    if cut_off == bytes(128):
        with pytest.raises(NotDicom):
            split_part10(cut_off + meta + dataset)
        return
    header = split_part10(cut_off + meta + dataset)
    assert header.raw == cut_off + meta
    assert (header.sop_class_uid, header.sop_instance_uid) == ("1.2", "3.4")
    assert header.is_complete == (len(cut_off) == 132)


@given(
    sop_class=st.from_regex(r"[0-9.]{0,64}", fullmatch=True),
    sop_instance=st.text(st.characters(min_codepoint=33, max_codepoint=255), max_size=64),
    syntax=st.sampled_from(sorted(ENCODINGS)),
)
def test_what_is_written_is_read_back(sop_class: str, sop_instance: str, syntax: str) -> None:
    dataset = encode(DATASET, ENCODINGS[syntax])
    file = write_file_meta(sop_class, sop_instance, syntax) + dataset
    header = split_part10(file)
    assert (header.sop_class_uid, header.sop_instance_uid) == (sop_class, sop_instance)
    assert header.transfer_syntax == syntax
    assert file[header.dataset_offset :] == dataset
    read = pydicom.dcmread(BytesIO(file))
    assert read.Modality == "MR"
    assert read.file_meta.FileMetaInformationGroupLength == header.dataset_offset - 144


@pytest.mark.parametrize(
    "file",
    [b"", b"DICM", b"%PDF-1.7\n" + bytes(200), b"PK\3\4" + bytes(300), NOT_DICOM.read_bytes()],
    ids=["empty", "magic", "pdf", "zip", "stray byte"],
)
def test_other_files_are_refused(file: bytes) -> None:
    with pytest.raises(NotDicom):
        split_part10(file)


@given(st.binary(max_size=400))
def test_any_file_is_split_or_refused(file: bytes) -> None:
    try:
        header = split_part10(bytes(128) + MAGIC + file)
    except NotDicom:
        return
    assert header.restore((bytes(128) + MAGIC + file)[header.dataset_offset :]).endswith(file)
