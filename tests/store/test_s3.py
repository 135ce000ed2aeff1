"""What a bucket does besides: credentials, faults of the service, nothing left on this machine."""

from __future__ import annotations

import base64
import hashlib
import os
import threading
from dataclasses import replace
from email.message import Message
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import ClassVar

import pytest

from service.errors import Missing, StoreFault
from service.store.s3 import S3Place, S3Store, open_bucket
from tests.store.made import ID, put
from tests.store.s3_server import BUCKET, S3Server, s3_server


def test_objects_lie_under_the_prefix_by_id(s3: S3Server, tmp_path: Path) -> None:
    place = s3.place()
    put(S3Store(open_bucket(place), tmp_path), ID, b"content")
    listed = s3.client.list_objects_v2(Bucket=BUCKET, Prefix=place.prefix)
    (found,) = listed["Contents"]
    assert found["Key"] == f"{place.prefix}/objects/{ID.hex()}.dcm"


class _Recorder(BaseHTTPRequestHandler):
    """Takes every upload, and keeps its headers: the simulator does not compare checksums."""

    uploads: ClassVar[list[Message]] = []

    def do_HEAD(self) -> None:
        self.send_response(404)
        self.end_headers()

    def do_PUT(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.uploads.append(self.headers)
        self.send_response(200)
        self.send_header("ETag", '"1"')
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


def test_uploads_carry_the_sha256_that_the_service_compares(tmp_path: Path) -> None:
    with HTTPServer(("127.0.0.1", 0), _Recorder) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        endpoint = f"http://127.0.0.1:{server.server_port}"
        place = S3Place("bucket", endpoint=endpoint, access_key_id="a", secret_access_key="b")
        put(S3Store(open_bucket(place), tmp_path), ID, b"content")
        server.shutdown()
    (headers,) = _Recorder.uploads
    expected = base64.b64encode(hashlib.sha256(b"content").digest()).decode()
    assert headers["x-amz-checksum-sha256"] == expected


def test_a_draft_has_no_name_on_this_machine(s3: S3Server, tmp_path: Path) -> None:
    with S3Store(open_bucket(s3.place()), tmp_path).draft(ID) as draft:
        draft.file.write(os.urandom(1 << 20))
        draft.file.flush()
        assert list(tmp_path.iterdir()) == []


def test_more_objects_than_one_page_lists_come_in_order(s3: S3Server, tmp_path: Path) -> None:
    place = s3.place()
    ids = [number.to_bytes(16, "big") for number in range(1100)]
    for object_id in ids:
        key = f"{place.prefix}/objects/{object_id.hex()}.dcm"
        s3.client.put_object(Bucket=BUCKET, Key=key, Body=b"")
    s3.client.put_object(Bucket=BUCKET, Key=f"{place.prefix}/objects/README", Body=b"")
    assert list(S3Store(open_bucket(place), tmp_path).ids()) == ids


def test_a_bucket_that_is_not_there_is_a_fault_of_the_store(s3: S3Server, tmp_path: Path) -> None:
    store = S3Store(open_bucket(replace(s3.place(), bucket="not-there")), tmp_path)
    with pytest.raises(StoreFault):
        put(store, ID, b"content")
    with pytest.raises(StoreFault):
        list(store.ids())


def test_a_service_that_is_gone_is_a_fault_of_the_store(tmp_path: Path) -> None:
    with s3_server() as server:
        store = S3Store(open_bucket(replace(server.place(), timeout_s=1)), tmp_path)
        put(store, ID, b"content")
        file = store.open(ID)
    for ask in (store.open, store.exists, store.size, store.remove):
        with pytest.raises(StoreFault) as fault:
            ask(ID)
        assert "\n" not in str(fault.value)
    with pytest.raises(StoreFault):
        file.read()
    with pytest.raises(StoreFault):
        list(store.ids())


def test_an_object_that_goes_while_it_is_read_is_missing(s3: S3Server, tmp_path: Path) -> None:
    store = S3Store(open_bucket(s3.place()), tmp_path)
    put(store, ID, b"content")
    with store.open(ID) as file:
        store.remove(ID)
        with pytest.raises(Missing):
            file.read()
