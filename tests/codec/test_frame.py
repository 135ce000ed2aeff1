"""Frames come back exactly, whatever they hold; damaged streams are told."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from codec import (
    ChecksumError,
    CodecError,
    FrameError,
    Hints,
    MissingReferenceError,
    StreamError,
    UnknownMethodError,
    UnknownPredictorError,
    decode_frame,
    encode_frame,
)
from models import registry

Words = NDArray[np.uint8] | NDArray[np.uint16]

SHAPES = st.tuples(st.integers(1, 40), st.integers(1, 40))
HINTS = st.builds(
    Hints,
    signed=st.booleans(),
    bits_stored=st.none() | st.integers(1, 16),
    high_bit=st.none() | st.integers(0, 15),
)


def round_trip(words: Words, hints: Hints | None = None) -> bytes:
    stream = encode_frame(words, registry.default(), hints)
    decoded = decode_frame(stream, words.shape, words.dtype, registry.all_models())
    assert decoded.dtype == words.dtype
    assert np.array_equal(decoded, words)
    assert len(stream) <= words.nbytes + 1
    return stream


@given(st.data())
def test_any_words_come_back(data: st.DataObject) -> None:
    dtype = data.draw(st.sampled_from([np.uint8, np.uint16]))
    words = data.draw(hnp.arrays(dtype, data.draw(SHAPES)))
    round_trip(words, data.draw(HINTS))


@st.composite
def images(draw: st.DrawFn) -> Words:
    """Images with structure: a ramp, noise, clipping, gaps in the histogram, repeats, a mask."""
    rows, columns = draw(st.tuples(st.integers(1, 70), st.integers(1, 70)))
    generator = np.random.default_rng(draw(st.integers(0, 1 << 32)))
    y, x = np.mgrid[0:rows, 0:columns]
    image = draw(st.floats(-30, 30)) * y + draw(st.floats(-30, 30)) * x
    image = image + generator.normal(0, draw(st.sampled_from([0, 0.3, 3, 300, 9000])), image.shape)
    image = np.maximum(image - np.quantile(image, draw(st.floats(0, 0.9))), 0)
    image = np.rint(image) * draw(st.integers(1, 5)) + draw(st.integers(0, 3000))
    image = np.repeat(image, draw(st.integers(1, 3)), axis=draw(st.integers(0, 1)))
    bits = draw(st.integers(1, 16))
    if draw(st.booleans()):
        image = image - draw(st.integers(0, 5000))
    image = np.where(image < np.quantile(image, draw(st.floats(0, 0.5))), 60, image)
    words = np.clip(image, -40000, 65535).astype(np.int64)
    cut: NDArray[np.int64] = words % (1 << bits)
    return cut.astype(np.uint8) if bits <= 8 else cut.astype(np.uint16)


@given(images(), HINTS)
def test_structured_images_come_back(words: Words, hints: Hints) -> None:
    round_trip(words, hints)


@given(images(), st.integers(0, 1 << 32), HINTS)
def test_frames_come_back_with_the_one_before(words: Words, seed: int, hints: Hints) -> None:
    generator = np.random.default_rng(seed)
    changed = words + generator.integers(0, 3, words.shape) * generator.integers(0, 400)
    moved = np.roll(changed, generator.integers(0, 2))
    before: Words = moved.astype(np.uint8) if words.itemsize == 1 else moved.astype(np.uint16)
    stream = encode_frame(words, registry.default(), hints, (before,))
    decoded = decode_frame(stream, words.shape, words.dtype, registry.all_models(), (before,))
    assert np.array_equal(decoded, words)


def _slices() -> list[Words]:
    """Slices of a volume: noise, smooth along the third axis."""
    generator = np.random.default_rng(3)
    volume = np.cumsum(generator.normal(0, 40, (3, 70, 66)), axis=0) / 2 + 2000
    return list(volume.astype(np.uint16))


def test_a_frame_like_the_one_before_takes_less() -> None:
    before, _, words = _slices()
    alone = encode_frame(words, registry.default())
    stream = encode_frame(words, registry.default(), None, (before, _slices()[1]))
    assert len(stream) < 0.97 * len(alone)
    assert stream[0] == 3


def test_the_frame_before_is_asked_for() -> None:
    _, before, words = _slices()
    stream = encode_frame(words, registry.default(), None, (before,))
    for references in ((), (before[:-1],), (before.astype(np.uint8),)):
        with pytest.raises(MissingReferenceError):
            decode_frame(stream, words.shape, words.dtype, registry.all_models(), references)
    with pytest.raises(StreamError):
        decode_frame(stream, words.shape, words.dtype, registry.all_models(), (words,))


@given(st.integers(0, 1 << 32))
@settings(max_examples=10)
def test_frames_of_many_textures_come_back(seed: int) -> None:
    generator = np.random.default_rng(seed)
    rows, columns = generator.integers(120, 230, 2)
    noise = generator.normal(0, 30, (rows + 8, columns + 8))
    along = [np.sum([np.roll(noise, shift, axis) for shift in range(5)], axis=0) for axis in (0, 1)]
    tiles = generator.integers(0, 2, (rows // 32 + 1, columns // 32 + 1))
    chosen = np.kron(tiles, np.ones((32, 32)))[:rows, :columns]
    image = np.where(chosen > 0, along[0][:rows, :columns], along[1][:rows, :columns])
    round_trip(np.clip(image + 2000, 0, 65535).astype(np.uint16))


@pytest.mark.parametrize("shape", [(1, 1), (1, 300), (300, 1), (7, 90), (8, 8), (9, 8), (33, 64)])
@pytest.mark.parametrize("value", [0, 1, 65535])
def test_constant_frames_take_a_few_bytes(shape: tuple[int, int], value: int) -> None:
    stream = round_trip(np.full(shape, value, np.uint16))
    assert len(stream) <= 20


def test_extremes_side_by_side() -> None:
    generator = np.random.default_rng(0)
    round_trip(np.where(generator.random((64, 65)) < 0.5, 0, 65535).astype(np.uint16))


def test_flat_regions_cost_well_under_a_bit() -> None:
    words = np.zeros((256, 256), np.uint16)
    words[100:150, 90:170] = np.random.default_rng(1).integers(500, 560, (50, 80))
    content = 50 * 80 * np.log2(60) / 8
    assert len(round_trip(words)) < content + 0.06 * words.size / 8 + 200


def test_signed_words_cost_no_more_than_shifted_ones() -> None:
    generator = np.random.default_rng(2)
    values = np.rint(np.cumsum(generator.normal(0, 5, (64, 64)), axis=1)).astype(np.int16)
    values -= np.int16(np.median(values))
    signed = round_trip(values.view(np.uint16), Hints(signed=True, bits_stored=16, high_bit=15))
    shifted = round_trip((values.astype(np.int32) - values.min()).astype(np.uint16))
    assert len(signed) <= len(shifted) + 4


def test_overlay_bits_above_the_stored_ones_come_back() -> None:
    generator = np.random.default_rng(3)
    words = generator.integers(0, 4096, (40, 40)).astype(np.uint16)
    words[10:20, 10:20] |= 1 << 15
    round_trip(words, Hints(bits_stored=12, high_bit=11))


def test_empty_frames() -> None:
    round_trip(np.zeros((0, 5), np.uint16))


@pytest.mark.parametrize("words", [np.zeros(5, np.uint16), np.zeros((2, 2), np.int16)])
def test_other_arrays_are_refused(words: NDArray[np.generic]) -> None:
    with pytest.raises(FrameError):
        encode_frame(words, registry.default())  # type: ignore[arg-type]


def example() -> tuple[Words, bytes]:
    generator = np.random.default_rng(4)
    words = (1000 + np.cumsum(generator.normal(0, 4, (48, 50)), axis=0)).astype(np.uint16)
    words[:10] = 0
    stream = encode_frame(words, registry.default())
    assert stream[0] == 2
    return words, stream


EXAMPLE, STREAM = example()


def decode_damaged(stream: bytes, shape: tuple[int, int] = (48, 50)) -> Words:
    return decode_frame(stream, shape, np.uint16, registry.all_models())


@given(st.integers(0, len(STREAM) - 1))
def test_truncated_streams_are_told(length: int) -> None:
    with pytest.raises(CodecError):
        decode_damaged(STREAM[:length])


@given(st.integers(0, len(STREAM) - 1), st.integers(1, 255))
def test_altered_bytes_are_told_or_harmless(position: int, change: int) -> None:
    altered = bytearray(STREAM)
    altered[position] ^= change
    try:
        decoded = decode_damaged(bytes(altered))
    except CodecError:
        return
    assert np.array_equal(decoded, EXAMPLE)


@given(st.binary(max_size=200), st.sampled_from([b"", STREAM[:9], STREAM[:30]]))
def test_hostile_streams_stay_within_memory(tail: bytes, head: bytes) -> None:
    tracemalloc.start()
    try:
        decode_damaged(head + tail)
    except CodecError:
        pass
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < 4_000_000


def test_a_stream_of_another_frame_is_told() -> None:
    with pytest.raises(CodecError):
        decode_damaged(STREAM, (50, 48))


def test_named_faults() -> None:
    with pytest.raises(UnknownMethodError):
        decode_damaged(b"\x09" + STREAM[1:])
    with pytest.raises(UnknownPredictorError):
        decode_frame(STREAM, (48, 50), np.uint16, {})
    with pytest.raises(StreamError):
        decode_damaged(b"")
    checksum_altered = STREAM[:5] + bytes([STREAM[5] ^ 1]) + STREAM[6:]
    with pytest.raises(ChecksumError):
        decode_damaged(checksum_altered)
