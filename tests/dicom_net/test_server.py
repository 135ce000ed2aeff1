"""The server: several processes on one socket, and an orderly end."""

from __future__ import annotations

import multiprocessing
import threading
import time
from dataclasses import replace

import pytest

from dicom.server import Listener, bind, serve_associations
from dicom.sop_classes import VERIFICATION
from tests.dicom_net.conftest import CT, OPTIONS, serving
from tests.dicom_net.memory_archive import MemoryArchive
from tests.dicom_net.raw_peer import RawPeer
from tests.dicom_net.test_hostile_peers import ECHO, STORE, response


def test_stop_lets_a_running_association_end() -> None:
    options = replace(OPTIONS, grace_s=10.0)
    with serving(MemoryArchive(), options) as served, RawPeer(served.port) as peer:
        peer.associate(CT)
        peer.command(1, STORE)
        stopper = threading.Thread(target=served.stop)
        stopper.start()
        time.sleep(0.5)
        peer.send_pdv(1, 2, b"a dataset")
        assert response(peer).status == 0
        peer.release()
        stopper.join(5)
        assert not stopper.is_alive()
    assert len(served.archive.kept) == 1


def test_stop_ends_what_does_not_end_itself() -> None:
    options = replace(OPTIONS, grace_s=0.3)
    with serving(MemoryArchive(), options) as served, RawPeer(served.port) as peer:
        peer.associate(CT)
        peer.command(1, STORE)
        peer.send_pdv(1, 0, b"half of a dataset")
        started = time.monotonic()
        served.stop()
        assert time.monotonic() - started < 5
        assert served.archive.something_aborted.wait(5)
        assert peer.read() == b""
    assert not served.archive.kept


def test_forked_processes_share_one_socket() -> None:
    fork = multiprocessing.get_context("fork")
    with bind("127.0.0.1", 0) as listener:
        stop = fork.Event()
        processes = [
            fork.Process(
                target=serve_associations,
                args=([Listener(listener)], MemoryArchive(), OPTIONS, stop),
            )
            for _ in range(2)
        ]
        for process in processes:
            process.start()
        port = listener.getsockname()[1]
        try:
            for _ in range(20):
                with RawPeer(port) as peer:
                    peer.associate(VERIFICATION)
                    peer.command(1, ECHO)
                    assert response(peer).status == 0
                    peer.release()
        finally:
            stop.set()
            for process in processes:
                process.join(10)
        assert [process.exitcode for process in processes] == [0, 0]


def test_many_associations_at_once() -> None:
    with serving(MemoryArchive()) as served:
        peers = [RawPeer(served.port) for _ in range(20)]
        for peer in peers:
            peer.associate(CT)
        for index, peer in enumerate(peers):
            peer.command(1, replace(STORE, affected_sop_instance_uid=f"1.2.{index}"))
            peer.send_pdv(1, 2, b"dataset of %d" % index)
        assert [response(peer).status for peer in peers] == [0] * 20
        for peer in peers:
            peer.release()
            peer.socket.close()
    assert len(served.archive.kept) == 20


def test_bind_refuses_a_port_in_use() -> None:
    with bind("127.0.0.1", 0) as listener:
        assert listener.getsockname()[0] == "127.0.0.1"
        with pytest.raises(OSError, match="in use"):
            bind("127.0.0.1", listener.getsockname()[1])
