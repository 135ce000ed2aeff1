"""The software as its next version will be: one whose index has one more step."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from alembic.config import Config
from sqlalchemy import Connection

from service.index import migrations, schema

NEXT = "0002"
_VERSIONS = (Path(migrations.__file__).with_name("versions"), Path(__file__).with_name("versions"))


@contextmanager
def next_version() -> Iterator[None]:
    """Let the index be opened inside the block as the next version opens it."""
    configuration = migrations.configuration

    def with_one_more(connection: Connection) -> Config:
        config = configuration(connection)
        config.set_main_option("path_separator", "os")
        config.set_main_option("version_locations", os.pathsep.join(map(str, _VERSIONS)))
        return config

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(migrations, "configuration", with_one_more)
        patch.setattr(schema, "HEAD", NEXT)
        yield
