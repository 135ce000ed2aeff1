"""Machine code of the codec is kept, and nothing is compiled once a worker has started."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from service.compiled import VARIABLE, keep_compiled

ROOT = Path(__file__).resolve().parents[2]

IMPORT = """
import sys
from pathlib import Path
from service.compiled import keep_compiled
if sys.argv[1:]:
    keep_compiled(Path(sys.argv[1]))
import codec
"""

CALLEE = """
from numba import njit

@njit
def number():
    return {number}
"""

CALLER = """
from numba import njit
from loops.callee import number

@njit(cache=True)
def call():
    return number()

def tell():
    print(call(), sum(call.stats.cache_hits.values()), sum(call.stats.cache_misses.values()))
"""

LOADED = """
import sys
import numpy as np
from numba.core.dispatcher import Dispatcher
from codec import Hints, decode_frame, encode_frame
from service.processes.worker import load_codec

def compiled():
    loops = {
        f"{name}.{value.__name__}{signature}"
        for name, module in sys.modules.items() if name.split(".")[0] in ("codec", "models")
        for value in vars(module).values() if isinstance(value, Dispatcher)
        for signature in value.signatures
    }
    assert loops
    return loops

codec = load_codec()
before = compiled()
random = np.random.default_rng(0)
for shape in ((1, 1), (1, 70), (130, 97)):
    for word, top in (("u1", 256), ("u2", 4096)):
        ramp = np.add.outer(np.arange(shape[0]), np.arange(shape[1])) * 3
        frames = [(ramp + random.normal(9, 5, shape)) % top, random.integers(0, top, shape)]
        frames += [np.repeat(frames[0], 2, axis=0)[: shape[0]], frames[1] // 50 * 50]
        for words in frames:
            frame = np.frombuffer(words.astype(word).tobytes(), word).reshape(shape)
            other = np.roll(frame, 1, axis=0)
            other.flags.writeable = False
            for references in ((), (other,)):
                hints = Hints(bits_stored=7 if word == "u1" else 12)
                stream = encode_frame(frame, codec.predictor, hints, references)
                decode_frame(stream, shape, frame.dtype, codec.predictors, references)
assert compiled() == before, compiled() - before
"""


def run(script: str, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, **variables}
    return subprocess.run(
        [sys.executable, "-c", script, *arguments],
        env=environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def read_only(tmp_path: Path) -> dict[str, str]:
    """Install the codec where nothing can be written beside it, for a user without a home."""
    package = tmp_path / "installed" / "codec"
    shutil.copytree(ROOT / "codec", package, ignore=shutil.ignore_patterns("__pycache__"))
    (package / "__pycache__").write_bytes(b"")  # the superuser may write to read-only folders
    nowhere = str(package / "__pycache__" / "home")
    path = os.pathsep.join((str(package.parent), str(ROOT)))
    # Not by -c's own first entry, the working directory, but by PYTHONPATH.
    return {"PYTHONPATH": path, "PYTHONSAFEPATH": "1", "HOME": nowhere, "XDG_CACHE_HOME": nowhere}


def test_a_read_only_package_keeps_its_machine_code_with_the_archive(
    tmp_path: Path, read_only: dict[str, str]
) -> None:
    without = run(IMPORT, **read_only)
    assert "cannot cache" in without.stderr, "else the folder is not needed any more"
    home = tmp_path / "home"
    home.mkdir()
    done = run(IMPORT, str(home), **read_only)
    assert done.returncode == 0, done.stderr
    assert list(home.glob("compiled/codec_*"))


def test_a_package_that_can_be_written_to_keeps_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    keep_compiled(tmp_path)
    assert VARIABLE not in os.environ
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_named_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, read_only: dict[str, str]
) -> None:
    named = str(tmp_path / "named")
    done = run(IMPORT, str(tmp_path), **read_only, **{VARIABLE: named})
    assert done.returncode == 0, done.stderr
    assert list(Path(named).glob("codec_*"))


def test_machine_code_is_stale_once_what_is_compiled_into_it_changes(tmp_path: Path) -> None:
    package = tmp_path / "loops"
    package.mkdir()
    (package / "__init__.py").write_text("import codec\n")
    (package / "caller.py").write_text(CALLER)
    told = []
    for number in (1, 1, 2):
        (package / "callee.py").write_text(CALLEE.format(number=number))
        path = os.pathsep.join((str(tmp_path), str(ROOT)))
        told.append(run("from loops import caller; caller.tell()", PYTHONPATH=path).stdout.split())
    assert told == [["1", "0", "1"], ["1", "1", "0"], ["2", "0", "1"]]


def test_once_a_worker_has_loaded_the_codec_nothing_is_compiled() -> None:
    done = run(LOADED)
    assert done.returncode == 0, done.stderr
