"""Compiled loops in vectors of 512 bits, where the processor has them and bytes are multiplied so.

LLVM prefers 256 bits on such processors, lest wide vectors lower the clock: the network's products
(:mod:`models.dot`) use the wide ones in any case. Over the test files encoding takes 5% less CPU
time. Importing this module, before the first function is compiled, sees to all of the process;
``NUMBA_CPU_FEATURES`` has precedence.
"""

from __future__ import annotations

import llvmlite.binding
from numba import config


def wide(features: llvmlite.binding.FeatureMap) -> str | None:
    """What to tell the compiler of a processor with these features; None: nothing."""
    if not features.get("avx512vnni"):
        return None
    return f"{features.flatten()},-prefer-256-bit"


if config.CPU_FEATURES is None and config.ENABLE_AVX:  # type: ignore[attr-defined]  # set as read
    config.CPU_FEATURES = wide(llvmlite.binding.get_host_cpu_features())  # type: ignore[attr-defined]
