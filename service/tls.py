"""TLS as the settings have it (PS3.15 B.12): our certificate, whom we trust, which cipher suites.

The files are looked at for each connection and read again when they have changed: a renewed
certificate counts from the next association on. Where the new ones do not fit together, which is so
for a moment while they are replaced, those read last go on being used, and the log says so.
"""

from __future__ import annotations

import os
import socket
import ssl
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import structlog

from config.errors import SettingsError
from config.settings import Settings
from dicom.archive import Node
from service.certificates import is_named

_VERSIONS: Final = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}

_log = structlog.get_logger()


def security(settings: Settings) -> Tls | None:
    """Set TLS up, or give None where no certificate is set.

    Raises:
        SettingsError: a file cannot be read, or they do not fit together.
    """
    return None if settings.tls.certificate is None else Tls(settings)


class Tls:
    """TLS of one process: see :class:`dicom.session.Security`."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings.tls
        tls = settings.tls
        files = tls.certificate, tls.key_file, tls.authorities, tls.revoked
        named = [path for path in files if path is not None]
        self._server = _Renewed(named, self._server_context)
        self._client = _Renewed(named, self._client_context)
        self._pinned = _Renewed(named, self._pinned_context)

    def accept(self, connection: socket.socket) -> ssl.SSLSocket:
        """Take over a connection that came in; its handshake is still to be done."""
        return self._server.context().wrap_socket(
            connection, server_side=True, do_handshake_on_connect=False
        )

    def connect(self, node: Node, connection: socket.socket) -> ssl.SSLSocket:
        """Take over a connection to a node and do the handshake.

        The node's certificate must be of a trusted authority and name the node's host; where the
        node is set to have one certificate, it must be that one instead, whatever host it names.
        """
        context = (self._pinned if node.certificate else self._client).context()
        secured = context.wrap_socket(
            connection, server_hostname=node.host, do_handshake_on_connect=False
        )
        try:
            secured.do_handshake()
            shown = secured.getpeercert(binary_form=True)
            if node.certificate and not (shown and is_named(shown, node.certificate)):
                raise ssl.SSLCertVerificationError(1, "not the node's certificate")
        except OSError:
            secured.close()
            raise
        return secured

    def _server_context(self) -> ssl.SSLContext:
        context = self._context(ssl.PROTOCOL_TLS_SERVER)
        context.options |= ssl.OP_CIPHER_SERVER_PREFERENCE | ssl.OP_NO_RENEGOTIATION
        if self._settings.require_client_certificate:
            context.verify_mode = ssl.CERT_REQUIRED
        elif self._settings.authorities is not None:
            context.verify_mode = ssl.CERT_OPTIONAL
        return context

    def _client_context(self) -> ssl.SSLContext:
        return self._context(ssl.PROTOCOL_TLS_CLIENT)

    def _pinned_context(self) -> ssl.SSLContext:
        context = self._client_context()
        context.check_hostname = False
        return context

    def _context(self, protocol: int) -> ssl.SSLContext:
        settings = self._settings
        assert settings.certificate is not None  # noqa: S101 - or there were no Tls
        context = ssl.SSLContext(protocol)
        context.minimum_version = _VERSIONS[settings.min_version]
        context.set_ciphers(settings.ciphers)
        # A key with a password would make OpenSSL ask for it on the terminal.
        context.load_cert_chain(settings.certificate, settings.key_file, password=_no_password)
        if settings.authorities is not None:
            context.load_verify_locations(settings.authorities)
        if settings.revoked is not None:
            context.load_verify_locations(settings.revoked)
            context.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF
        return context


def _no_password() -> str:
    raise SettingsError("tls.key_file: a key with a password cannot be used")


@dataclass(slots=True)
class _Renewed:
    """A context that is made again when one of its files has changed."""

    files: Sequence[Path]
    make: Callable[[], ssl.SSLContext]
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _made: ssl.SSLContext = field(init=False)
    _state: object = field(init=False)

    def __post_init__(self) -> None:
        self._state = self._look()
        try:
            self._made = self.make()
        except OSError as fault:
            raise SettingsError(f"tls: {fault.strerror}") from None

    def context(self) -> ssl.SSLContext:
        """Give the context of the files as they are, or the one before if they do not fit."""
        with self._lock:
            state = self._look()
            if state != self._state:
                self._state = state
                self._renew()
            return self._made

    def _renew(self) -> None:
        try:
            self._made = self.make()
        except (OSError, SettingsError) as fault:
            _log.error("TLS files cannot be used; those read last stay in use", exc_info=fault)
        else:
            _log.info("TLS files read again")

    def _look(self) -> list[tuple[int, int, int] | None]:
        return [_identity(path) for path in self.files]


def _identity(path: Path) -> tuple[int, int, int] | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size
