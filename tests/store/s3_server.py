"""An S3-compatible server for tests: moto's, which simulates Amazon S3 in memory, over HTTP.

It is a simulator. What it shows is that requests, listings, ranges, multipart uploads, checksums
and faults go over the wire as S3's; it says nothing of a service's durability.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import boto3
from moto.server import ThreadedMotoServer

from service.store.s3 import S3Place

_KEY, _SECRET = "tester", "of no value"
BUCKET = "radiolith-tests"


class S3Server:
    """One server, with one bucket."""

    def __init__(self) -> None:
        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        self._server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        self._server.start()
        host, port = self._server.get_host_and_port()
        self.endpoint = f"http://{host}:{port}"
        self.client: Any = boto3.client(  # type: ignore[no-untyped-call]
            "s3",
            endpoint_url=self.endpoint,
            region_name="us-east-1",
            aws_access_key_id=_KEY,
            aws_secret_access_key=_SECRET,
        )
        self.client.create_bucket(Bucket=BUCKET)

    def place(self) -> S3Place:
        """Give a place of its own in the bucket."""
        return S3Place(
            bucket=BUCKET,
            prefix=secrets.token_hex(4),
            endpoint=self.endpoint,
            region="us-east-1",
            access_key_id=_KEY,
            secret_access_key=_SECRET,
            timeout_s=5,
        )

    def credentials(self) -> str:
        """Give the content of a credentials file."""
        return f"[default]\naws_access_key_id = {_KEY}\naws_secret_access_key = {_SECRET}\n"

    def stop(self) -> None:
        """Stop answering; what it holds is gone."""
        self._server.stop()


@contextmanager
def s3_server() -> Iterator[S3Server]:
    """Run a server."""
    server = S3Server()
    try:
        yield server
    finally:
        server.stop()
