"""Archives with a replica."""

from __future__ import annotations

from pathlib import Path

from config.settings import FILE_NAME
from service.encode import Codec
from service.home import Home
from service.processes.worker import drain
from service.store import ObjectStore
from tests.service.made import dataset, take
from tests.store.s3_server import BUCKET, S3Server


def with_folder(folder: Path, mode: str = "queue") -> Path:
    """Give an archive a folder as its replica; give the folder."""
    replica = folder.parent / "replica"
    replica.mkdir()
    (folder / FILE_NAME).write_text(f'[replica]\npath = "{replica}"\nmode = "{mode}"\n')
    return replica


def with_bucket(folder: Path, s3: S3Server, mode: str = "queue") -> None:
    """Give an archive a bucket as its replica."""
    credentials = folder.parent / "credentials"
    credentials.write_text(s3.credentials())
    credentials.chmod(0o600)
    place = s3.place()
    (folder / FILE_NAME).write_text(
        f'[replica]\nbucket = "{BUCKET}"\nprefix = "{place.prefix}"\nendpoint = "{s3.endpoint}"\n'
        f'region = "us-east-1"\ncredentials_file = "{credentials}"\nmode = "{mode}"\n'
    )


def archive(home: Home, codec: Codec, count: int) -> list[bytes]:
    """Archive instances; give their object ids in order of receipt."""
    for number in range(count):
        take(home, dataset(f"1.2.{number}", seed=number), f"1.2.{number}")
    drain(home, codec)
    found = [one.servable.object_id for one in home.index.revisions.all()]
    return [one for one in found if one is not None]


def sealed(store: ObjectStore, object_id: bytes) -> bytes:
    """Read the bytes of an object."""
    with store.open(object_id) as file:
        return file.read()
