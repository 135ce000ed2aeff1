"""Names for the arrays that compiled loops take, so that their signatures stay short."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Flags = NDArray[np.bool_]
Bytes = NDArray[np.uint8]
Octets = NDArray[np.int8]
Shorts = NDArray[np.int16]
Ints = NDArray[np.int32]
Longs = NDArray[np.int64]
Floats = NDArray[np.float32]
Reals = NDArray[np.float64]
Whole = int | np.integer[Any]
"""A scalar that compiled loops compute with."""

State = NDArray[np.uint64]
"""Of a bit writer or reader, see :mod:`codec.bitstream`."""

Codes = NDArray[np.uint32]
FastCodes = NDArray[np.uint16]
