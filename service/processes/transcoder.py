"""The decoders of compressed images, in a process of their own beside each decoding thread.

They are native code, and what they are fed comes from peers: one that crashes over an image ends a
process that holds no key and no other request, and that image's retrieval alone fails. It is
neither asked for again nor given to another worker.

Packets are JSON in ``SOCK_SEQPACKET``, datasets go beside them as descriptors of memory without a
name. The process ends when its worker does, since the socket closes then.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from contextlib import suppress
from typing import Final

from config.settings import Settings
from dicom.transcode import TranscodeError, to_uncompressed
from service import logs
from service.errors import IoFault, Undecodable

_PACKET_BYTES: Final = 4096


class Transcoder:
    """One such process, started when it is first needed and again after a crash. For one thread."""

    def __init__(self, settings: Settings) -> None:
        self._log = settings.log
        self._process: subprocess.Popen[bytes] | None = None
        self._ours: socket.socket | None = None

    def to_uncompressed(self, dataset: bytes, source: str, target: str) -> bytes:
        """Transcode a dataset; see :func:`dicom.transcode.to_uncompressed`.

        Raises:
            Undecodable: no decoder takes it, or one crashed over it.
            IoFault: the process cannot be started.
        """
        ours = self._running()
        request = {"source": source, "target": target}
        try:
            _send(ours, request, dataset)
            answer, transcoded = _receive(ours)
        except OSError as fault:
            self._bury()
            raise Undecodable(f"its decoder crashed over {source}") from fault
        if "fault" in answer:
            raise Undecodable(f"cannot be transcoded from {source}: {answer['fault']}")
        return transcoded

    def _running(self) -> socket.socket:
        if self._ours is None or self._process is None or self._process.poll() is not None:
            self._bury()
            self._ours, self._process = self._start()
        return self._ours

    def _start(self) -> tuple[socket.socket, subprocess.Popen[bytes]]:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        told = [str(theirs.fileno()), self._log.level, self._log.format, str(int(self._log.phi))]
        try:
            with theirs:
                process = subprocess.Popen(  # noqa: S603 - our own interpreter
                    [sys.executable, "-m", __name__, *told],
                    pass_fds=[theirs.fileno()],
                    stdin=subprocess.DEVNULL,
                    process_group=0,
                )
        except OSError as fault:
            ours.close()
            raise IoFault(f"no process to transcode in: {fault.strerror}") from fault
        return ours, process

    def _bury(self) -> None:
        if self._ours is not None:
            self._ours.close()
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        self._ours = self._process = None


def _send(connection: socket.socket, told: dict[str, str], dataset: bytes = b"") -> None:
    memory = os.memfd_create("radiolith-transcoding", os.MFD_CLOEXEC)
    with os.fdopen(memory, "wb") as file:
        file.write(dataset)
        file.flush()
        socket.send_fds(connection, [json.dumps(told).encode()], [memory])


def _receive(connection: socket.socket) -> tuple[dict[str, str], bytes]:
    """Receive what :func:`_send` sends.

    Raises:
        ConnectionResetError: the other side is gone.
    """
    packet, memories, _, _ = socket.recv_fds(connection, _PACKET_BYTES, 1)
    if not packet:
        raise ConnectionResetError("the other side is gone")
    with os.fdopen(memories[0], "rb") as file:
        file.seek(0)
        return json.loads(packet), file.read()


def _answer(connection: socket.socket) -> None:
    request, dataset = _receive(connection)
    try:
        transcoded = to_uncompressed(dataset, request["source"], request["target"])
    except TranscodeError as fault:
        _send(connection, {"fault": str(fault)})
    except Exception as fault:  # noqa: BLE001 - the fault is the answer, whatever it is
        _send(connection, {"fault": f"internal fault, {type(fault).__name__}"})
    else:
        _send(connection, {}, transcoded)


def main(descriptor: str, level: str, form: str, phi: str) -> None:
    """Transcode what comes over a socket, until it closes."""
    logs.configure(level, "console" if form == "console" else "json", phi == "1")
    with socket.socket(fileno=int(descriptor)) as connection, suppress(ConnectionResetError):
        while True:
            _answer(connection)


if __name__ == "__main__":
    main(*sys.argv[1:])
