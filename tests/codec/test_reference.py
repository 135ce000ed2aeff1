"""The fast decoder and the reference agree on every part of the format."""

from __future__ import annotations

from importlib.resources import files

import numpy as np
import pytest
from numpy.typing import NDArray

from codec import Hints, decode_frame, encode_frame
from codec.analyse import analyse
from codec.differences import Differences
from codec.fields import FieldReader
from codec.fitting import Fitting
from codec.plan import take_plan
from codec.splits import choose_splits
from models import golden, registry
from tests.codec import reference_decoder


@pytest.fixture(scope="module")
def reference_models() -> dict[bytes, reference_decoder.Model]:
    weights = files("models").joinpath("weights")
    return {
        bytes.fromhex(entry.sha256)[:8]: reference_decoder.load_model(
            weights.joinpath(entry.file).read_bytes()
        )
        for entry in registry.entries()
    }


def shape_of(words: NDArray[np.generic]) -> tuple[int, int]:
    return words.shape[0], words.shape[1]


@pytest.mark.parametrize("name", golden.frames())
def test_reference_decodes_what_the_encoder_wrote(
    name: str, reference_models: dict[bytes, reference_decoder.Model]
) -> None:
    frame = golden.frames()[name]
    words, before = frame.words, frame.before
    stream = encode_frame(words, registry.default(), frame.hints, frame.references)
    decoded = reference_decoder.decode(
        stream,
        shape_of(words),
        words.itemsize,
        reference_models,
        None if before is None else before.astype(np.int64),
    )
    assert np.array_equal(decoded, words)


def test_golden_frames_have_classes_and_refer_to_the_frame_before() -> None:
    frames = golden.frames()
    assert classes_of(frames["textures"].words) > 1
    after = frames["after"]
    assert encode_frame(after.words, registry.default(), after.hints, after.references)[0] == 3


def test_golden_frames_are_coded_by_differences_of_rows_and_of_columns() -> None:
    for name, axis in (("rows", Differences.ROWS), ("columns", Differences.COLUMNS)):
        frame = golden.frames()[f"{name} that change little"]
        stream = encode_frame(frame.words, registry.default(), frame.hints)
        fields = FieldReader(stream[9:])
        assert take_plan(fields, shape_of(frame.words), 16).differences == axis


def classes_of(words: NDArray[np.uint8] | NDArray[np.uint16]) -> int:
    plan, samples = analyse(words, Hints())
    splits = choose_splits(samples)
    assert plan.span.limit
    return Fitting(samples, splits, registry.default().kernels).tiling.classes


def test_reference_agrees_on_a_frame_with_kernels_and_tables_of_its_own(
    reference_models: dict[bytes, reference_decoder.Model],
) -> None:
    generator = np.random.default_rng(7)
    walk = np.cumsum(generator.normal(0, 3, (150, 130)), axis=1)
    words = (walk - walk.min() + generator.normal(0, 2, walk.shape) + 10).astype(np.uint16)
    stream = encode_frame(words, registry.default())
    assert stream[0] == 2
    decoded = reference_decoder.decode(stream, shape_of(words), 2, reference_models)
    fast = decode_frame(stream, words.shape, words.dtype, registry.all_models())
    assert np.array_equal(decoded, words)
    assert np.array_equal(fast, words)
