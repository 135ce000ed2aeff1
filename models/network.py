"""The network that refines predictions, evaluated only where samples are wanted.

Each phase has a network of its own. Its first layer is a 5 x 5 (or so) convolution over the known
samples and residuals around a position, whose inputs the codec has made relative to the linear
prediction and normalised to eight bits (:mod:`codec.features`): the patches differ from sample to
sample, so the convolution runs as a matrix product over patches. 1 x 1 convolutions follow. All is
integers (:mod:`models.exact`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load, save

from codec.features import MAX_CORRECTION, MAX_LOG_SCALE, feature_count
from codec.lattice import PREDICTED
from codec.predictor import Tables
from models.exact import LayerWeights, Network, fastest

FORMAT_VERSION = 1
DIGEST_BYTES = 8

Arithmetic = Callable[[Sequence[LayerWeights], Sequence[int]], Network]
"""Makes a network of its layers and the bounds of the last one's outputs."""


@dataclass(frozen=True, slots=True)
class Model:
    """All that a predictor is made of, as it is stored.

    Attributes:
        layers: per phase the layers, first to last.
        kernels: int32 default linear kernels, see :mod:`codec.kernels`.
        tables: default Huffman tables.
    """

    layers: Mapping[int, tuple[LayerWeights, ...]]
    kernels: NDArray[np.int32]
    tables: Tables

    def to_bytes(self) -> bytes:
        """The model as safetensors; the same model always gives the same bytes."""
        tensors: dict[str, NDArray[np.generic]] = {
            "kernels": self.kernels.astype(np.int32),
            "groupings": self.tables.groupings.astype(np.uint8),
            "lengths": self.tables.lengths.astype(np.uint8),
        }
        for phase, layers in self.layers.items():
            for i, layer in enumerate(layers):
                tensors[f"phase{phase}.layer{i}.weights"] = layer.weights
                tensors[f"phase{phase}.layer{i}.bias"] = layer.bias
                tensors[f"phase{phase}.layer{i}.shift"] = np.array([layer.shift], np.int32)
        return bytes(save({name: np.ascontiguousarray(t) for name, t in sorted(tensors.items())}))

    @classmethod
    def from_bytes(cls, data: bytes) -> Model:
        """The model that :meth:`to_bytes` stored."""
        tensors = load(data)
        layers = {phase: _layers(tensors, phase) for phase in PREDICTED}
        return cls(layers, tensors["kernels"], Tables(tensors["groupings"], tensors["lengths"]))


def _layers(tensors: Mapping[str, NDArray[np.generic]], phase: int) -> tuple[LayerWeights, ...]:
    layers: list[LayerWeights] = []
    while f"phase{phase}.layer{len(layers)}.weights" in tensors:
        name = f"phase{phase}.layer{len(layers)}"
        layers.append(
            LayerWeights(
                tensors[f"{name}.weights"].astype(np.int8),
                tensors[f"{name}.bias"].astype(np.int32),
                int(tensors[f"{name}.shift"].astype(np.int64)[0]),
            )
        )
    return tuple(layers)


class NetworkPredictor:
    """A :class:`codec.predictor.Predictor` that runs a model's networks."""

    def __init__(self, data: bytes, arithmetic: Arithmetic = fastest) -> None:
        """Load a stored model and prove that it is exact.

        Args:
            data: the model's file.
            arithmetic: what its networks run in; all give the same integers.

        Raises:
            InexactModelError: sums could leave the range in which the arithmetic is exact.
        """
        model = Model.from_bytes(data)
        self._digest = sha256(data).digest()[:DIGEST_BYTES]
        self._model = model
        self._networks = {
            phase: arithmetic(layers, (MAX_CORRECTION, MAX_LOG_SCALE))
            for phase, layers in model.layers.items()
        }
        for phase, layers in model.layers.items():
            if layers[0].weights.shape[1] != feature_count(phase):
                raise ValueError(f"phase {phase} has a first layer for other features")

    @property
    def digest(self) -> bytes:
        """The first bytes of the SHA-256 of the stored model."""
        return self._digest

    @property
    def kernels(self) -> NDArray[np.int32]:
        """Default linear kernels."""
        return self._model.kernels

    @property
    def tables(self) -> Tables:
        """Default Huffman tables."""
        return self._model.tables

    def layer_outputs(self, phase: int, features: NDArray[np.int8]) -> list[NDArray[np.int32]]:
        """What each layer gives, for golden vectors; features as for :meth:`refine`."""
        return self._networks[phase].layer_outputs(features)

    def refine(self, phase: int, features: NDArray[np.int8]) -> NDArray[np.int32]:
        """See :class:`codec.predictor.Predictor`."""
        return self._networks[phase].outputs(features)
