"""The codec, once for all, and an archive for each test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from service.encode import Codec
from service.home import Home, init
from service.processes.worker import load_codec


@pytest.fixture(scope="session")
def codec() -> Codec:
    """The shipped models, self-tested."""
    return load_codec()


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    """An archive without instances, opened."""
    init(tmp_path / "home")
    with Home.open(tmp_path / "home") as opened:
        yield opened
