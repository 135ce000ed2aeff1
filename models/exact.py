"""Integer layers, evaluated exactly: with integer products, or in floating point.

Weights, activations and sums are integers. Where the processor multiplies bytes or words into
32-bit sums, compiled code runs a whole network so (:mod:`models.dot`). Elsewhere they are held in
float tensors (:mod:`models.floats`): as long as no partial sum reaches 2**24 (float32) or 2**53
(float64), every addition is exact. Either way any order of summation, on any machine and number of
threads, gives the same integer. The bound follows from the weights alone and is proved when a
network is made.

torch takes 200 MB of each process that loads it, so it is loaded only where it runs the network.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from models import dot
from models.instructions import ACTIVATION_TOP, OFFSET, TILE, available

EXACT_IN_FLOAT32 = 1 << 24
"""float32 holds all integers below this."""
_ANY = 1 << 30
"""No bound: beyond all sums."""


class Network(Protocol):
    """Layers ready to run on columns of activations, int8 (inputs, samples)."""

    def outputs(self, columns: NDArray[np.int8]) -> NDArray[np.int32]:
        """The last layer's outputs, clamped to its bounds, (outputs, samples)."""

    def layer_outputs(self, columns: NDArray[np.int8]) -> list[NDArray[np.int32]]:
        """What each layer gives: clamped to [0, ACTIVATION_TOP], but the last not at all."""


class InexactModelError(ValueError):
    """A model's sums could leave the range in which its number format is exact."""


@dataclass(frozen=True, slots=True)
class LayerWeights:
    """One layer: ``floor((weights @ x + bias + half) / 2**shift)``, where half is 2**(shift - 1).

    Attributes:
        weights: int8 (outputs, inputs).
        bias: int32 (outputs,).
        shift: at least 1.
    """

    weights: NDArray[np.int8]
    bias: NDArray[np.int32]
    shift: int

    def largest_sum(self) -> int:
        """No partial sum of the layer exceeds this, whatever its input and the order of adding."""
        magnitudes = np.abs(self.weights.astype(np.int64)).sum(axis=1) * ACTIVATION_TOP
        return int((magnitudes + np.abs(self.bias.astype(np.int64))).max()) + (1 << self.shift)

    def rounding(self) -> NDArray[np.int32]:
        """What is added to each output's products before the shift."""
        return self.bias + np.int32(1 << (self.shift - 1))


def prove(layers: Sequence[LayerWeights], bound: int) -> None:
    """Show that no sum of a network can reach ``bound``, below which a format holds all integers.

    Raises:
        InexactModelError: one could.
    """
    largest = max(layer.largest_sum() for layer in layers)
    if largest >= bound:
        raise InexactModelError(f"sums of up to {largest} may not be exact; {bound} is the bound")


class IntegerNetwork:
    """A network that runs on integer products, of a kind that the processor has."""

    def __init__(
        self, layers: Sequence[LayerWeights], bounds: Sequence[int], kind: int | None = None
    ) -> None:
        """Prove the float32 bound too, for machines that need it.

        Args:
            layers: first to last.
            bounds: of the last layer's outputs, the largest magnitudes.
            kind: one of :func:`models.instructions.available`, or None for the fastest.

        Raises:
            InexactModelError: sums could leave the range in which float32 is exact.
        """
        prove(layers, EXACT_IN_FLOAT32)
        self._run = dot.runner(available()[0] if kind is None else kind)
        self._layers = layers
        top = np.array(bounds, np.int32)
        self._arrays = _packed(layers, np.stack((-top, top)))

    def outputs(self, columns: NDArray[np.int8]) -> NDArray[np.int32]:
        """See :class:`Network`."""
        outputs = np.empty((self._arrays[3].shape[1], columns.shape[1]), np.int32)
        self._run(np.ascontiguousarray(columns), self._arrays, outputs)
        return outputs

    def layer_outputs(self, columns: NDArray[np.int8]) -> list[NDArray[np.int32]]:
        """See :class:`Network`."""
        columns, outputs = np.ascontiguousarray(columns), []
        for count in range(1, len(self._layers) + 1):
            rows = len(self._layers[count - 1].bias)
            low, high = (-_ANY, _ANY) if count == len(self._layers) else (0, ACTIVATION_TOP)
            bounds = np.array([[low] * rows, [high] * rows], np.int32)
            outputs.append(np.empty((rows, columns.shape[1]), np.int32))
            self._run(columns, _packed(self._layers[:count], bounds), outputs[-1])
        return outputs


def _packed(layers: Sequence[LayerWeights], bounds: NDArray[np.int32]) -> dot.Arrays:
    weights, rounding, shapes = [], [], []
    for number, layer in enumerate(layers):
        rows, columns = (-(-size // TILE) for size in layer.weights.shape)
        padded = np.zeros((rows * TILE, columns * TILE), np.int8)
        padded[: layer.weights.shape[0], : layer.weights.shape[1]] = layer.weights
        added = np.zeros(len(padded), np.int32)
        added[: len(layer.bias)] = layer.rounding()
        if number == 0:
            added -= OFFSET * padded.sum(axis=1, dtype=np.int32)
        tiles = padded.reshape(rows, TILE, columns, TILE).swapaxes(1, 2)
        weights.append(np.ascontiguousarray(tiles).view("<i4").reshape(-1))
        rounding.append(added)
        shapes.append((columns, rows, layer.shift))
    joined = np.concatenate(weights).astype(np.int32)
    return joined, np.concatenate(rounding), np.array(shapes, np.int64), bounds


def fastest(layers: Sequence[LayerWeights], bounds: Sequence[int]) -> Network:
    """A network on integer products where the processor has them, else in float32."""
    if available():
        return IntegerNetwork(layers, bounds)
    from models.floats import FloatNetwork

    return FloatNetwork(layers, bounds)


def keep_to_one_thread() -> None:
    """Let networks that :func:`fastest` makes use one thread of this process; for benchmarks."""
    if not available():
        import torch

        torch.set_num_threads(1)
