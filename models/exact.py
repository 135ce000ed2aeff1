"""Integer layers, evaluated exactly: with integer products, or in floating point.

Weights, activations and sums are integers. Where the processor multiplies bytes into 32-bit sums
(VNNI), a layer runs so, some four times as fast. Elsewhere they are held in float tensors: as long
as no partial sum reaches 2**24 (float32) or 2**53 (float64), every addition is exact. Either way
any order of summation, on any machine and number of threads, gives the same integer. The bound
follows from the weights alone and is proved when a layer is made.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numba import njit
from numpy.typing import NDArray

from codec.arrays import Ints, Octets

ACTIVATION_TOP = 127
"""Activations and features are integers of magnitude at most this."""

_EXACT = {torch.float32: 1 << 24, torch.float64: 1 << 53}


class Layer(Protocol):
    """A layer ready to run on columns of activations, int8 (inputs, samples)."""

    def hidden(self, columns: NDArray[np.int8]) -> NDArray[np.int8]:
        """Outputs in [0, ACTIVATION_TOP], for the next layer."""

    def outputs(self, columns: NDArray[np.int8], bound: int) -> NDArray[np.int32]:
        """Outputs in [-bound, bound]."""


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


def has_integer_products() -> bool:
    """Whether this processor sums products of bytes in 32 bits.

    Without VNNI, libraries sum pairs of products in 16 bits, which saturate.
    """
    return bool(torch.cpu._is_vnni_supported())


class IntegerLayer:
    """A layer that runs on integer products; only where :func:`has_integer_products`."""

    def __init__(self, weights: LayerWeights) -> None:
        """Prove the float32 bound too, for machines that need it.

        Raises:
            InexactModelError: sums could leave the range in which float32 is exact.
        """
        _prove(weights, torch.float32)
        self._weights = torch.from_numpy(weights.weights)
        self._rounding = weights.rounding()
        self._shift = weights.shift

    def hidden(self, columns: NDArray[np.int8]) -> NDArray[np.int8]:
        """See :class:`Layer`."""
        sums = self._sums(columns)
        out = np.empty(sums.shape, np.int8)
        _requantise(sums, self._rounding, self._shift, 0, ACTIVATION_TOP, out)
        return out

    def outputs(self, columns: NDArray[np.int8], bound: int) -> NDArray[np.int32]:
        """See :class:`Layer`."""
        sums = self._sums(columns)
        _requantise(sums, self._rounding, self._shift, -bound, bound, sums)
        return sums

    def _sums(self, columns: NDArray[np.int8]) -> NDArray[np.int32]:
        products: NDArray[np.int32] = torch._int_mm(
            self._weights, torch.from_numpy(columns)
        ).numpy()
        return products


@njit(cache=True)
def _requantise(
    sums: Ints, rounding: Ints, shift: int, low: int, high: int, out: Ints | Octets
) -> None:
    """Rows of sums plus their rounding, shifted and clamped to [low, high]."""
    bits, bottom, top = np.int32(shift), np.int32(low), np.int32(high)
    for row in range(sums.shape[0]):
        added = rounding[row]
        for column in range(sums.shape[1]):
            value = (sums[row, column] + added) >> bits
            out[row, column] = min(max(value, bottom), top)


class ExactLayer:
    """A layer that runs in floating point."""

    def __init__(self, weights: LayerWeights, dtype: torch.dtype = torch.float32) -> None:
        """Prove the bound and hold the layer in ``dtype``.

        Raises:
            InexactModelError: sums could leave the range in which ``dtype`` is exact.
        """
        _prove(weights, dtype)
        # A power of two only changes the exponent: the sums stay exact, in units of 2**-shift.
        unit = 2.0**-weights.shift
        self._weights = torch.from_numpy(weights.weights).to(dtype) * unit
        self._bias = torch.from_numpy(weights.rounding()).to(dtype)[:, None] * unit
        self._dtype = dtype

    def hidden(self, columns: NDArray[np.int8]) -> NDArray[np.int8]:
        """See :class:`Layer`."""
        activations: NDArray[np.int8] = self._run(columns, 0, ACTIVATION_TOP).to(torch.int8).numpy()
        return activations

    def outputs(self, columns: NDArray[np.int8], bound: int) -> NDArray[np.int32]:
        """See :class:`Layer`."""
        integers: NDArray[np.int32] = self._run(columns, -bound, bound).to(torch.int32).numpy()
        return integers

    def _run(self, columns: NDArray[np.int8], low: int, high: int) -> torch.Tensor:
        values = torch.from_numpy(columns).to(self._dtype)
        return torch.addmm(self._bias, self._weights, values).floor_().clamp_(low, high)


def _prove(weights: LayerWeights, dtype: torch.dtype) -> None:
    if weights.largest_sum() >= _EXACT[dtype]:
        raise InexactModelError(f"sums of up to {weights.largest_sum()} are not exact in {dtype}")
