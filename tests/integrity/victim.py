"""A small archive with something of everything in it, to be harmed and put right again."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from dicom.archive import Node
from service.encode import Codec
from service.home import Home, init
from service.index import Author, RevisionFacts, patient
from service.processes.worker import drain
from service.sealing.journal import entry_path
from service.upkeep.anchor import drop_anchor
from service.upkeep.decisions import Decisions
from service.upkeep.deletion import Deletion
from service.upkeep.jobs import reencrypt
from tests.service.made import dataset, rotate, take, without_pixels

FRAMES = Path(__file__).parents[1] / "golden" / "v1-frames.dataset"
SIZE = 8


def fill(path: Path, codec: Codec) -> None:
    """Make the archive: coded frames, general bodies, revisions of every standing, two keys."""
    init(path)
    with Home.open(path) as home:
        home.index.nodes.add(Node("CT1", "192.0.2.1", 104))
        for number in range(3):
            uid = f"1.2.{number}"
            take(home, dataset(uid, size=SIZE, seed=number), uid)
        take(home, FRAMES.read_bytes(), "1.9.9")
        take(home, without_pixels("1.4.1", 512), "1.4.1")
        take(home, dataset("1.2.1", size=SIZE, seed=8), "1.2.1")
        drain(home, codec)
        rotate(home)
        for number, study in enumerate(("7.1", "7.2", "7.3")):
            uid = f"1.2.{number}"
            take(home, dataset(uid, study=study, size=SIZE, seed=20 + number), uid)
        drain(home, codec)
        _decide(home)
        reencrypt(home, codec)
        for number in range(2):
            uid = f"1.6.{number}"
            take(home, dataset(uid, series="1.6", size=SIZE, seed=30 + number), uid)
        drop_anchor(home.index.trail, home.keys, home.settings.store.path)


def _decide(home: Home) -> None:
    """Accept, reject and leave one each of the quarantined revisions, and correct a patient."""
    accepted, rejected, _ = home.index.revisions.quarantined()
    decisions = Decisions(home)
    decisions.accept(accepted.servable.revision_id, "me", "it is right")
    decisions.reject(rejected.servable.revision_id, "me", "it is wrong")
    author = Author("me", "a typing error")
    decisions.rename(patient("P1", ""), {"PatientName": "Winter^Wanda"}, author)
    decisions.hold("instance", "1.4.1", author)
    deletion = Deletion(home)
    for uid, is_purged in (("1.3.1", False), ("1.3.2", True)):
        take(home, dataset(uid, size=SIZE, seed=60), uid)
        doomed = home.index.deletions.covering("instance", uid).revisions
        number = deletion.delete(doomed, author)
        if is_purged:
            deletion.purge(number, author)


class Victim:
    """One archive that is harmed through its files and rows, as who has the disk could.

    ``early`` is the same archive at an earlier time, for what sets it back.
    """

    def __init__(self, home: Home, early: Path) -> None:
        self.home = home
        self.early = early
        self.store = home.settings.store.path
        self.revisions = list(home.index.revisions.all())
        self._files = {path: path.read_bytes() for path in self._all_files()}
        self._rows = sqlite3.connect(":memory:")
        with closing(sqlite3.connect(home.path / "index.sqlite")) as live:
            live.backup(self._rows)

    @property
    def archived(self) -> list[RevisionFacts]:
        """Revisions that are in an object."""
        return [one for one in self.revisions if one.servable.object_id is not None]

    @property
    def journalled(self) -> list[RevisionFacts]:
        """Revisions that are in the journal."""
        return [one for one in self.revisions if one.servable.object_id is None]

    @property
    def notes(self) -> list[Path]:
        """Files of notes."""
        return sorted(self.home.notes.glob("*.note"))

    def file(self, revision: RevisionFacts) -> Path:
        """Where a revision is sealed."""
        object_id = revision.servable.object_id
        if object_id is None:
            return entry_path(self.home.journal, revision.servable.entry_id)
        return self.object_file(object_id)

    def object_file(self, object_id: bytes) -> Path:
        """Where an object of that id is, or would be."""
        name = object_id.hex()
        return self.store / name[:2] / name[2:4] / f"{name}.dcm"

    def sql(self, statement: str, *values: object) -> list[tuple[object, ...]]:
        """Change rows behind the archive's back: foreign keys are not looked at."""
        with closing(sqlite3.connect(self.home.path / "index.sqlite")) as connection, connection:
            return connection.execute(statement, values).fetchall()

    def set_index_back(self) -> None:
        """Set the whole index back, its trail and the trail's head with it."""
        with (
            closing(sqlite3.connect(self.early / "index.sqlite")) as early,
            closing(sqlite3.connect(self.home.path / "index.sqlite")) as live,
        ):
            early.backup(live)

    @contextmanager
    def harmed(self) -> Iterator[None]:
        """Put everything right again at the end."""
        try:
            yield
        finally:
            self._mend()

    def _mend(self) -> None:
        for path in self._all_files():
            if path not in self._files:
                path.unlink()
        for path, content in self._files.items():
            if not path.is_file() or path.read_bytes() != content:
                put(path, content)
        with closing(sqlite3.connect(self.home.path / "index.sqlite")) as live:
            self._rows.backup(live)

    def _all_files(self) -> list[Path]:
        roots = (self.store, self.home.journal)
        found = [path for root in roots for path in root.rglob("*") if path.is_file()]
        return [*found, self.home.keyring_path]


def put(path: Path, content: bytes) -> None:
    """Write a file, whatever its mode was."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    path.write_bytes(content)


def make(folder: Path, codec: Codec) -> Path:
    """Make the archive in ``folder``/now, and what it was before in ``folder``/early."""
    now, early = folder / "now", folder / "early"
    fill(now, codec)
    shutil.copytree(now, early)
    with Home.open(now) as home:
        home.index.nodes.add(Node("PACS", "192.0.2.2", 104))
        rotate(home)
        drop_anchor(home.index.trail, home.keys, home.settings.store.path)
    return now
