"""Networks of small integers in floating point, exactly: for processors without fast products.

See :mod:`models.exact` for why every sum is exact.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from models.exact import EXACT_IN_FLOAT32, LayerWeights, prove
from models.instructions import ACTIVATION_TOP

_EXACT = {torch.float32: EXACT_IN_FLOAT32, torch.float64: 1 << 53}


class FloatNetwork:
    """A network that runs in floating point."""

    def __init__(
        self,
        layers: Sequence[LayerWeights],
        bounds: Sequence[int],
        dtype: torch.dtype = torch.float32,
    ) -> None:
        """Prove the bound and hold the layers in ``dtype``.

        Args:
            layers: first to last.
            bounds: of the last layer's outputs, the largest magnitudes.
            dtype: the type to compute in.

        Raises:
            InexactModelError: sums could leave the range in which ``dtype`` is exact.
        """
        prove(layers, _EXACT[dtype])
        self._layers = [_FloatLayer(layer, dtype) for layer in layers]
        self._bounds = torch.tensor(bounds, dtype=dtype)[:, None]
        self._dtype = dtype

    def outputs(self, columns: NDArray[np.int8]) -> NDArray[np.int32]:
        """See :class:`Network`."""
        last = self._run(columns)[-1]
        return torch.clamp(last, -self._bounds, self._bounds).to(torch.int32).numpy()

    def layer_outputs(self, columns: NDArray[np.int8]) -> list[NDArray[np.int32]]:
        """See :class:`Network`."""
        return [values.to(torch.int32).numpy() for values in self._run(columns)]

    def _run(self, columns: NDArray[np.int8]) -> list[torch.Tensor]:
        values = [torch.from_numpy(columns).to(self._dtype)]
        for layer in self._layers[:-1]:
            values.append(layer.run(values[-1]).clamp_(0, ACTIVATION_TOP))
        return [*values[1:], self._layers[-1].run(values[-1])]


class _FloatLayer:
    def __init__(self, weights: LayerWeights, dtype: torch.dtype) -> None:
        # A power of two only changes the exponent: the sums stay exact, in units of 2**-shift.
        unit = 2.0**-weights.shift
        self._weights = torch.from_numpy(weights.weights).to(dtype) * unit
        self._bias = torch.from_numpy(weights.rounding()).to(dtype)[:, None] * unit

    def run(self, values: torch.Tensor) -> torch.Tensor:
        return torch.addmm(self._bias, self._weights, values).floor_()
