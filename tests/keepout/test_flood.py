"""Ten thousand connection attempts against a served archive: who is known goes on being served."""

from __future__ import annotations

import logging
import random
import resource
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from dicom.association import AssociateRequest, ProposedContext, UserInformation
from dicom.sop_classes import VERIFICATION
from service.demo.scratch import ScratchArchive
from tests.dicom_net.raw_peer import EXPLICIT, RawPeer
from tests.dicom_net.test_hostile_peers import ECHO, response
from tests.keepout.conftest import FindTool, fortress
from tests.keepout.test_secured import CLIENT_HELLO
from tests.service.served import children, is_worker

_LOGGER = logging.getLogger(__name__)

HELD = 2000
"""Connections that the flood keeps open at a time, far more than the archive does."""
NODE = "127.0.0.2"
"""Where the node calls from; the flood comes from other addresses of loopback."""


def openings(calling: str) -> list[bytes]:
    """What a connection of the flood says before it falls silent."""
    context = ProposedContext(1, VERIFICATION, (EXPLICIT,))
    user = UserInformation(16384, "1.2", "RAW")
    request = AssociateRequest("RADIOLITH", calling, (context,), user).encode()
    return [b"", b"\x01", request[:70], request, b"GET / HTTP/1.1\r\n\r\n", CLIENT_HELLO[:200]]


@dataclass
class Flood:
    """Connects again and again, holding what is not closed on it."""

    ports: list[int]
    attempts: int
    made: int = 0
    held: list[socket.socket] = field(default_factory=list)

    def run(self) -> None:
        random.seed(self.attempts)
        said = openings("FLOOD")
        for number in range(self.attempts):
            with suppress(OSError):
                source = f"127.0.1.{number % 3 + 1}"
                port = self.ports[number % len(self.ports)]
                one = socket.create_connection(("127.0.0.1", port), 5, (source, 0))
                self.held.append(one)
                one.sendall(random.choice(said))
            self.made += 1
            if len(self.held) > HELD:
                self.held.pop(random.randrange(HELD)).close()

    def close(self) -> None:
        for one in self.held:
            one.close()


@contextmanager
def flooding(ports: list[int], attempts: int) -> Iterator[threading.Thread]:
    flood = Flood(ports, attempts)
    thread = threading.Thread(target=flood.run)
    thread.start()
    try:
        yield thread
        thread.join()
        assert flood.made == attempts
    finally:
        thread.join()
        flood.close()


def receivers(archive: ScratchArchive) -> list[int]:
    """Name the processes that were forked: receivers, and the housekeeper."""
    assert archive.process is not None
    return [pid for pid in children(archive.process.pid) if not is_worker(pid)]


def resident(archive: ScratchArchive) -> int:
    """Bytes of memory that the receivers hold, pages shared by several counted once."""
    total = 0
    for pid in receivers(archive):
        rows = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        total += sum(int(row.split()[1]) for row in rows if row.startswith("Pss:")) * 1024
    return total


def threads(archive: ScratchArchive) -> int:
    """Threads of the receiver that has the most."""
    return max(len(list(Path(f"/proc/{pid}/task").iterdir())) for pid in receivers(archive))


def echo(peer: RawPeer) -> float:
    began = time.monotonic()
    peer.command(1, ECHO)
    assert response(peer).status == 0
    return time.monotonic() - began


@pytest.mark.interop
@pytest.mark.parametrize(
    "attempts", [300, pytest.param(10_000, marks=[pytest.mark.faults, pytest.mark.timeout(1800)])]
)
def test_a_flood_of_connections(tmp_path: Path, peer_tool: FindTool, attempts: int) -> None:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, 8192), most))
    with fortress(tmp_path, peer_tool, "service.max_half_open = 16") as served:
        archive = served.archive
        archive.run("nodes", "add", "NODE", NODE, "104")
        with RawPeer(archive.port, NODE) as running:
            assert running.associate(VERIFICATION, calling="NODE")[:1] == b"\x02"
            echo(running)
            before = resident(archive)
            waits, opened, crowd = [], 0, 0
            with flooding([archive.port, served.tls_port], attempts) as flood:
                while flood.is_alive():
                    waits.append(echo(running))
                    began = time.monotonic()
                    with RawPeer(archive.port, NODE) as other:
                        answer = other.associate(VERIFICATION, calling="NODE")
                        assert answer[:1] == b"\x02", answer
                        echo(other)
                        other.release()
                    opened += 1
                    waits.append(time.monotonic() - began)
                    crowd = max(crowd, threads(archive))
                grown = resident(archive) - before
            echo(running)
            running.release()
        _LOGGER.info(
            "%d attempts: %d associations of the node opened meanwhile, none refused; "
            "longest wait %.2f s, most threads %d, memory grown by %d MiB",
            attempts,
            opened,
            max(waits),
            crowd,
            grown >> 20,
        )
        assert opened > 0
        assert crowd < 16 * 2 + 64 + 16
        assert grown < 64 << 20
