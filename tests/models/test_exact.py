"""The network computes integers: the same on any number of threads, in float32 and float64."""

from __future__ import annotations

from importlib.resources import files

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from codec import decode_frame, encode_frame
from codec.features import feature_count
from codec.lattice import PREDICTED
from models import golden, registry
from models.exact import ExactLayer, InexactModelError, LayerWeights
from models.network import Model, NetworkPredictor


@pytest.fixture(scope="module")
def stored() -> bytes:
    return files("models").joinpath("weights", registry.entries()[0].file).read_bytes()


def features(phase: int, samples: int = 3000) -> NDArray[np.int8]:
    generator = np.random.default_rng(phase)
    extremes = generator.choice([-127, 0, 127], (feature_count(phase), samples))
    return extremes.astype(np.int8)


def in_integers(model: Model, phase: int, columns: NDArray[np.int8]) -> NDArray[np.int64]:
    """The last layer's outputs in int64, before clamping."""
    values = columns.astype(np.int64)
    for number, layer in enumerate(model.layers[phase]):
        sums = layer.weights.astype(np.int64) @ values + layer.bias[:, None]
        values = (sums + (1 << (layer.shift - 1))) >> layer.shift
        if number < len(model.layers[phase]) - 1:
            values = np.clip(values, 0, 127)
    return values


@pytest.mark.parametrize("phase", PREDICTED)
@pytest.mark.parametrize("dtype", [None, torch.float32, torch.float64])
@pytest.mark.parametrize("samples", [1, 7, 3000])
def test_every_arithmetic_gives_the_integers(
    stored: bytes, phase: int, dtype: torch.dtype | None, samples: int
) -> None:
    columns = features(phase, samples)
    outputs = NetworkPredictor(stored, dtype).refine(phase, columns)
    exact = in_integers(Model.from_bytes(stored), phase, columns)
    assert np.array_equal(outputs[0], np.clip(exact[0], -1023, 1023))
    assert np.array_equal(outputs[1], np.clip(exact[1], -127, 127))


@pytest.mark.parametrize("phase", PREDICTED)
def test_batches_and_threads_make_no_difference(stored: bytes, phase: int) -> None:
    predictor, columns = NetworkPredictor(stored), features(phase)
    whole = predictor.refine(phase, columns)
    threads = torch.get_num_threads()
    try:
        for count in (1, 2):
            torch.set_num_threads(count)
            assert np.array_equal(predictor.refine(phase, columns), whole)
    finally:
        torch.set_num_threads(threads)
    single = np.concatenate(
        [predictor.refine(phase, np.ascontiguousarray(columns[:, i : i + 1])) for i in range(50)], 1
    )
    assert np.array_equal(single, whole[:, :50])


def test_a_frame_decodes_alike_in_float64(stored: bytes) -> None:
    words, hints = golden.frames()["smooth"]
    stream = encode_frame(words, NetworkPredictor(stored), hints)
    double = NetworkPredictor(stored, torch.float64)
    decoded = decode_frame(stream, words.shape, words.dtype, {double.digest: double})
    assert np.array_equal(decoded, words)


def test_a_layer_that_could_be_inexact_is_refused() -> None:
    wide = np.full((1, 1100), 127, np.int8)
    layer = LayerWeights(wide, np.zeros(1, np.int32), 7)
    assert layer.largest_sum() >= 1 << 24
    with pytest.raises(InexactModelError):
        ExactLayer(layer)
    ExactLayer(layer, torch.float64)


def test_models_survive_storing(stored: bytes) -> None:
    assert Model.from_bytes(stored).to_bytes() == stored
