"""When machine code that Numba kept is stale: if a source of its package, or of this one, changes.

Numba looks at a function's own file alone, though callees from other files are compiled into it:
after an upgrade in place it would go on running the old ones. What it compares for processors and
its own version is left as it is. Importing this module, before the first function that is kept is
defined, sees to all of the process.
"""

from __future__ import annotations

from functools import cache
from hashlib import sha256
from pathlib import Path

from numba import config
from numba.core.caching import InTreeCacheLocator, UserProvidedCacheLocator, UserWideCacheLocator


@cache
def _digest(package: Path) -> str:
    sources = (path.read_bytes() for path in sorted(package.glob("*.py")))
    return sha256(b"".join(sha256(source).digest() for source in sources)).hexdigest()


class _WholePackage:
    """Numba's locators say where code is kept, and a stamp to compare with the one kept with it."""

    _py_file: str

    def get_source_stamp(self) -> tuple[str, ...]:
        packages = {Path(self._py_file).parent, Path(__file__).parent}
        return tuple(_digest(package) for package in sorted(packages))


class Named(_WholePackage, UserProvidedCacheLocator):
    """The folder that ``NUMBA_CACHE_DIR`` names."""


class BesideSource(_WholePackage, InTreeCacheLocator):
    """``__pycache__``, where it can be written to."""


class OfUser(_WholePackage, UserWideCacheLocator):
    """The user's cache folder."""


config.CACHE_LOCATOR_CLASSES = ",".join(  # type: ignore[attr-defined]  # set as it is read
    f"{__name__}.{locator.__name__}" for locator in (Named, BesideSource, OfUser)
)
