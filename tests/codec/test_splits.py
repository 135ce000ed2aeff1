"""Levels are halved along one axis where that pays, and streams tell it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from codec import decode_frame, encode_frame
from codec.bitstream import flush, new_state, padded
from codec.lattice import MIN_SIDE, Split, halved
from codec.splits import choose_splits, read_splits, write_splits
from models import registry


def noise(shape: tuple[int, int]) -> NDArray[np.int32]:
    return np.random.default_rng(5).normal(500, 40, shape).astype(np.int32)


def stretched(image: NDArray[np.int32]) -> NDArray[np.int32]:
    """Twice as many columns: every second one is the mean of those beside it."""
    between = (image + np.roll(image, -1, axis=1)) // 2
    return np.stack((image, between), axis=2).reshape(len(image), -1)


def test_interpolated_images_are_halved_along_that_axis_first() -> None:
    image = stretched(noise((96, 64)))
    assert choose_splits(image)[0] == Split.COLUMNS
    assert choose_splits(np.ascontiguousarray(image.T))[0] == Split.ROWS


def test_other_images_are_halved_along_both() -> None:
    assert set(choose_splits(noise((96, 128)))) == {Split.BOTH}


@pytest.mark.parametrize("transposed", [False, True])
def test_interpolated_samples_cost_little(transposed: bool) -> None:
    image = noise((96, 64))
    words = stretched(image).astype(np.uint16)
    words = np.ascontiguousarray(words.T) if transposed else words
    stream = encode_frame(words, registry.default())
    assert np.array_equal(
        decode_frame(stream, words.shape, np.uint16, registry.all_models()), words
    )
    assert len(stream) < 1.25 * len(encode_frame(image.astype(np.uint16), registry.default()))


@given(st.tuples(st.integers(1, 300), st.integers(1, 300)), st.data())
def test_splits_come_back(shape: tuple[int, int], data: st.DataObject) -> None:
    splits, coarser = list[Split](), shape
    while min(coarser) >= MIN_SIDE:
        splits.append(data.draw(st.sampled_from(Split)))
        coarser = halved(coarser, splits[-1])
    buffer, state = np.zeros(16, np.uint8), new_state()
    write_splits(splits, buffer, state)
    flush(buffer, state)
    assert read_splits(shape, padded(buffer.tobytes()), new_state()) == splits
