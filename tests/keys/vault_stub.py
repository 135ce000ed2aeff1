"""A stub of HashiCorp Vault, no Vault: the part of its HTTP API that the archive uses, over TLS.

As Vault's documentation has it (API v1, secret/transit, and "HTTP status codes"): tokens,
namespaces, versioned keys of type aes256-gcm96 with ``min_decryption_version``, errors as
``{"errors": [...]}``. It really encrypts; faults are set by the tests.
"""

from __future__ import annotations

import json
import secrets
import ssl
import threading
import time
from base64 import b64decode, b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from service.keys import TransitKey
from tests.keys.authority import Authority


@dataclass
class Vault:
    """A server's state; tests change it while it runs."""

    tokens: set[str] = field(default_factory=set)
    namespace: str = ""
    mount: str = "transit"
    keys: dict[str, list[bytes]] = field(default_factory=dict)
    """Versions by name, the newest last."""
    min_decryption_version: int = 1
    failing: list[int] = field(default_factory=list)
    """Statuses that the next requests are answered with, the first one next."""
    hanging_s: float = 0.0
    answer: bytes | None = None
    """What a request is answered with instead."""
    requests: list[str] = field(default_factory=list)

    def create(self, name: str) -> None:
        self.keys[name] = [secrets.token_bytes(32)]

    def rotate(self, name: str) -> None:
        self.keys[name].append(secrets.token_bytes(32))

    def respond(
        self, path: str, headers: dict[str, str], body: dict[str, str]
    ) -> tuple[int, object]:
        self.requests.append(path)
        if self.failing:
            return self.failing.pop(0), {"errors": ["Vault is sealed"]}
        if headers.get("x-vault-token") not in self.tokens:
            return 403, {"errors": ["permission denied"]}
        if headers.get("x-vault-namespace", "") != self.namespace:
            return 404, {"errors": ["no handler for route. route entry not found."]}
        _, version, mount, operation, name = path.split("/")
        if (version, mount) != ("v1", self.mount) or operation not in ("encrypt", "decrypt"):
            return 404, {"errors": [f"no handler for route {path!r}. route entry not found."]}
        if name not in self.keys:
            return 400, {"errors": ["encryption key not found"]}
        try:
            return 200, {"request_id": "x", "data": getattr(self, operation)(name, body)}
        except (InvalidTag, ValueError, IndexError) as fault:
            reason = str(fault) or "cipher: message authentication failed"
            return 400, {"errors": [reason]}

    def encrypt(self, name: str, body: dict[str, str]) -> dict[str, Any]:
        version, nonce = len(self.keys[name]), secrets.token_bytes(12)
        sealed = AESGCM(self.keys[name][-1]).encrypt(nonce, b64decode(body["plaintext"]), None)
        text = b64encode(nonce + sealed).decode()
        return {"ciphertext": f"vault:v{version}:{text}", "key_version": version}

    def decrypt(self, name: str, body: dict[str, str]) -> dict[str, Any]:
        prefix, version, text = body["ciphertext"].split(":")
        if prefix != "vault" or not version.startswith("v"):
            raise ValueError("invalid ciphertext: no prefix")
        if int(version[1:]) < self.min_decryption_version:
            raise ValueError("ciphertext or signature version is disallowed by policy (too old)")
        sealed = b64decode(text, validate=True)
        opened = AESGCM(self.keys[name][int(version[1:]) - 1]).decrypt(
            sealed[:12], sealed[12:], None
        )
        return {"plaintext": b64encode(opened).decode()}


class _Handler(BaseHTTPRequestHandler):
    vault: Vault

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        headers = {name.lower(): value for name, value in self.headers.items()}
        status, answer = self.vault.respond(self.path, headers, body)
        time.sleep(self.vault.hanging_s)
        content = json.dumps(answer).encode() if self.vault.answer is None else self.vault.answer
        self.send_response(status)
        if status == 307:
            self.send_header("Location", "https://elsewhere.invalid/")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class _Server(ThreadingHTTPServer):
    def handle_error(self, *_: object) -> None:
        """Clients that end in the middle are what tests are about."""


@dataclass
class Served:
    """A stub that answers, and how to get at it."""

    vault: Vault
    address: str
    folder: Path
    authority: Authority

    def key(self, name: str = "radiolith", **changes: Any) -> TransitKey:
        """Give a client of one key, which is created where there is none."""
        if name not in self.vault.keys:
            self.vault.create(name)
        given: dict[str, Any] = {
            "address": self.address,
            "mount": self.vault.mount,
            "key": name,
            "namespace": self.vault.namespace,
            "token_file": self.folder / "token",
            "authorities": self.authority.path,
            "timeout_s": 5.0,
            "attempts": 3,
        }
        return TransitKey(**(given | changes))


@contextmanager
def serve(folder: Path, host: str = "localhost") -> Iterator[Served]:
    """Serve an empty Vault over TLS, with a certificate for ``host``."""
    authority = Authority.create(folder / "authority.pem")
    vault = Vault(tokens={"hvs.token"})
    (folder / "token").write_text("hvs.token\n")
    (folder / "token").chmod(0o600)
    handler = type("Handler", (_Handler,), {"vault": vault})
    server = _Server(("127.0.0.1", 0), handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority.issue(folder / "server.pem", host))
    server.socket = context.wrap_socket(
        server.socket, server_side=True, do_handshake_on_connect=False
    )
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield Served(vault, f"https://localhost:{server.server_port}", folder, authority)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
