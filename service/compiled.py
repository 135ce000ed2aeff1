"""Where the machine code of the codec's loops is kept between starts.

Numba compiles them at their first call, 24 s of CPU for all, and keeps the outcome beside their
source, or else in the user's cache folder. A package that is installed read-only and run by a user
without a home folder has neither, and cannot even be imported: the archive's folder serves then.
"""

from __future__ import annotations

import os
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import Final

VARIABLE: Final = "NUMBA_CACHE_DIR"
FOLDER: Final = "compiled"


def keep_compiled(home: Path) -> None:
    """Let Numba keep machine code in the archive's folder if it cannot do so beside the source.

    Call it before anything imports the codec; processes started later inherit it. What the folder
    holds is run: like the keyring's, its owner is the archive's own user alone.
    """
    if VARIABLE not in os.environ and home.is_dir() and not _writable(_beside_source()):
        os.environ[VARIABLE] = str(home / FOLDER)


def _beside_source() -> Path:
    found = find_spec("codec")
    if found is None or found.origin is None:
        raise ModuleNotFoundError("codec")
    return Path(found.origin).with_name("__pycache__")


def _writable(folder: Path) -> bool:
    """Whether a file can be made there; it is what Numba tries."""
    try:
        folder.mkdir(exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False
