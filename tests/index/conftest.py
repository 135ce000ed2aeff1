from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import ClauseElement, Connection, Engine, Executable, create_engine, event, text
from sqlalchemy.dialects.postgresql.base import PGDialect

from service.index import Index, Level, Policy
from service.index.levels import REQUIRED_KEYS, answerable

POSTGRESQL = os.environ.get("TEST_POSTGRESQL_URL")
"""A PostgreSQL database of its own for these tests, such as postgresql+psycopg://...; emptied."""

KEYS = {
    Level.PATIENT: "PatientBirthDate PatientSex IssuerOfPatientID",
    Level.STUDY: "StudyDescription ProcedureCodeSequence",
    Level.SERIES: "SeriesDescription BodyPartExamined",
    Level.IMAGE: "Rows ImageType 00091001",
}
POLICY = Policy(
    keys={
        level: REQUIRED_KEYS[level] | answerable(names.split(), level)
        for level, names in KEYS.items()
    },
    page=7,
)


@pytest.fixture(autouse=True, scope="session")
def postgresql_takes_every_statement() -> Iterator[None]:
    """Compile whatever the tests of this folder execute for PostgreSQL too."""
    dialect = PGDialect()  # type: ignore[no-untyped-call]
    seen: set[str] = set()

    def check(_: Connection, statement: Executable, *__: Any) -> None:
        if isinstance(statement, ClauseElement) and str(statement) not in seen:
            seen.add(str(statement))
            statement.compile(dialect=dialect)

    event.listen(Engine, "before_execute", check)
    yield
    event.remove(Engine, "before_execute", check)


@pytest.fixture(params=["sqlite", *(["postgresql"] if POSTGRESQL else [])])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Name an empty database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'index.sqlite'}"
    assert POSTGRESQL is not None
    engine = create_engine(POSTGRESQL)
    with engine.begin() as connection:
        connection.execute(text("DROP SCHEMA public CASCADE"))
        connection.execute(text("CREATE SCHEMA public"))
    engine.dispose()
    return POSTGRESQL


@pytest.fixture
def opened(url: str) -> Iterator[Callable[..., Index]]:
    """Open the index of the test, again and with other policies too; closed at the end."""
    indexes = []

    def open_index(policy: Policy = POLICY) -> Index:
        indexes.append(Index.open(url, policy, create=True))
        return indexes[-1]

    yield open_index
    for index in indexes:
        index.close()


@pytest.fixture
def index(opened: Callable[..., Index]) -> Index:
    """Open an empty index."""
    return opened()
