"""Integer layers evaluated exactly in floating point.

Weights, activations and sums are integers held in float tensors. As long as no partial sum reaches
2**24 (float32) or 2**53 (float64), every addition is exact, so that any order of summation, with or
without fused multiply-add, on any machine and number of threads, gives the same integer. The bound
follows from the weights alone and is proved when a layer is made.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

ACTIVATION_TOP = 127
"""Activations and features are integers of magnitude at most this."""

_EXACT = {torch.float32: 1 << 24, torch.float64: 1 << 53}


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
        biases = np.abs(self.bias.astype(np.int64)) + (1 << (self.shift - 1))
        return int((magnitudes + biases).max())


class ExactLayer:
    """A layer ready to run on columns of activations."""

    def __init__(self, weights: LayerWeights, dtype: torch.dtype = torch.float32) -> None:
        """Prove the bound and hold the layer in ``dtype``.

        Raises:
            InexactModelError: sums could leave the range in which ``dtype`` is exact.
        """
        if weights.largest_sum() >= _EXACT[dtype]:
            raise InexactModelError(
                f"sums of up to {weights.largest_sum()} are not exact in {dtype}"
            )
        # A power of two only changes the exponent: the sums stay exact, in units of 2**-shift.
        unit = 2.0**-weights.shift
        self._weights = torch.from_numpy(weights.weights).to(dtype) * unit
        rounding = weights.bias.astype(np.int64) + (1 << (weights.shift - 1))
        self._bias = torch.from_numpy(rounding).to(dtype)[:, None] * unit

    def __call__(self, columns: torch.Tensor, low: int, high: int) -> torch.Tensor:
        """Outputs in [low, high] for (inputs, samples) integers within the activation range."""
        return torch.addmm(self._bias, self._weights, columns).floor_().clamp_(low, high)
