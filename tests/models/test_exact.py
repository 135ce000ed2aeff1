"""The network computes integers: the same on any number of threads, in every arithmetic."""

from __future__ import annotations

import subprocess
import sys
from functools import partial
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from codec import decode_frame, encode_frame
from codec.features import feature_count
from codec.lattice import PREDICTED
from models import golden, registry
from models.exact import InexactModelError, IntegerNetwork, LayerWeights
from models.floats import FloatNetwork
from models.instructions import available
from models.network import Arithmetic, Model, NetworkPredictor

ROOT = Path(__file__).resolve().parents[2]

ARITHMETICS: dict[str, Arithmetic] = {
    "float32": FloatNetwork,
    "float64": partial(FloatNetwork, dtype=torch.float64),
    **{f"products {kind}": partial(IntegerNetwork, kind=kind) for kind in available()},
}


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
@pytest.mark.parametrize("arithmetic", ARITHMETICS.values(), ids=ARITHMETICS)
@pytest.mark.parametrize("samples", [1, 7, 3000])
def test_every_arithmetic_gives_the_integers(
    stored: bytes, phase: int, arithmetic: Arithmetic, samples: int
) -> None:
    columns = features(phase, samples)
    outputs = NetworkPredictor(stored, arithmetic).refine(phase, columns)
    exact = in_integers(Model.from_bytes(stored), phase, columns)
    assert np.array_equal(outputs[0], np.clip(exact[0], -1023, 1023))
    assert np.array_equal(outputs[1], np.clip(exact[1], -127, 127))


@pytest.mark.parametrize("arithmetic", ARITHMETICS.values(), ids=ARITHMETICS)
def test_features_may_lie_in_memory_in_any_order(stored: bytes, arithmetic: Arithmetic) -> None:
    predictor, columns = NetworkPredictor(stored, arithmetic), features(1)
    outputs = predictor.refine(1, np.asfortranarray(columns))
    assert np.array_equal(outputs, predictor.refine(1, columns))


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
    words, hints, _ = golden.frames()["smooth"]
    stream = encode_frame(words, NetworkPredictor(stored), hints)
    double = NetworkPredictor(stored, ARITHMETICS["float64"])
    decoded = decode_frame(stream, words.shape, words.dtype, {double.digest: double})
    assert np.array_equal(decoded, words)


def test_a_network_that_could_be_inexact_is_refused() -> None:
    wide = np.full((1, 1100), 127, np.int8)
    layer = LayerWeights(wide, np.zeros(1, np.int32), 7)
    assert layer.largest_sum() >= 1 << 24
    with pytest.raises(InexactModelError):
        FloatNetwork([layer], [127])
    with pytest.raises(InexactModelError):
        IntegerNetwork([layer], [127])
    FloatNetwork([layer], [127], torch.float64)


@pytest.mark.parametrize("arithmetic", ARITHMETICS.values(), ids=ARITHMETICS)
def test_every_layer_gives_the_integers(stored: bytes, arithmetic: Arithmetic) -> None:
    model, columns = Model.from_bytes(stored), features(1, 70)
    outputs = NetworkPredictor(stored, arithmetic).layer_outputs(1, columns)
    assert len(outputs) == len(model.layers[1])
    values = columns.astype(np.int64)
    for layer, hidden in zip(model.layers[1][:-1], outputs, strict=False):
        sums = layer.weights.astype(np.int64) @ values + layer.bias[:, None]
        values = np.clip((sums + (1 << (layer.shift - 1))) >> layer.shift, 0, 127)
        assert np.array_equal(hidden, values)


@pytest.mark.parametrize("kind", available())
def test_the_largest_products_do_not_saturate(kind: int) -> None:
    weights = np.array([[127] * 64, [-128] * 64, [127, -128] * 32], np.int8)
    layer = LayerWeights(weights, np.array([5, -7, 0], np.int32), 1)
    network = IntegerNetwork([layer], [1 << 24] * 3, kind)
    columns = np.full((64, 3), 127, np.int8)
    columns[:, 1] = -127
    columns[::2, 2] = -127
    exact = weights.astype(np.int64) @ columns + layer.bias[:, None]
    assert np.array_equal(network.outputs(columns), (exact + 1) >> 1)


@pytest.mark.skipif(not available(), reason="this processor needs the float network")
def test_the_codec_runs_without_torch() -> None:
    code = """
import sys
from models import registry
registry.self_test()
assert registry.all_models()
sys.exit("torch" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()


def test_models_survive_storing(stored: bytes) -> None:
    assert Model.from_bytes(stored).to_bytes() == stored
