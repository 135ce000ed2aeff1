"""Datasets come over the decode socket whole, faults by name, and workers that die are survived."""

import errno
import hashlib
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import pytest

from service.errors import IoFault, Missing, WrongInstance
from service.processes.decode_server import (
    DecodeClient,
    DecodeServer,
    DecodeUnavailable,
    Place,
    Wanted,
    listen,
)

DATASETS = {bytes([n]) * 16: os.urandom(n * 100_000) for n in range(4)}


def _decode(wanted: Wanted, out: BinaryIO) -> bytes:
    if wanted.id not in DATASETS:
        raise Missing(f"no object {wanted.id.hex()}")
    out.write(DATASETS[wanted.id])
    return hashlib.sha256(DATASETS[wanted.id]).digest()


def _object(object_id: bytes) -> Wanted:
    return Wanted(Place.OBJECT, object_id)


@pytest.fixture
def listener(tmp_path: Path) -> Iterator[socket.socket]:
    with listen(tmp_path / "decode.sock") as opened:
        yield opened


@pytest.fixture
def client(listener: socket.socket, tmp_path: Path) -> Iterator[DecodeClient]:
    server = DecodeServer(listener, _decode, threads=2)
    server.start()
    yield DecodeClient(tmp_path / "decode.sock", timeout_s=10)
    server.stop()


def test_datasets_of_all_lengths_come_whole_and_nobody_can_write_to_them(
    client: DecodeClient,
) -> None:
    for object_id, dataset in DATASETS.items():
        with client.dataset(_object(object_id), hashlib.sha256(dataset).digest()) as view:
            assert view == dataset
            assert view.readonly


def test_a_fault_of_the_worker_is_named(client: DecodeClient) -> None:
    with pytest.raises(Missing, match="no object"), client.dataset(_object(b"?" * 16), b""):
        pass


@pytest.mark.parametrize("fault", [OSError(errno.EIO, "read error"), MemoryError()])
def test_a_disk_or_memory_that_fails_the_worker_is_an_io_fault_and_not_asked_for_again(
    listener: socket.socket, tmp_path: Path, fault: Exception
) -> None:
    asked: list[Wanted] = []

    def fail(wanted: Wanted, _: BinaryIO) -> bytes:
        asked.append(wanted)
        raise fault

    server = DecodeServer(listener, fail, threads=1)
    server.start()
    client = DecodeClient(tmp_path / "decode.sock", timeout_s=10)
    with pytest.raises(IoFault), client.dataset(_object(bytes(16)), b""):
        pass
    server.stop()
    assert len(asked) == 1


def test_another_dataset_than_the_row_says_is_never_handed_out(client: DecodeClient) -> None:
    with (
        pytest.raises(WrongInstance, match="holds another"),
        client.dataset(_object(bytes([1]) * 16), b"0" * 32),
    ):
        pass


def test_no_descriptor_is_left_open(client: DecodeClient) -> None:
    def lend() -> None:
        object_id = bytes([2]) * 16
        digest = hashlib.sha256(DATASETS[object_id]).digest()
        with client.dataset(_object(object_id), digest):
            pass

    lend()
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(50):
        lend()
    assert len(os.listdir("/proc/self/fd")) <= before + 2


def test_a_worker_that_dies_over_a_request_is_asked_again(
    listener: socket.socket, tmp_path: Path
) -> None:
    dying = (
        "import os, socket, sys; s = socket.socket(fileno=int(sys.argv[1]));"
        "print(flush=True); s.accept()[0].recv(9); os._exit(1)"
    )
    descriptor = listener.fileno()
    victim = subprocess.Popen(
        [sys.executable, "-c", dying, str(descriptor)],
        pass_fds=[descriptor],
        stdout=subprocess.PIPE,
    )
    assert victim.stdout is not None
    victim.stdout.readline()
    server = DecodeServer(listener, _decode, threads=1)
    client = DecodeClient(tmp_path / "decode.sock", timeout_s=10)
    digest = hashlib.sha256(DATASETS[bytes([1]) * 16]).digest()

    def restart() -> None:
        assert victim.wait(10) == 1
        server.start()

    restarting = threading.Thread(target=restart)
    restarting.start()
    with client.dataset(_object(bytes([1]) * 16), digest) as view:
        assert view == DATASETS[bytes([1]) * 16]
    restarting.join()
    server.stop()


def test_without_any_worker_the_fault_says_so(tmp_path: Path) -> None:
    client = DecodeClient(tmp_path / "none.sock", timeout_s=1)
    with pytest.raises(DecodeUnavailable), client.dataset(_object(b"0" * 16), b""):
        pass


def test_the_folder_of_the_socket_may_have_a_long_path(tmp_path: Path) -> None:
    folder = tmp_path / ("deep" * 50)
    folder.mkdir()
    with listen(folder / "decode.sock") as listener:
        server = DecodeServer(listener, _decode, threads=1)
        server.start()
        digest = hashlib.sha256(DATASETS[bytes([1]) * 16]).digest()
        client = DecodeClient(folder / "decode.sock", timeout_s=10)
        with client.dataset(_object(bytes([1]) * 16), digest) as view:
            assert view == DATASETS[bytes([1]) * 16]
        server.stop()
