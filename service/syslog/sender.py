"""Sends the trail to a syslog receiver over TLS (RFC 5425), entry by entry.

The trail itself is the queue: how far it was sent is a number in a file, so that restarts and a
receiver that is gone for weeks lose nothing, and nothing in the archive ever waits for it. RFC 5425
has no acknowledgement: an entry counts as sent once the receiver's system has acknowledged its
bytes (TCP) and the connection has lasted for some seconds after that. What was sent shortly before
a connection broke is sent again, so an entry may come twice, known by its position.
"""

from __future__ import annotations

import fcntl
import select
import socket
import ssl
import time
from collections import deque
from contextlib import suppress
from itertools import islice
from pathlib import Path
from struct import Struct
from threading import Event
from typing import Final

import structlog

from config.schema import Syslog
from service.errors import Fault
from service.files import write_atomically
from service.home import Home
from service.syslog.message import Source, syslog_message

POSITION: Final = "syslog.position"
"""File in the archive's folder: the last entry that was sent."""

SETTLE_S: Final = 5.0
"""Seconds that a connection has to last after an entry: a receiver that dies loses what it had not
read yet, and that is not to be seen otherwise."""

_POLL_S: Final = 1.0
_TIMEOUT_S: Final = 30.0
_FIRST_DELAY_S: Final = 1.0
_LONGEST_DELAY_S: Final = 60.0
_BATCH: Final = 100
_SIOCOUTQ: Final = 0x5411
"""Linux: bytes of a TCP socket that the other side has not acknowledged (tcp(7))."""
_INT: Final = Struct("i")

_log = structlog.get_logger()


class Sender:
    """Sends one archive's trail, in a thread of its own."""

    def __init__(self, home: Home, settle_s: float = SETTLE_S) -> None:
        self._home = home
        self._settle_s = settle_s
        self._sent = 0
        """The last entry that was sent on this connection."""
        self._settling: deque[tuple[float, int]] = deque()
        """When the last entries of batches were sent, and their positions."""
        self._settings = home.settings.syslog
        self._source = Source(home.settings.service.ae_title, socket.gethostname() or "-")
        self._position = home.path / POSITION

    def run(self, stop: Event) -> None:
        """Work until asked to stop; without ``syslog.host`` nothing is done."""
        if not self._settings.host:
            return
        delay = _FIRST_DELAY_S
        while not stop.is_set():
            try:
                with _connected(self._settings) as connection:
                    _log.info("syslog receiver reached", host=self._settings.host)
                    delay = _FIRST_DELAY_S
                    self._serve(connection, stop)
            except (OSError, Fault) as fault:
                _log.warning("syslog not sent", delay=delay, exc_info=fault)
                stop.wait(delay)
                delay = min(2 * delay, _LONGEST_DELAY_S)

    def _serve(self, connection: ssl.SSLSocket, stop: Event) -> None:
        self._sent = self._noted()
        self._settling.clear()
        while not stop.is_set():
            _require_open(connection)
            self._note()
            if not self._send_some(connection):
                stop.wait(min(_POLL_S, self._settle_s))
        _say_goodbye(connection)

    def _send_some(self, connection: ssl.SSLSocket) -> int:
        """Send the next entries; give how many there were."""
        batch = list(islice(self._home.index.trail.entries(after=self._sent), _BATCH))
        for entry in batch:
            message = syslog_message(entry, self._source)
            if message is not None:
                connection.sendall(framed(message))
        if batch:
            _wait_until_acknowledged(connection)
            self._sent = batch[-1].position
            self._settling.append((time.monotonic(), self._sent))
        return len(batch)

    def _note(self) -> None:
        """Note how far the receiver has surely come."""
        settled = 0
        while self._settling and time.monotonic() - self._settling[0][0] >= self._settle_s:
            _, settled = self._settling.popleft()
        if settled:
            write_atomically(self._position, str(settled).encode())

    def _noted(self) -> int:
        """Give the last entry that was sent; 0 where the trail began anew since."""
        with suppress(FileNotFoundError, ValueError):
            sent = int(self._position.read_text())
            if sent <= self._home.index.trail.head()[0]:
                return sent
            _log.warning("trail shorter than what was sent of it: sent from its start")
        return 0


def framed(message: bytes) -> bytes:
    """Frame a message by its length (RFC 5425 4.3)."""
    return str(len(message)).encode("ascii") + b" " + message


def _connected(settings: Syslog) -> ssl.SSLSocket:
    """Open the connection; the receiver's certificate must name its host.

    Raises:
        OSError: it cannot be reached, or is not trusted.
    """
    context = ssl.create_default_context(cafile=_text(settings.authorities))
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if settings.certificate is not None:
        context.load_cert_chain(settings.certificate, _text(settings.key_file))
    opened = socket.create_connection((settings.host, settings.port), _TIMEOUT_S)
    try:
        return context.wrap_socket(opened, server_hostname=settings.host)
    except OSError:
        opened.close()
        raise


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)


def _require_open(connection: ssl.SSLSocket) -> None:
    """See whether the receiver has closed: it never sends anything else.

    Raises:
        OSError: it has.
    """
    if select.select([connection], [], [], 0)[0]:
        connection.settimeout(0.1)
        with suppress(TimeoutError, ssl.SSLWantReadError):  # A session ticket of TLS 1.3, perhaps.
            if not connection.recv(1):
                raise ConnectionResetError("the syslog receiver closed the connection")
        connection.settimeout(_TIMEOUT_S)


def _say_goodbye(connection: ssl.SSLSocket) -> None:
    """Send the close_notify that RFC 5425 4.4 demands; whether it is answered tells nothing."""
    connection.settimeout(0)
    with suppress(OSError):
        connection.unwrap()


def _wait_until_acknowledged(connection: ssl.SSLSocket) -> None:
    """Wait until the receiver's system has everything.

    Raises:
        OSError: it has not in time.
    """
    deadline = time.monotonic() + _TIMEOUT_S
    while _INT.unpack(fcntl.ioctl(connection, _SIOCOUTQ, bytes(_INT.size)))[0]:
        if time.monotonic() > deadline:
            raise TimeoutError("the syslog receiver acknowledges nothing")
        time.sleep(0.01)
