"""Objects give back the dataset byte for byte, whatever it holds."""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections.abc import Callable
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy as np
import pydicom
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dicom.cut import Cut
from dicom.syntax import RADIOLITH_SYNTAX
from models import registry
from service.errors import DataFault
from service.records import Received
from service.sealing import writer
from service.sealing.clear import clear_uid
from service.sealing.parts import MIN_CHUNK
from service.sealing.reader import ObjectReader
from service.sealing.writer import (
    Content,
    EncodedFrames,
    FrameStream,
    Sealing,
    kept_whole,
    size_limit,
    write_object,
)
from tests.vault.helpers import reception
from tests.vault.objects import KEYS, coded, content_of, image, seal, smooth


def check(content: Content, frames: bool) -> None:
    sealed = seal(content, frames)
    reader = sealed.reader()
    assert reader.received == content.received
    assert reader.dataset() == content.dataset
    assert reader.check_hints() is None
    target = bytearray(len(content.dataset))
    reader.read_into(memoryview(target))
    assert target == content.dataset


@pytest.mark.parametrize("frames", [True, False])
@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 16, 17), (5, 12, 10), (3, 1, 3)])
@pytest.mark.parametrize("word", ["<u2", "u1"])
@pytest.mark.parametrize("surplus", [b"", b"odd"])
def test_round_trip_of_frames(
    frames: bool, shape: tuple[int, int, int], word: str, surplus: bytes
) -> None:
    check(content_of(image(smooth(*shape).astype(word), surplus)), frames)


def test_big_endian_frames_keep_their_byte_order() -> None:
    words = smooth(2, 9, 11)
    dataset = b"head" + words.astype(">u2").tobytes() + b"tail"
    layout = content_of(image(words)).cut.layout
    assert layout is not None
    big = replace(layout, big_endian=True)
    content = Content(
        reception(dataset),
        1,
        dataset,
        Cut(len(dataset), (4, 4 + words.nbytes), big),
        pydicom.Dataset(),
    )
    reader = seal(content).reader()
    assert np.array_equal(reader.frame(1), words[1])
    assert reader.dataset() == dataset


def test_frames_are_read_one_by_one_as_words() -> None:
    words = smooth(6, 20, 31)
    reader = seal(content_of(image(words))).reader()
    assert reader.frames == 6
    for number in (4, 0, 5):
        assert np.array_equal(reader.frame(number), words[number])


@pytest.mark.parametrize(
    "length",
    [0, 1, 2, 300, (1 << 18) - 1, 1 << 18, (1 << 18) + 1, MIN_CHUNK + (1 << 18) + 1, 9_000_001],
)
def test_round_trip_of_datasets_kept_whole(length: int) -> None:
    check(content_of(os.urandom(length), "1.2.840.10008.1.2.4.90"), frames=False)


def test_round_trip_of_colour_and_of_long_heads_and_tails() -> None:
    rgb = image(np.arange(2 * 8 * 30, dtype=np.uint8).reshape(2, 8, 30), samples=3)
    check(content_of(rgb), frames=False)
    dataset = os.urandom(3 * MIN_CHUNK + 5)
    cut = Cut(len(dataset), (MIN_CHUNK + 1, MIN_CHUNK + 999), None, 3)
    check(Content(reception(dataset), 1, dataset, cut, pydicom.Dataset()), frames=False)


@given(data=st.binary(max_size=3000), places=st.tuples(st.integers(0, 3000), st.integers(0, 3000)))
def test_round_trip_of_any_bytes_cut_anywhere(data: bytes, places: tuple[int, int]) -> None:
    start, end = sorted(min(place, len(data)) for place in places)
    content = Content(reception(data), 1, data, Cut(len(data), (start, end)), pydicom.Dataset())
    check(content, frames=False)


@example(uid="1.2\0", texts=[""] * 4, prefix=b"", revision=1)
@given(
    uid=st.text(st.characters(max_codepoint=255), max_size=100),
    texts=st.lists(st.text(max_size=20), min_size=4, max_size=4),
    prefix=st.binary(max_size=500),
    revision=st.integers(1, 1000),
)
def test_received_facts_come_back(uid: str, texts: list[str], prefix: bytes, revision: int) -> None:
    received = reception(
        b"dataset",
        sop_instance_uid=uid,
        command_sop_instance_uid=texts[0],
        study_uid=texts[1],
        calling_ae=texts[2],
        address=texts[3],
        prefix=prefix,
    )
    reader = seal(Content(received, revision, b"dataset", Cut(7), pydicom.Dataset())).reader()
    assert reader.received == received
    assert reader.header.revision == revision


def test_nothing_of_the_patient_is_in_the_clear() -> None:
    content = content_of(image(smooth(1, 8, 8)))
    data = bytes(seal(content).data)
    series = content.received.series_uid.encode()
    for sealed in (b"Synthetic", series + b"\0", b"MODALITY", b"192.0.2.7"):
        assert sealed not in data


def test_a_long_uid_has_a_surrogate_in_the_clear() -> None:
    uid = "1." * 40 + "1"
    content = Content(reception(b"x", sop_instance_uid=uid), 1, b"x", Cut(1), pydicom.Dataset())
    reader = seal(content).reader()
    assert reader.received.sop_instance_uid == uid
    assert reader.clear.sop_instance_uid == clear_uid(uid) != uid
    assert pydicom.uid.UID(clear_uid(uid)).is_valid


def test_two_sealings_share_nothing_but_what_is_public() -> None:
    content = content_of(image(smooth(1, 8, 8)))
    one, two = seal(content).reader().clear, seal(content).reader().clear
    assert one.object_id != two.object_id
    assert one.salt != two.salt
    assert one.check != two.check


@pytest.mark.parametrize("change", [-1, 1])
def test_a_wrong_number_of_frames_is_refused(change: int) -> None:
    content = content_of(image(smooth(3, 8, 8)))
    streams = [*coded(content, registry.default()).streams, FrameStream(b"\0")][: 3 + change]
    with pytest.raises(DataFault, match="another number"):
        write_object(BytesIO(), Sealing.fresh(KEYS), content, EncodedFrames(streams, None))


def test_pydicom_reads_the_elements(tmp_path: Path) -> None:
    content = content_of(image(smooth(3, 8, 9)))
    path = tmp_path / "object.dcm"
    path.write_bytes(seal(content).data)
    dataset = pydicom.dcmread(path)
    assert dataset.file_meta.TransferSyntaxUID == RADIOLITH_SYNTAX
    assert dataset.SOPInstanceUID == content.received.sop_instance_uid
    assert (dataset.NumberOfFrames, dataset.Rows, dataset.Columns) == (3, 8, 9)
    assert dataset.private_block(0x1071, "RADIOLITH 1")[0x01].value == 1
    items = list(pydicom.encaps.generate_frames(dataset.PixelData, number_of_frames=3))
    assert [item[:4] for item in items] == [b"RLP\x01"] * 3


@pytest.mark.interop
@pytest.mark.parametrize("frames", [True, False])
def test_dcmdump_reads_the_elements(
    tmp_path: Path, peer_tool: Callable[[str], str], frames: bool
) -> None:
    path = tmp_path / "object.dcm"
    path.write_bytes(seal(content_of(image(smooth(3, 8, 9))), frames).data)
    done = subprocess.run(
        [peer_tool("dcmdump"), "-q", path], capture_output=True, text=True, check=True
    )
    assert "(1071,0010) LO [RADIOLITH 1]" in done.stdout
    assert "(0028,0010) US 8" in done.stdout
    assert "(fffe,e0dd)" in done.stdout
    assert done.stderr == ""


def test_an_extended_offset_table_stands_where_a_basic_one_does_not_reach(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "_BASIC_REACH", 100)
    content = content_of(image(smooth(3, 7, 9).astype("u1")))
    sealed = seal(content)
    check(content, frames=True)
    path = tmp_path / "object.dcm"
    path.write_bytes(sealed.data)
    dataset = pydicom.dcmread(path)
    tables = (dataset.ExtendedOffsetTable, dataset.ExtendedOffsetTableLengths)
    items = list(
        pydicom.encaps.generate_frames(
            dataset.PixelData, number_of_frames=3, extended_offsets=tables
        )
    )
    assert [item[4:20] for item in items] == [sealed.object_id] * 3
    sealed.data[sealed.data.index(dataset.ExtendedOffsetTable)] ^= 1
    assert sealed.reader().dataset() == content.dataset
    assert "offsets" in str(sealed.reader().check_hints())


def received_with(dataset: bytes, uid: str) -> Received:
    return reception(
        dataset,
        entry_id=os.urandom(16),
        sha256=hashlib.sha256(dataset).digest(),
        sop_instance_uid=uid,
        command_sop_instance_uid=uid,
        calling_ae="ABCDEFGHIJKLMNOP",
        called_ae="QRSTUVWXYZABCDEF",
        address="2001:db8:1234:5678:9abc:def0:1357:2468",
    )


@given(
    shape=st.tuples(st.integers(1, 5), st.integers(1, 9), st.integers(1, 9)),
    word=st.sampled_from(["<u2", "u1"]),
    seed=st.integers(0, 2**32),
)
def test_noise_stays_under_the_size_limit(
    shape: tuple[int, int, int], word: str, seed: int
) -> None:
    noise = np.random.default_rng(seed).integers(0, 2 ** (8 * np.dtype(word).itemsize), shape)
    content = content_of(image(noise.astype(word)))
    for frames in (True, False):
        sealed = seal(content, frames)
        assert len(sealed.data) <= size_limit(content.received, shape[0])


@pytest.mark.parametrize("length", [0, 100, 1 << 18, (1 << 18) + 1, 5 << 20, 33_333_333])
@pytest.mark.parametrize("place", [None, 0.01, 0.5])
def test_what_cannot_be_compressed_stays_under_the_size_limit(
    length: int, place: float | None
) -> None:
    uid = "2.25." + str(int.from_bytes(os.urandom(18)))[:39]
    start = b"\x08\0\x18\0UI,\0" + uid.encode() + b"\x08\0\x16\0UI\x1a\0" + bytes(26)
    dataset = start + os.urandom(length)
    cut = Cut(len(dataset))
    if place is not None and length:
        cut = Cut(len(dataset), (int(place * len(dataset)), len(dataset) - length // 10), None, 2)
    content = Content(received_with(dataset, uid), 1, dataset, cut, pydicom.Dataset())
    limit = size_limit(content.received, 0)
    sizes = [len(seal(one, frames=False).data) for one in (content, kept_whole(content))]
    assert min(sizes) <= limit


@pytest.mark.parametrize(("frames", "longest"), [(1, 1 << 30), (100, 1 << 24), (4000, 1 << 20)])
def test_chunks_of_pixel_data_grow_with_the_frame_not_with_their_number(
    frames: int, longest: int
) -> None:
    length = 1 << 30
    attributes = pydicom.Dataset()
    attributes.NumberOfFrames = frames
    content = Content(reception(b""), 1, b"", Cut(length, (0, length), None, 3), attributes)
    assert content.chunk <= longest


def test_an_object_that_is_open_reads_only_what_is_asked(tmp_path: Path) -> None:
    words = smooth(8, 64, 64)
    sealed = seal(content_of(image(words)))
    counted = _Counted(bytes(sealed.data))
    reader = ObjectReader(counted, KEYS, sealed.object_id, registry.all_models())
    opened = counted.count
    reader.frame(7)
    assert counted.count - opened < len(sealed.data) / 2


class _Counted(BytesIO):
    count = 0

    def read(self, size: int | None = -1) -> bytes:
        data = super().read(size)
        self.count += len(data)
        return data
