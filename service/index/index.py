"""The index: one SQL database that says what the archive holds, and for whom."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Final, Literal

from pydicom.dataset import Dataset
from sqlalchemy import func, insert, make_url, select

from dicom.archive import Match, Query
from service.errors import Missing
from service.index import comparison, coverage, intake, query, schema
from service.index.attributes import Attributes, attributes_of
from service.index.claims import Claims, Journalled
from service.index.commitments import Commitments
from service.index.comparison import Unlike
from service.index.corrections import Corrections
from service.index.coverage import Servable
from service.index.database import Database, Raced, sqlite_url
from service.index.decided import Decisions
from service.index.deletions import Deletions
from service.index.holds import Holds
from service.index.intake import Added
from service.index.nodes import Nodes
from service.index.policy import Policy
from service.index.rejections import Rejections
from service.index.replication import Replication
from service.index.revisions import Revisions
from service.index.statistics import Statistics, statistics
from service.index.tables import Base, Revision, TrailHead
from service.index.trail import FIRST, Trail
from service.index.users import Users
from service.index.verifications import Verifications
from service.records import ObjectFacts, Received

_RACES: Final = 10
"""Lost races before giving up: each new attempt finds the rows that the one before lost to."""


class Index:
    """One archive's index. Open it in each process, after a fork; threads may share it."""

    def __init__(self, database: Database, policy: Policy) -> None:
        self._database = database
        self._policy = policy
        self._claims = Claims(database)
        self.nodes = Nodes(database)
        self.users = Users(database)
        self.trail = Trail(database)
        self.commitments = Commitments(database)
        self.corrections = Corrections(database)
        self.revisions = Revisions(database)
        self.verifications = Verifications(database)
        self.replication = Replication(database)
        self.decisions = Decisions(database)
        self.holds = Holds(database)
        self.deletions = Deletions(database)
        self.rejections = Rejections(database)

    @classmethod
    def open(cls, url: str, policy: Policy | None = None, *, create: bool = False) -> Index:
        """Open the database, bringing its tables to this version.

        Args:
            url: SQLAlchemy's, such as ``sqlite:////srv/radiolith/index.sqlite``.
            policy: the administrator's choices, by default those of ``Policy()``.
            create: make the tables where there are none.

        Raises:
            Missing: there is no index, and ``create`` is off.
            Conflict: a newer version of the software made it.
            IndexFault: it can't be opened, or can't promise durable commits.
        """
        policy = policy or Policy()
        _require_file(url, create=create)
        database = Database(url, policy.busy_timeout_s)
        try:
            _prepare(database, create=create)
        except BaseException:
            database.close()
            raise
        return cls(database, policy)

    @classmethod
    def scratch(cls, path: Path, policy: Policy) -> Index:
        """Make an empty index in a file that is thrown away afterwards: nothing of it is synced.

        Raises:
            IndexFault: it cannot be made.
        """
        database = Database(sqlite_url(path), policy.busy_timeout_s, durable=False)
        with database.write() as connection:
            Base.metadata.create_all(connection, checkfirst=False)
            connection.execute(insert(TrailHead).values(id=1, position=0, hash=FIRST))
        return cls(database, policy)

    def serving(self, serve: Literal["newest", "first"]) -> Index:
        """Give this index as another choice of the revision that is served has it."""
        return Index(self._database, replace(self._policy, serve=serve))

    def close(self) -> None:
        """Close every connection."""
        self._database.close()

    def add(
        self,
        received: Received,
        attributes: Dataset,
        *,
        acknowledged: bool = False,
        others: Collection[int] = (),
    ) -> Added:
        """Index one reception, durably: its rows and its trail entry are one transaction.

        Args:
            received: the facts sealed with the journal entry.
            attributes: head attributes, as :func:`dicom.attributes.read_attributes` gives them.
            acknowledged: whether its sender may have got Success already.
            others: numbers of other revisions of the instance, whether these are there or gone.

        Raises:
            Rejected: a rejection note forbids it, and it was not acknowledged.
            IoFault: it could not be made durable; nothing of it is kept.
        """
        kept = attributes_of(attributes)
        for _ in range(_RACES):
            with suppress(Raced):
                return self._add(received, kept, acknowledged, others)
        return self._add(received, kept, acknowledged, others)

    def _add(
        self,
        received: Received,
        attributes: Attributes,
        acknowledged: bool,
        others: Collection[int],
    ) -> Added:
        with self._database.write() as connection:
            return intake.add(
                connection,
                received,
                attributes,
                self._policy,
                acknowledged=acknowledged,
                others=others,
            )

    def claim(self, worker: str, limit: int, lease_s: float) -> list[Journalled]:
        """Take up to ``limit`` journalled revisions for ``lease_s`` seconds, the oldest first."""
        return self._claims.claim(worker, limit, lease_s)

    def release(self, revision_id: int) -> None:
        """Give a claim back: the revision can be claimed at once."""
        self._claims.release(revision_id)

    def release_all(self, worker: str | None = None) -> int:
        """Give back the claims of a worker that no longer runs, or of all; give how many."""
        return self._claims.release_all(worker)

    def failed(self, revision_id: int, reason: str, retry_s: float = 60.0) -> None:
        """Note why archiving a claimed revision failed; it can be claimed again later."""
        self._claims.failed(revision_id, reason, retry_s)

    def archived(self, revision_id: int, facts: ObjectFacts) -> None:
        """Say that a verified object holds the revision: its journal entry may go.

        Raises:
            Unknown: no such revision waits in the journal.
        """
        self._claims.archived(revision_id, facts)

    def rejournal(self, revision_id: int) -> None:
        """Say that the journal has a revision again, whose file was lost."""
        self._claims.rejournal(revision_id)

    def journal_count(self) -> int:
        """Count the revisions that still wait in the journal."""
        return self._claims.count()

    def find(self, asked: Query) -> Iterator[Match]:
        """Match a C-FIND identifier, lazily and in a stable order (PS3.4 C.2.2.2).

        Raises:
            ArchiveFault: 0xA900: the identifier does not fit its level and model.
        """
        return query.find(self._database, asked, self._policy)

    def select(self, asked: Query) -> list[Servable]:
        """Name the served revisions that a C-MOVE or C-GET identifier covers, in order.

        Raises:
            ArchiveFault: 0xA900: the identifier does not fit its level and model.
        """
        return coverage.cover(self._database, asked)

    def last_sequence(self) -> int:
        """Give the largest receive sequence in the index, 0 while it is empty."""
        with self._database.read() as connection:
            return connection.scalar(select(func.max(Revision.sequence))) or 0

    def unlike(self, made: Index) -> Iterator[Unlike]:
        """Name the rows that differ from an index made anew from what is sealed."""
        return comparison.unlike(self._database, made._database)

    def faults(self) -> list[str]:
        """Let the database check its own structure and references; name what it finds.

        PostgreSQL has no such check: there the list is empty.
        """
        return self._database.check()

    def statistics(self) -> Statistics:
        """Count what the archive holds."""
        return statistics(self._database)


def _prepare(database: Database, *, create: bool) -> None:
    with database.read() as connection:
        if schema.is_current(connection):
            return
    with database.change_tables() as connection:
        schema.upgrade(connection, create=create)


def _require_file(url: str, *, create: bool) -> None:
    """Refuse to make an empty database by opening a wrong path."""
    made = make_url(url)
    path = made.database if made.get_backend_name() == "sqlite" else None
    if path and not create and not Path(path).exists():
        raise Missing("there is no index file: the archive was not initialised")
