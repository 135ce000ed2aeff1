"""Differences of rows and columns: back to the same samples, smaller where rows hardly change."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from codec import Hints, decode_frame, encode_frame
from codec.differences import Differences, differences, offered, sums
from codec.errors import StreamError
from codec.fields import FieldReader
from codec.plan import take_plan
from codec.splits import choose_splits
from models import registry


@given(st.data(), st.integers(1, 65535), st.sampled_from(Differences))
def test_samples_come_back(data: st.DataObject, limit: int, axis: Differences) -> None:
    shape = data.draw(st.tuples(st.integers(1, 9), st.integers(1, 9)))
    samples = data.draw(arrays(np.int32, shape, elements=st.integers(0, limit)))
    changes = differences(samples, limit, axis)
    assert changes.min() >= 0
    assert changes.max() <= limit
    assert np.array_equal(sums(changes, limit, axis), samples)


def test_they_are_offered_where_rows_hardly_change() -> None:
    generator = np.random.default_rng(3)
    columns, slow = generator.integers(0, 900, 64), np.linspace(1.0, 1.5, 64)[:, None]
    image = (columns * slow).astype(np.int32)
    assert offered(choose_splits(image)) == Differences.ROWS
    assert offered(choose_splits(np.ascontiguousarray(image.T))) == Differences.COLUMNS
    noise = generator.integers(0, 900, (64, 64), np.int32)
    assert offered(choose_splits(noise)) == Differences.NONE
    assert offered([]) == Differences.NONE


@pytest.mark.parametrize("axis", [0, 3])
def test_an_axis_that_there_is_not_is_told(axis: int) -> None:
    plan = bytes([128, 12, 0, 100, axis])
    with pytest.raises(StreamError):
        take_plan(FieldReader(plan), (8, 8), 16)


def test_a_frame_that_refers_to_the_one_before_comes_back_with_differences_too() -> None:
    generator = np.random.default_rng(5)
    before = generator.integers(0, 900, (64, 64)).astype(np.uint16)
    frame = (generator.integers(0, 900, 64) * np.linspace(1.0, 1.5, 64)[:, None]).astype(np.uint16)
    predictor = registry.default()
    stream = encode_frame(frame, predictor, Hints(bits_stored=12, high_bit=11), [before])
    known = {predictor.digest: predictor}
    assert np.array_equal(decode_frame(stream, frame.shape, np.uint16, known, [before]), frame)
