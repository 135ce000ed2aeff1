"""Datasets read by ranges give the bytes that slices of the whole would."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.errors import Altered, Undecodable
from service.sealing.journal import JournalReader, JournalWriter
from service.sealing.parts import MIN_CHUNK
from service.sealing.source import Joined, Pieces, Source, ranges
from tests.vault.helpers import FixedKeys, reception
from tests.vault.objects import content_of, image, seal, smooth

places = st.none() | st.integers(-60, 60)


def in_pieces(data: bytes, size: int) -> Pieces:
    return Pieces(len(data), size, lambda number: data[number * size : (number + 1) * size])


@given(data=st.binary(max_size=50), size=st.integers(1, 60), start=places, stop=places)
def test_pieces(data: bytes, size: int, start: int | None, stop: int | None) -> None:
    assert bytes(in_pieces(data, size)[start:stop]) == data[start:stop]


@given(parts=st.lists(st.binary(max_size=9), max_size=5), start=places, stop=places, size=places)
def test_joined(parts: list[bytes], start: int | None, stop: int | None, size: int | None) -> None:
    sources: list[Source] = [in_pieces(part, 1 + abs(size or 3)) for part in parts]
    data = b"".join(parts)
    assert bytes(Joined(sources)[start:stop]) == data[start:stop]
    assert len(Joined(sources)) == len(data)


@given(data=st.binary(max_size=50), size=st.integers(1, 20), stop=st.integers(0, 50))
def test_ranges(data: bytes, size: int, stop: int) -> None:
    given = [bytes(piece) for piece in ranges(data, size, 1, min(stop, len(data)))]
    assert b"".join(given) == data[1:stop]
    assert all(len(piece) == size for piece in given[:-1])


def test_each_piece_is_loaded_once_when_read_in_order() -> None:
    loaded: list[int] = []

    def load(number: int) -> bytes:
        loaded.append(number)
        return bytes([number]) * 10

    assert b"".join(ranges(Pieces(50, 10, load), 7))[49] == 4
    assert loaded == [0, 1, 2, 3, 4]


def test_a_piece_of_another_length_is_named() -> None:
    with pytest.raises(Undecodable, match="piece 2"):
        _ = Pieces(20, 10, lambda number: bytes(10 - number))[:]


@pytest.fixture
def entry(tmp_path: Path) -> Iterator[tuple[bytes, JournalReader]]:
    data = os.urandom(3 * MIN_CHUNK + 5)
    received = reception(data)
    writer = JournalWriter(tmp_path, FixedKeys(), received.entry_id, {})
    writer.write(data)
    path = writer.finish(received)
    with JournalReader(path, FixedKeys()) as reader:
        yield data, reader


def test_a_journal_entry_is_read_by_ranges(entry: tuple[bytes, JournalReader]) -> None:
    data, reader = entry
    reader.verify()
    assert b"".join(ranges(reader.source, 700_001)) == data
    assert reader.source[MIN_CHUNK - 1 : MIN_CHUNK + 1] == data[MIN_CHUNK - 1 : MIN_CHUNK + 1]


def test_a_range_of_an_altered_journal_entry_is_named(
    entry: tuple[bytes, JournalReader], tmp_path: Path
) -> None:
    _, reader = entry
    (path,) = tmp_path.iterdir()
    content = bytearray(path.read_bytes())
    content[2 * MIN_CHUNK] ^= 1
    path.write_bytes(content)
    assert len(reader.source[:10]) == 10
    with pytest.raises(Altered, match="chunk 2"):
        _ = reader.source[: 2 * MIN_CHUNK]
    with pytest.raises(Altered, match="chunk 2"):
        reader.verify()


@pytest.mark.parametrize("frames", [True, False])
def test_an_object_is_read_by_ranges(frames: bool) -> None:
    dataset = image(smooth(5, 12, 10), surplus=b"odd")
    source = seal(content_of(dataset), frames).reader().source
    assert b"".join(ranges(source, 100)) == dataset
    assert source[200:1000] == dataset[200:1000]
