"""Real peers: DCMTK's programs and an Orthanc, on loopback, each in a folder of its own."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest

from service.demo.peer import Peer
from service.demo.scratch import ScratchArchive, unused_port
from tests.waiting import wait_for

PEER_ENVIRONMENT = {**os.environ, "TCP_NODELAY": "1"}
"""Debian's DCMTK leaves Nagle's algorithm on, which stalls each image on loopback for 42 ms."""


@dataclass(frozen=True, slots=True)
class Dcmtk:
    """DCMTK's programs, calling one archive."""

    find_tool: Callable[[str], str]
    archive: ScratchArchive
    ae_title: str = "DCMTK"

    def call(self, tool: str, *arguments: str | Path) -> str:
        """Run a service class user against the archive; give all that it printed."""
        where = ["-aet", self.ae_title, "-aec", self.archive.ae_title]
        target = [self.archive.host, str(self.archive.port)]
        options = [str(a) for a in arguments if not isinstance(a, Path)]
        files = [str(a) for a in arguments if isinstance(a, Path)]
        return run_tool(self.find_tool(tool), *where, *options, *target, *files)

    @contextmanager
    def storescp(self, folder: Path, port: int, ae_title: str) -> Iterator[Path]:
        """Run the bit-preserving storage SCP that takes any class and syntax it knows."""
        folder.mkdir(parents=True, exist_ok=True)
        tool = self.find_tool("storescp")
        arguments = ["+B", "-pm", "+xa", "--fork", "-aet", ae_title, "-od", str(folder), str(port)]
        process = subprocess.Popen(
            [tool, *arguments], env=PEER_ENVIRONMENT, stdout=subprocess.DEVNULL
        )
        try:
            wait_for(lambda: listens(port), 10)
            yield folder
        finally:
            process.terminate()
            process.wait(10)


def run_tool(tool: str, *arguments: str) -> str:
    """Run a peer's program, which must succeed."""
    done = subprocess.run(
        [tool, *arguments], env=PEER_ENVIRONMENT, capture_output=True, text=True, check=False,
        errors="replace", timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, f"{Path(tool).name}: {done.stdout}{done.stderr}"
    return done.stdout + done.stderr


def listens(port: int) -> bool:
    """Say whether something listens on the port, without connecting to it."""
    wanted = f"0100007F:{port:04X}", f"00000000:{port:04X}", f"{'0' * 32}:{port:04X}"
    rows = Path("/proc/net/tcp").read_text() + Path("/proc/net/tcp6").read_text()
    fields = (row.split() for row in rows.splitlines())
    return any(len(f) > 3 and f[1] in wanted and f[3] == "0A" for f in fields)


@pytest.fixture(scope="module")
def dcmtk(served: ScratchArchive, peer_tool: Callable[[str], str]) -> Dcmtk:
    """DCMTK's programs, known to the archive as the node DCMTK."""
    peer_tool("storescu")
    served.run("nodes", "add", "DCMTK", "127.0.0.1", str(unused_port()), "--move-to", "*")
    return Dcmtk(peer_tool, served)


@pytest.fixture(scope="module")
def peer(served: ScratchArchive) -> Peer:
    """The peer that changes no byte, known to the archive as the node PEER."""
    served.run("nodes", "add", "PEER", "127.0.0.1", str(unused_port()), "--move-to", "*")
    return Peer(served.host, served.port, served.ae_title)


@dataclass(frozen=True, slots=True)
class Orthanc:
    """A running Orthanc and its REST interface."""

    dicom_port: int
    http_port: int

    def rest(self, path: str, body: object | None = None) -> Any:
        """Ask its REST interface: GET, or POST with a body (bytes as they are, else as JSON)."""
        raw = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        return json.loads(self.raw(path, raw) or b"null")

    def raw(self, path: str, body: bytes | None = None, method: str | None = None) -> bytes:
        """Give the answer's bytes."""
        url = f"http://127.0.0.1:{self.http_port}{path}"
        with urlopen(Request(url, data=body, method=method), timeout=120) as answer:
            return bytes(answer.read())

    def delete(self, path: str) -> None:
        """Forget a resource."""
        self.raw(path, method="DELETE")


@pytest.fixture(scope="module")
def orthanc(
    served: ScratchArchive,
    peer_tool: Callable[[str], str],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Orthanc]:
    """An Orthanc that knows the archive as its modality `radiolith`, and is known as ORTHANC."""
    folder = tmp_path_factory.mktemp("orthanc")
    running = Orthanc(dicom_port=unused_port(), http_port=unused_port())
    settings = {
        "Name": "peer",
        "StorageDirectory": str(folder / "storage"),
        "IndexDirectory": str(folder / "index"),
        "HttpPort": running.http_port,
        "DicomPort": running.dicom_port,
        "DicomAet": "ORTHANC",
        "DicomModalities": {"radiolith": [served.ae_title, served.host, served.port]},
        "DicomCheckModalityHost": False,
        "UnknownSopClassAccepted": True,
        "RemoteAccessAllowed": False,
        "AuthenticationEnabled": False,
    }
    (folder / "orthanc.json").write_text(json.dumps(settings))
    served.run("nodes", "add", "ORTHANC", "127.0.0.1", str(running.dicom_port))
    process = subprocess.Popen(
        [peer_tool("Orthanc"), str(folder / "orthanc.json")],
        env=PEER_ENVIRONMENT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        wait_for(lambda: listens(running.http_port) and listens(running.dicom_port), 60)
        yield running
    finally:
        process.terminate()
        process.wait(30)
