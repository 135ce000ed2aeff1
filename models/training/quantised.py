"""The network while it is trained: float parameters, rounded to integers in the forward pass.

Rounding passes gradients straight through (Bengio et al., arXiv:1308.3432), so what is trained is
exactly what :class:`models.exact.Network` will compute.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from codec.features import CORRECTION_BITS, MAX_CORRECTION, MAX_LOG_SCALE
from models.exact import LayerWeights
from models.instructions import ACTIVATION_TOP

_WEIGHT_UNIT = 64.0
_BIAS_UNIT = 1024.0
_SHIFTS = (7, 7, 6)
HIDDEN = (48, 32)
"""Widths of the hidden layers: about 5,000 multiplications a sample. Half as many, 32 and 32, took
0.3% more bits after five epochs on a quarter of the samples."""

_FIRST_LOG_SCALE = -32.0
"""The log scale to start from: the activity sums 12 differences, which exceed a residual's scale by
about four octaves."""


class _Round(torch.autograd.Function):
    @staticmethod
    def forward(ctx: object, values: torch.Tensor) -> torch.Tensor:
        return torch.floor(values + 0.5)

    @staticmethod
    def backward(ctx: object, *gradients: torch.Tensor) -> torch.Tensor:
        return gradients[0]


def _rounded(values: torch.Tensor) -> torch.Tensor:
    return _Round.apply(values)  # type: ignore[no-any-return, no-untyped-call]


class QuantisedLayer(nn.Module):
    """A linear layer with 8-bit weights and a rounding shift."""

    def __init__(self, inputs: int, outputs: int, shift: int) -> None:
        super().__init__()
        self.shift = shift
        spread = 0.5 if outputs > 2 else 0.02
        self.weights = nn.Parameter(torch.randn(outputs, inputs) * spread * (45.0 / inputs) ** 0.5)
        self.bias = nn.Parameter(torch.zeros(outputs))

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        """Outputs before clamping, for (samples, inputs) integers."""
        weights = _rounded((self.weights * _WEIGHT_UNIT).clamp(-127, 127))
        bias = _rounded(self.bias * _BIAS_UNIT)
        return _rounded(nn.functional.linear(rows, weights, bias) * 2.0**-self.shift)

    def exported(self) -> LayerWeights:
        """The layer's integers."""
        with torch.no_grad():
            weights = _rounded((self.weights * _WEIGHT_UNIT).clamp(-127, 127))
            bias = _rounded(self.bias * _BIAS_UNIT)
        return LayerWeights(
            weights.cpu().numpy().astype(np.int8), bias.cpu().numpy().astype(np.int32), self.shift
        )


class QuantisedNetwork(nn.Module):
    """The network of one phase."""

    def __init__(self, features: int) -> None:
        super().__init__()
        widths = (features, *HIDDEN, 2)
        layers = [
            QuantisedLayer(*sizes) for sizes in zip(widths, widths[1:], _SHIFTS, strict=False)
        ]
        self.inner = nn.ModuleList(layers[:-1])
        self.last = layers[-1]
        with torch.no_grad():
            self.last.bias[1] = _FIRST_LOG_SCALE * 2.0 ** _SHIFTS[-1] / _BIAS_UNIT

    def forward(
        self, features: torch.Tensor, exponents: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Correction in sixteenths, and log2 of the residual's scale in sixteenths."""
        hidden = features
        for layer in self.inner:
            hidden = layer(hidden).clamp(0, ACTIVATION_TOP)
        outputs = self.last(hidden)
        correction = outputs[:, 0].clamp(-MAX_CORRECTION, MAX_CORRECTION)
        log_scale = outputs[:, 1].clamp(-MAX_LOG_SCALE, MAX_LOG_SCALE)
        return correction * torch.exp2(exponents - CORRECTION_BITS), exponents + log_scale / 8

    def exported(self) -> tuple[LayerWeights, ...]:
        """The layers' integers."""
        inner = (layer for layer in self.inner if isinstance(layer, QuantisedLayer))
        return (*(layer.exported() for layer in inner), self.last.exported())
