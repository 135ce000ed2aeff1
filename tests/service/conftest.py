"""A home of its own for each test, and the codec once for all."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from service.encode import Codec
from service.home import Home, init
from service.processes.decode import decoder
from service.processes.decode_server import DecodeServer, listen
from service.processes.worker import load_codec
from service.retrieve import Retriever
from tests.service.replicas import with_bucket, with_folder
from tests.store.s3_server import S3Server, s3_server


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder of an archive without instances."""
    init(tmp_path / "home")
    return tmp_path / "home"


@pytest.fixture
def home(folder: Path) -> Iterator[Home]:
    """An archive without instances, opened."""
    with Home.open(folder) as opened:
        yield opened


@pytest.fixture(scope="session")
def codec() -> Codec:
    """The shipped models, self-tested."""
    return load_codec()


@pytest.fixture
def decoding(home: Home, codec: Codec) -> Iterator[None]:
    """Answer decode requests as a worker does."""
    with listen(home.run / "decode.sock") as listener:
        server = DecodeServer(listener, decoder(home, codec), threads=2)
        server.start()
        yield
        server.stop()


@pytest.fixture
def retriever(home: Home, decoding: None) -> Iterator[Retriever]:
    """Read revisions as a receiver does."""
    opened = Retriever(home)
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def s3() -> Iterator[S3Server]:
    """An S3-compatible server."""
    with s3_server() as server:
        yield server


@pytest.fixture(params=["folder", "s3"])
def replicated(request: pytest.FixtureRequest, folder: Path) -> Iterator[Home]:
    """An archive with a replica that a queue fills."""
    if request.param == "folder":
        with_folder(folder)
    else:
        with_bucket(folder, request.getfixturevalue("s3"))
    with Home.open(folder) as home:
        yield home
