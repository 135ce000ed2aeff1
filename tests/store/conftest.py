"""Every implementation of the object store, empty, by name."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from service.store import LocalStore, ObjectStore
from service.store.s3 import S3Store, open_bucket
from tests.store.s3_server import S3Server, s3_server


@pytest.fixture(scope="session")
def s3() -> Iterator[S3Server]:
    """An S3-compatible server."""
    with s3_server() as server:
        yield server


@pytest.fixture(params=["folder", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    """An empty store."""
    if request.param == "folder":
        return LocalStore(tmp_path / "objects")
    s3: S3Server = request.getfixturevalue("s3")
    return S3Store(open_bucket(s3.place()), tmp_path)
