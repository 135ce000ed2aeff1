"""What every test may ask for: data, free ports, DCMTK's tools, a served archive of its own."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from service.demo.scratch import ScratchArchive, scratch_archive, unused_port

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"

IN_CI = os.environ.get("CI") == "true"

# CI asks the same of every change; the thorough profile, and every run by hand, look further.
settings.register_profile("quick", max_examples=25, deadline=None, derandomize=IN_CI)
settings.register_profile(
    "thorough", max_examples=1000, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real DICOM files beside the checkout; tests that need it skip without it."""
    if not SHARED_DATA.is_dir():
        pytest.skip("no ../shared/data beside the checkout")
    return SHARED_DATA


@pytest.fixture
def free_port() -> int:
    """Name a TCP port of loopback that nothing listens on now."""
    return unused_port()


@pytest.fixture(scope="session")
def peer_tool() -> Callable[[str], str]:
    """Find a program of a real peer; without it a test skips, or fails where CI installed it."""

    own = str(Path(sys.executable).parent)  # pynetdicom installs programs of the same names
    folders = [*os.environ.get("PATH", "").split(os.pathsep), "/usr/sbin", "/usr/local/sbin"]
    path_of_peers = os.pathsep.join(folder for folder in folders if folder != own)

    def find(name: str) -> str:
        path = shutil.which(name, path=path_of_peers)
        if path is not None:
            return path
        reason = f"{name} is not installed (Debian: apt-get install dcmtk orthanc strace fiu-utils)"
        if IN_CI:
            pytest.fail(reason)
        pytest.skip(reason)

    return find


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ScratchArchive]:
    """Serve an archive in a folder of its own, in real processes, for the tests of one module."""
    with scratch_archive(tmp_path_factory.mktemp("archive") / "home") as archive:
        yield archive
