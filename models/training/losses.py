"""What training makes small: code length, or squared errors, as most predictors are fitted."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import torch
from torch.nn.functional import logsigmoid

_TAIL_SHARE = 0.06
_TAIL_SPREAD = 4.0

_EQUAL_GRADIENTS = 256.0
"""Squared errors are taken relative to the local activity, which exceeds residuals by four octaves:
times this, their gradients begin as large as those of the scale's code length."""


class Loss(StrEnum):
    """What to train for.

    With ``MSE`` the correction learns from squared errors alone; code length trains the scale, with
    the correction taken as given, since entropy coding needs one either way.
    """

    CODE_LENGTH = "code-length"
    MSE = "mse"


@dataclass(frozen=True, slots=True)
class Outputs:
    """What a network makes of samples, and what it was to find; all float32 (samples,).

    Attributes:
        residuals: sample - linear prediction, in sixteenths.
        corrections: of the linear prediction, in sixteenths.
        log_scales: log2 of the residual's scale in sixteenths.
        exponents: log2 of each sample's normalisation.
    """

    residuals: torch.Tensor
    corrections: torch.Tensor
    log_scales: torch.Tensor
    exponents: torch.Tensor


@dataclass(frozen=True, slots=True)
class Taken:
    """What samples take; float32 (samples,).

    Attributes:
        bits: to code each under a logistic distribution with a wide tail mixed in.
        squares: of the errors, in units of the samples' normalisation.
    """

    bits: torch.Tensor
    squares: torch.Tensor


def taken(loss: Loss, outputs: Outputs) -> Taken:
    """What the samples take, with gradients for the loss."""
    relative = (outputs.residuals - outputs.corrections) * torch.exp2(-outputs.exponents)
    given = outputs.corrections if loss is Loss.CODE_LENGTH else outputs.corrections.detach()
    return Taken(_bits(outputs.residuals - given, outputs.log_scales), relative * relative)


def objective(loss: Loss, taken: Taken) -> torch.Tensor:
    """What gradients are taken of, the mean over samples."""
    if loss is Loss.CODE_LENGTH:
        return taken.bits.mean()
    return (_EQUAL_GRADIENTS * taken.squares + taken.bits).mean()


def _bits(distance: torch.Tensor, log_scales: torch.Tensor) -> torch.Tensor:
    """Code lengths; a sample is an integer, so its probability is the mass within 8 sixteenths."""
    scale = torch.exp2(log_scales).clamp(min=0.5)
    core = _log_mass(distance, scale) + float(np.log(1 - _TAIL_SHARE))
    tail = _log_mass(distance, scale * _TAIL_SPREAD) + float(np.log(_TAIL_SHARE))
    return -torch.logaddexp(core, tail) / float(np.log(2))


def _log_mass(distance: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
    upper = (distance + 8) / scale
    lower = (distance - 8) / scale
    between = torch.log(-torch.expm1(-16.0 / scale))
    return logsigmoid(upper) + logsigmoid(-lower) + between
