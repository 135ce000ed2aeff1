"""An archive that is served over TLS, and DCMTK's programs with certificates of their own."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from service.demo.scratch import LOG, ScratchArchive, unused_port
from tests.keepout.certificates import Authority, Pair
from tests.waiting import wait_for

ENVIRONMENT = {**os.environ, "TCP_NODELAY": "1"}

FindTool = Callable[[str], str]


@dataclass(slots=True)
class Fortress:
    """An archive with a port for TLS, and who vouches for whom."""

    archive: ScratchArchive
    authority: Authority
    own: Pair
    tls_port: int
    tools: FindTool
    pairs: dict[str, Pair] = field(default_factory=dict)

    def pair(self, name: str) -> Pair:
        """Give a peer's certificate, issued by the authority that the archive trusts."""
        if name not in self.pairs:
            self.pairs[name] = self.authority.issue(name)
        return self.pairs[name]

    def secured(self, pair: Pair) -> list[str]:
        """Options of DCMTK to speak TLS, showing a certificate."""
        return ["+tls", str(pair.key), str(pair.certificate), "+cf", str(self.authority.file)]

    def call(
        self, tool: str, *options: str | Path, title: str = "CT1", port: int | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a program of DCMTK against the TLS port, or another; files come after the port."""
        files = [str(option) for option in options if isinstance(option, Path)]
        arguments = [str(option) for option in options if not isinstance(option, Path)]
        return subprocess.run(
            [self.tools(tool), "-v", *arguments, "-aet", title, "-aec", self.archive.ae_title,
             self.archive.host, str(port or self.tls_port), *files],
            env=ENVIRONMENT, capture_output=True, text=True, errors="replace", timeout=60,
            check=False,
        )  # fmt: skip

    def echo(self, *options: str, title: str = "CT1") -> bool:
        """Say whether a C-ECHO over the TLS port succeeds."""
        return self.call("echoscu", *options, title=title).returncode == 0

    @property
    def log(self) -> str:
        """What the service has logged so far."""
        return (self.archive.home / LOG).read_text()

    @contextmanager
    def storescp(self, folder: Path, port: int, *options: str) -> Iterator[Path]:
        """Run a storage SCP that keeps each dataset as it came."""
        folder.mkdir()
        command = [self.tools("storescp"), "+B", "+xa", *options, "-od", str(folder), str(port)]
        process = subprocess.Popen(command, env=ENVIRONMENT, stdout=subprocess.DEVNULL)
        try:
            wait_for(lambda: listens(port), 10)
            yield folder
        finally:
            process.terminate()
            process.wait(10)


def listens(port: int) -> bool:
    """Say whether something listens on the port, without connecting to it."""
    rows = Path("/proc/net/tcp").read_text() + Path("/proc/net/tcp6").read_text()
    return re.search(rf":{port:04X} 0+:0000 0A ", rows) is not None


@contextmanager
def fortress(folder: Path, tools: FindTool, *settings: str) -> Iterator[Fortress]:
    """Serve an archive over TLS, with further lines of its settings file."""
    authority = Authority(folder / "pki", "authority")
    archive = ScratchArchive(folder / "home")
    own = authority.issue("archive")
    tls_port = unused_port()
    lines = [
        f'tls.certificate = "{own.certificate}"',
        f'tls.key_file = "{own.key}"',
        f'tls.authorities = "{authority.file}"',
        f'tls.revoked = "{authority.revoke()}"',
        f"tls.port = {tls_port}",
        "service.shutdown_grace_s = 50",  # a worker of a busy machine may still be starting
    ]
    archive.home.mkdir(parents=True)
    (archive.home / "radiolith.toml").write_text("\n".join([*lines, *settings]))
    archive.run("init")
    try:
        archive.start("--workers", "1")
        yield Fortress(archive, authority, own, tls_port, tools)
    finally:
        archive.stop()


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory, peer_tool: FindTool) -> Iterator[Fortress]:
    """An archive that is served over TLS for the tests of one module, with the node CT1."""
    peer_tool("echoscu")
    with fortress(tmp_path_factory.mktemp("guarded"), peer_tool) as served:
        served.archive.run("nodes", "add", "CT1", "127.0.0.1", str(unused_port()), "--move-to", "*")
        yield served
