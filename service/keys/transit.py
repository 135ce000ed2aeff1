"""A client of HashiCorp Vault's transit secrets engine, and of what speaks as it does (OpenBao).

Two requests of its HTTP API are used: ``POST /v1/MOUNT/encrypt/KEY`` and ``/decrypt/KEY``; the
key never leaves the server. The token comes from a file that is read anew for each request, as
Vault Agent renews it there; it is sent over TLS, or to this machine's own loopback, and nowhere
else: redirects are not followed.
"""

from __future__ import annotations

import json
import socket
import ssl
import time
from base64 import b64decode, b64encode
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, urlsplit

from service.errors import KeyringFault, WrongSecret
from service.keys.sources import read_secret

LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})
_PORTS: Final = {"https": 443, "http": 80}
_OTHERS: Final = 0o027
"""Vault Agent writes its token for a group to read (mode 0640)."""
_LARGEST_ANSWER: Final = 1 << 20
_PAUSE_S: Final = 0.5
"""Before the second attempt; doubled for each one after it."""
_PASSING: Final = frozenset({412, 429, 500, 502, 503, 504})
"""Statuses that pass: not yet replicated, too many requests, restarting, sealed, no leader."""
_LONGEST_REASON: Final = 200


@dataclass(frozen=True, slots=True)
class TransitKey:
    """A key of a transit engine, and how to get at it (docs: config/default.toml, ``[vault]``)."""

    address: str
    mount: str
    key: str
    namespace: str
    token_file: Path
    authorities: Path | None
    timeout_s: float
    attempts: int

    def encrypt(self, plaintext: bytes) -> str:
        """Encrypt under the newest version of the key.

        Raises:
            KeyringFault: Vault cannot be asked, or refuses.
        """
        answer = self._ask("encrypt", {"plaintext": b64encode(plaintext).decode("ascii")})
        ciphertext = answer.get("ciphertext")
        if not isinstance(ciphertext, str):
            raise self._fault("its answer has no ciphertext")
        return ciphertext

    def decrypt(self, ciphertext: str) -> bytes:
        """Decrypt what :meth:`encrypt` gave.

        Raises:
            WrongSecret: the key does not open it.
            KeyringFault: Vault cannot be asked, or refuses.
        """
        plaintext = self._ask("decrypt", {"ciphertext": ciphertext}).get("plaintext")
        try:
            return b64decode(plaintext if isinstance(plaintext, str) else "?", validate=True)
        except ValueError:
            raise self._fault("its answer has no plaintext") from None

    def _ask(self, operation: str, request: dict[str, str]) -> dict[str, Any]:
        """Ask as often as is allowed while the cause may pass."""
        pause = _PAUSE_S
        for attempt in range(1, self.attempts + 1):
            try:
                status, answer = self._post(operation, request)
            except ssl.SSLCertVerificationError as fault:
                raise self._fault(f"its certificate: {fault.verify_message}") from None
            except (OSError, HTTPException) as fault:
                reason = _words(fault)
            else:
                if status not in _PASSING:
                    return self._judged(operation, status, answer)
                reason = f"status {status}{_reasons(answer)}"
            if attempt < self.attempts:
                time.sleep(pause)
                pause *= 2
        raise self._fault(f"{reason} ({self.attempts} attempts)")

    def _post(self, operation: str, request: dict[str, str]) -> tuple[int, bytes]:
        path = f"/v1/{quote(self.mount)}/{operation}/{quote(self.key, safe='')}"
        connection = self._connection()
        try:
            connection.request("POST", path, json.dumps(request).encode("ascii"), self._headers())
            response = connection.getresponse()
            return response.status, response.read(_LARGEST_ANSWER)
        finally:
            connection.close()

    def _connection(self) -> HTTPConnection:
        parts = urlsplit(self.address)
        host, port = parts.hostname or "", parts.port or _PORTS.get(parts.scheme, 0)
        if parts.scheme == "https":
            return HTTPSConnection(host, port, timeout=self.timeout_s, context=self._context())
        return HTTPConnection(host, port, timeout=self.timeout_s)

    def _context(self) -> ssl.SSLContext:
        try:
            context = ssl.create_default_context(cafile=self.authorities)
        except (OSError, ssl.SSLError) as fault:
            raise KeyringFault(f"cannot read {self.authorities}: {_words(fault)}") from None
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        return context

    def _headers(self) -> dict[str, str]:
        token = read_secret(self.token_file, forbidden=_OTHERS).strip()
        if not token or not all(32 < byte < 127 for byte in token):
            raise KeyringFault(f"the token file {self.token_file} holds no token")
        headers = {"X-Vault-Token": token.decode("ascii"), "X-Vault-Request": "true"}
        return headers | ({"X-Vault-Namespace": self.namespace} if self.namespace else {})

    def _judged(self, operation: str, status: int, answer: bytes) -> dict[str, Any]:
        reasons = _reasons(answer)
        if status == 400 and operation == "decrypt":
            raise WrongSecret(f"Vault's key {self.key} does not open the keyring{reasons}")
        if 300 <= status < 400:
            raise self._fault("it sends on to another server: name the active one")
        if status != 200:
            raise self._fault(f"status {status}{reasons}")
        try:
            data = json.loads(answer)["data"]
        except (KeyError, TypeError, ValueError, RecursionError):
            data = None
        if not isinstance(data, dict):
            raise self._fault("its answer is not one of Vault's")
        return data

    def _fault(self, what: str) -> KeyringFault:
        return KeyringFault(f"Vault at {self.address}: {what}")


def _reasons(answer: bytes) -> str:
    """Give the messages of an error's answer, as far as they are fit to be shown."""
    try:
        told = "; ".join(str(reason) for reason in json.loads(answer)["errors"])
    except (KeyError, TypeError, ValueError, RecursionError):
        return ""
    shown = "".join(letter if letter.isprintable() else " " for letter in told)
    return f": {shown[:_LONGEST_REASON]}" if shown else ""


def _words(fault: Exception) -> str:
    if isinstance(fault, TimeoutError):
        return "no answer in time"
    if isinstance(fault, socket.gaierror):
        return "its name is not known"
    told = fault.strerror if isinstance(fault, OSError) else None
    return told or type(fault).__name__
