"""No path is built from what a peer says: hostile UIDs go in, are archived and exported."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom.uid import UID

from service.exchange.exporter import export
from service.home import Home, init
from service.processes.worker import drain
from service.receive import Origin, Reception
from tests.keys.plain_codec import NO_CODEC
from tests.service.made import EXPLICIT, without_pixels

_PATHS = {"open": 1, "os.rename": 2, "os.mkdir": 1, "os.remove": 1, "os.link": 2, "os.chmod": 1}
"""How many of an event's first arguments are paths."""
_watched: list[list[str]] = []


def _hook(event: str, arguments: tuple[object, ...]) -> None:
    """Note the paths that a process touches (PEP 578)."""
    if _watched and event in _PATHS:
        given = arguments[: _PATHS[event]]
        _watched[-1].extend(os.fsdecode(one) for one in given if not isinstance(one, int))  # type: ignore[arg-type]


sys.addaudithook(_hook)


@contextmanager
def _watching() -> Iterator[list[str]]:
    paths: list[str] = []
    _watched.append(paths)
    yield paths
    _watched.remove(paths)


def hostile() -> st.SearchStrategy[str]:
    """UIDs as an intruder would have them: of at most 64 characters, as they go into a UI."""
    known = [
        "../../../../etc/passwd", "/etc/passwd", "..", ".", "a/b", "..\\..\\x", "$(id)", "`id`",
        "'; DROP TABLE instances; --", "%s%n", "1.2.3/../../x", "-rf", "~root", "CON", "x.dcm.part",
    ]  # fmt: skip
    letters = st.characters(min_codepoint=1, max_codepoint=255, blacklist_characters="\\\0 ")
    return st.sampled_from(known) | st.text(letters, min_size=1, max_size=64)


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    init(tmp_path / "home")
    with Home.open(tmp_path / "home") as opened:
        yield opened


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(uid=hostile(), ae_title=hostile(), number=st.integers(0, 2**60))
def test_no_path_is_built_from_a_uid(
    home: Home, tmp_path: Path, uid: str, ae_title: str, number: int
) -> None:
    reception = Reception(home, Origin("1.2", uid, ae_title[:16], ae_title[:16], uid, EXPLICIT))
    with _watching() as paths:
        reception.write(_renamed(uid))
        reception.take()
        drain(home, NO_CODEC)
        out = tmp_path / f"out-{number}-{len(list(tmp_path.iterdir()))}"
        exported = export(home, home.index.revisions.all(), out, {})
    assert exported.faults == []
    for path in map(Path, paths):
        ours = path.is_relative_to(tmp_path)
        assert ours or path.suffix in (".py", ".pyc", ".json", ".zdict", ".toml"), path
        assert not ours or len(uid) < 3 or uid not in str(path.relative_to(tmp_path)), path


def _renamed(uid: str) -> bytes:
    """Encode a dataset whose every UID is the hostile one, in place of one of the same length."""
    padded = uid.encode("latin-1")
    padded += b"\0" * (len(padded) % 2)
    place = UID("9" * len(padded))
    made = without_pixels(place, 512).replace(b"1.2.826.0.1.3680043.10.1.3", padded.ljust(26)[:26])
    return made.replace(place.encode(), padded)
