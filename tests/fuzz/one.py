"""Fuzz one target in this process: ``python -m tests.fuzz.one NAME PACKAGE,PACKAGE FLAG ...``.

The packages are instrumented as they are imported, so that coverage leads the fuzzer; the flags are
libFuzzer's. A failing case ends the process.
"""

from __future__ import annotations

import sys
import warnings

from atheris import Fuzz, Setup, instrument_imports

if __name__ == "__main__":
    name, packages, *flags = sys.argv[1:]
    warnings.simplefilter("ignore")
    with instrument_imports(include=packages.split(",")):
        from tests.fuzz.targets import ALL
    Setup([name, *flags], ALL[name].run)
    Fuzz()
