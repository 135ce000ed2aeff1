"""The interface between the codec and whatever predicts: implemented by ``models``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class Tables:
    """Huffman tables trained with a predictor: up to eight sets of one table for each context.

    Table ``s * CONTEXTS + c`` is the default of context ``c`` in frames that use set ``s``.

    Attributes:
        groupings: uint8 (tables,), how symbols are joined, see :mod:`codec.tokens`.
        lengths: uint8 (tables, 256), code lengths.
    """

    groupings: NDArray[np.uint8]
    lengths: NDArray[np.uint8]


class Predictor(Protocol):
    """Refines linear predictions and estimates the scale of what is left.

    Everything is integers, so that encoder and decoder agree on every machine.
    """

    @property
    def digest(self) -> bytes:
        """8 bytes that name this predictor: the start of its weights' SHA-256."""

    @property
    def kernels(self) -> NDArray[np.int32]:
        """Default linear kernels, int32 of codec.kernels.DEFAULTS_SHAPE."""

    @property
    def tables(self) -> Tables:
        """Default Huffman tables."""

    def refine(self, phase: int, features: NDArray[np.int8]) -> NDArray[np.int32]:
        """Outputs for many samples of one phase.

        Args:
            phase: 1, 2 or 3, see :mod:`codec.lattice`.
            features: in [-127, 127], (features, samples); their order is that of
                :mod:`codec.features`.

        Returns:
            (2, samples): the correction of the prediction and the logarithm of the scale, in the
            units of :mod:`codec.features`.
        """
