"""Peers who connect and say nothing, or say it slowly: they cost what the limits allow, no more."""

from __future__ import annotations

import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dicom.association import (
    AssociateRequest,
    Command,
    CommandField,
    ProposedContext,
    Timeouts,
    UserInformation,
)
from dicom.limits import HalfOpen
from dicom.sop_classes import STUDY_ROOT_FIND, VERIFICATION
from tests.dicom_net.conftest import CT, OPTIONS, Served, serving
from tests.dicom_net.memory_archive import MemoryArchive
from tests.dicom_net.raw_peer import EXPLICIT, RawPeer
from tests.dicom_net.test_hostile_peers import ECHO, REJECTED, STORE, response
from tests.waiting import wait_for

FIND = Command(
    CommandField.C_FIND, has_dataset=True, message_id=1, affected_sop_class_uid=STUDY_ROOT_FIND
)
FLOOD = 300
FEW = replace(OPTIONS, max_half_open=8, max_associations=4, timeouts=Timeouts(acse=20, dimse=10))


def request(calling: str) -> bytes:
    context = ProposedContext(1, VERIFICATION, (EXPLICIT,))
    user = UserInformation(16384, "1.2", "RAW")
    return AssociateRequest("RADIOLITH", calling, (context,), user).encode()


@contextmanager
def flooded(served: Served) -> Iterator[list[socket.socket]]:
    """Open many connections that send half a request and then nothing."""
    with ExitStack() as stack:
        silent = []
        for _ in range(FLOOD):
            connection = socket.create_connection(("127.0.0.1", served.port), 10)
            stack.enter_context(connection)
            with suppress(OSError):
                connection.sendall(request("FLOOD")[:50])
            silent.append(connection)
        yield silent


def echoes(peer: RawPeer) -> bool:
    peer.command(1, ECHO)
    return response(peer).status == 0


def test_a_flood_of_connections_takes_nothing_from_others() -> None:
    with serving(MemoryArchive(), FEW) as served, RawPeer(served.port) as running:
        running.associate(VERIFICATION)
        before = threading.active_count()
        with flooded(served):
            assert echoes(running)
            for _ in range(20):  # another address is let in at once, however often it comes
                with RawPeer(served.port, source="127.0.0.2") as other:
                    assert other.associate(VERIFICATION)[:1] == b"\x02"
                    assert echoes(other)
                    other.release()
            assert threading.active_count() - before <= FEW.max_half_open + 8
            assert echoes(running)


def test_a_flood_ends_itself_from_its_oldest_on() -> None:
    with serving(MemoryArchive(), FEW) as served, flooded(served) as silent:
        with RawPeer(served.port) as last:
            assert last.associate(VERIFICATION)[:1] == b"\x02"
        wait_for(lambda: sum(map(is_open, silent)) <= FEW.max_half_open, 10)
        assert not is_open(silent[0])


def is_open(connection: socket.socket) -> bool:
    connection.setblocking(False)
    try:
        return connection.recv(1 << 12, socket.MSG_PEEK) != b""
    except BlockingIOError:
        return True
    except OSError:
        return False


@given(st.lists(st.sampled_from(["10.0.0.1", "10.0.0.2", "2001:db8::1", "2001:db8::2"])))
def test_whoever_has_the_most_half_open_connections_gives_way(addresses: list[str]) -> None:
    limit = 4
    held, kept = HalfOpen(limit), dict[object, str]()

    class Watched:
        def shut_down(self) -> None:
            most = Counter(kept.values()).most_common(1)[0][1]
            source = kept.pop(self)
            assert [*kept.values()].count(source) + 1 == most

    for address in addresses:
        connection = Watched()
        kept[connection] = "one /64" if ":" in address else address
        held.add(connection, address)  # type: ignore[arg-type]
        assert len(kept) <= limit


def test_a_request_that_drips_in_is_not_waited_for() -> None:
    options = replace(OPTIONS, timeouts=Timeouts(acse=0.4))
    with serving(MemoryArchive(), options) as served, RawPeer(served.port) as peer:
        assert 0.3 < seconds_until_ended(peer, request("SLOW")) < 5


def test_a_dataset_that_drips_in_is_not_waited_for() -> None:
    options = replace(OPTIONS, timeouts=Timeouts(acse=10, dimse=0.4, idle=10, min_rate=1000))
    with serving(MemoryArchive(), options) as served, RawPeer(served.port) as peer:
        peer.associate(CT)
        peer.command(1, STORE)
        fragment = bytes.fromhex("04 00 00000008 00000004 01 00 6162")  # two bytes in a whole PDU
        assert 0.3 < seconds_until_ended(peer, *[fragment] * 400) < 5
        assert served.archive.something_aborted.wait(5)


def test_a_dataset_may_pause_for_a_moment() -> None:
    options = replace(OPTIONS, timeouts=Timeouts(acse=10, dimse=0.6, idle=10, min_rate=1000))
    with serving(MemoryArchive(), options) as served, RawPeer(served.port) as peer:
        peer.associate(CT)
        peer.command(1, STORE)
        for last in (0, 0, 0, 2):
            time.sleep(0.3)
            peer.send_pdv(1, last, bytes(2000))
        assert response(peer).status == 0


def seconds_until_ended(peer: RawPeer, *parts: bytes) -> float:
    """Send byte after byte, or part after part; give how long the connection lasted."""
    began = time.monotonic()
    pieces = parts if len(parts) > 1 else [bytes([byte]) for byte in parts[0]]
    with suppress(OSError):
        for piece in pieces:
            peer.send(piece)
            time.sleep(0.02)
            if not is_open(peer.socket) or readable(peer.socket):
                break
    return time.monotonic() - began


def readable(connection: socket.socket) -> bool:
    try:
        return bool(connection.recv(1, socket.MSG_PEEK))
    except BlockingIOError:
        return False
    finally:
        connection.settimeout(10)


def test_a_peer_that_reads_nothing_is_not_waited_for() -> None:
    options = replace(OPTIONS, timeouts=Timeouts(acse=10, dimse=0.4, idle=10))
    archive = MemoryArchive(endless=True)
    with serving(archive, options) as served, RawPeer(served.port) as peer:
        peer.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)  # is full the sooner
        peer.associate(CT, STUDY_ROOT_FIND)
        peer.command(1, STORE)
        peer.send_pdv(1, 2, bytes.fromhex("0800 1800 5549 0400 312e3200"))
        assert response(peer).status == 0
        peer.command(3, FIND)
        peer.send_pdv(3, 2, bytes.fromhex("0800 5200 4353 0600") + b"STUDY ")
        assert archive.find_closed.wait(120)


def test_one_peer_cannot_take_every_association() -> None:
    options = replace(OPTIONS, max_associations=3, max_associations_per_peer=2)
    with serving(MemoryArchive(), options) as served, ExitStack() as stack:
        first, second, third, other, last = (
            stack.enter_context(RawPeer(served.port)) for _ in range(5)
        )
        assert first.associate(VERIFICATION)[:1] == b"\x02"
        assert second.associate(VERIFICATION)[:1] == b"\x02"
        assert third.associate(VERIFICATION) == REJECTED + b"\2\3\2"
        assert other.associate(VERIFICATION, calling="OTHER")[:1] == b"\x02"
        assert last.associate(VERIFICATION, calling="LAST") == REJECTED + b"\2\3\2"
        first.release()
        wait_for(lambda: associates(served, "LAST"), 5)


def associates(served: Served, calling: str) -> bool:
    with RawPeer(served.port) as peer:
        return peer.associate(VERIFICATION, calling=calling)[:1] == b"\x02"


def test_more_contexts_than_there_are_ids() -> None:
    with serving(MemoryArchive()) as served, RawPeer(served.port) as peer:
        assert peer.associate(*[VERIFICATION] * 128)[:1] == b"\x02"
    context = ProposedContext(1, VERIFICATION, (EXPLICIT,))
    user = UserInformation(16384, "1.2", "RAW")
    with serving(MemoryArchive()) as served, RawPeer(served.port) as peer:
        peer.send(AssociateRequest("RADIOLITH", "RAW", (context,) * 129, user).encode())
        assert peer.read()[:1] == b"\x07"


def test_the_longest_pdu_is_taken_and_none_longer() -> None:
    limit = OPTIONS.max_pdu
    with serving(MemoryArchive()) as served, RawPeer(served.port) as peer:
        peer.associate(CT)
        peer.command(1, STORE)
        peer.send_pdv(1, 0, bytes(limit - 6))
        peer.send_pdv(1, 0, bytes(limit - 5))
        assert peer.read()[:1] == b"\x07"


def test_a_process_that_gets_no_more_threads_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    start = threading.Thread.start

    def refuse(thread: threading.Thread) -> None:
        if thread.name == "association":
            raise RuntimeError("can't start new thread")
        start(thread)

    with serving(MemoryArchive()) as served:
        with monkeypatch.context() as patch:
            patch.setattr(threading.Thread, "start", refuse)
            with RawPeer(served.port) as peer, suppress(OSError):
                assert peer.associate(VERIFICATION) == b""
        assert associates(served, "RAW")
