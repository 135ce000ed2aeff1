"""Eight senders at once, each a storescu, and the account of what they were told."""

from __future__ import annotations

import hashlib
import itertools
import logging
import os
import re
import subprocess
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from dicom.part10 import split_part10, write_file_meta
from service.demo.scratch import ScratchArchive
from tests.service.made import CT, EXPLICIT, STUDY, dataset

SENDERS = 8
AE_TITLE = "STORESCU"
"""What storescu calls itself."""

_ANSWERED = re.compile(r"Sending file: (?P<path>.*)|Received Store Response \((?P<status>[^)]*)\)")
_log = logging.getLogger(__name__)

_WIDTH = 9
ARCHIVED_S = 3600
_SIZES = (*[40] * 31, 800)
"""Rows and columns: the largest image (1.3 MB) is two parts in the journal."""


class Images:
    """An endless supply of files to send, each instance another one."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._numbers = itertools.count()
        uid = _uid(0)
        self._patterns = [dataset(uid, size=size, seed=size) for size in _SIZES]

    def __iter__(self) -> Iterator[Path]:
        return self

    def __next__(self) -> Path:
        """Write the next file."""
        number = next(self._numbers)
        uid, pattern = _uid(number), self._patterns[number % len(self._patterns)]
        path = self._folder / f"{uid}.dcm"
        made = pattern.replace(_uid(0).encode(), uid.encode())
        path.write_bytes(write_file_meta(CT, uid, EXPLICIT) + made)
        return path


def _uid(number: int) -> str:
    """Give UIDs of one length, so that one can take another's place in a dataset."""
    return f"{STUDY}.9.{10**_WIDTH + number}"


def digest(path: Path) -> str:
    """Give the SHA-256 of a file's dataset."""
    content = path.read_bytes()
    return hashlib.sha256(content[split_part10(content[:4096]).dataset_offset :]).hexdigest()


@dataclass(slots=True)
class Account:
    """What the senders were told of each instance, and what it was."""

    sent: dict[str, str] = field(default_factory=dict)
    """SHA-256 of each dataset, by SOP Instance UID, answered or not."""
    stored: set[str] = field(default_factory=set)
    """Those that were answered with Success."""
    refused: dict[str, str] = field(default_factory=dict)
    """Status of those that were answered with another."""

    def merge(self, other: Account) -> None:
        """Enter what another account has."""
        self.sent |= other.sent
        self.stored |= other.stored
        self.refused |= other.refused

    def __str__(self) -> str:
        refused = Counter(self.refused.values())
        return f"{len(self.sent)} sent, {len(self.stored)} stored, {refused.total()} refused"

    def add(self, sent: list[Path], output: str) -> None:
        """Enter one storescu's account of its files, which go: nobody sends them again."""
        path, answers = None, dict[Path, str]()
        for found in _ANSWERED.finditer(output):
            if found["path"]:
                path = Path(found["path"])
            elif path is not None:
                answers[path] = found["status"]
        for file in sent:
            self.sent[file.stem] = digest(file)
            match answers.get(file):
                case "Success":
                    self.stored.add(file.stem)
                case str(status):
                    self.refused[file.stem] = status
            file.unlink()


class Senders:
    """Eight threads that send until told to stop, or until each has sent its share."""

    def __init__(self, storescu: str, archive: ScratchArchive, images: Images, account: Account):
        called = ["-aec", archive.ae_title, archive.host, str(archive.port)]
        self._command = [storescu, "-v", "--no-halt", *called]
        self._images = images
        self._account = account
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._threads: list[threading.Thread] = []

    def start(self, associations: int, files: int = 2) -> None:
        """Let each open so many associations, one after another, of so many files each."""
        self._threads = [
            threading.Thread(target=self._send, args=(associations, files)) for _ in range(SENDERS)
        ]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Wait until all have ended what they were at."""
        self._stopping.set()
        self.join()

    def join(self) -> None:
        """Wait until all have sent their share."""
        for thread in self._threads:
            thread.join()

    def _send(self, associations: int, files: int) -> None:
        for _ in range(associations):
            if self._stopping.is_set():
                return
            with self._lock:
                sent = list(itertools.islice(self._images, files))
            done = subprocess.run(
                [*self._command, *sent], env={**os.environ, "TCP_NODELAY": "1"}, text=True,
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False, timeout=300,
            )  # fmt: skip
            with self._lock:
                self._account.add(sent, done.stdout)


def require_all(archive: ScratchArchive, account: Account, folder: Path) -> None:
    """Require that nothing acknowledged is lost, nothing altered, and nothing left lying about."""
    archive.run("export", "--study", STUDY, "--to", folder)
    found = {path.stem: digest(path) for path in folder.rglob("*.dcm")}
    assert account.stored - found.keys() == set(), "lost"
    assert {uid for uid in found if found[uid] != account.sent[uid]} == set(), "altered"
    _log.info("nothing lost, nothing altered: %s", account)
    assert archive.wait_archived(ARCHIVED_S) == 0
    assert archive.ask("audit", exits=(0, 2))["faults"] == []
    assert [path for path in archive.home.rglob("*.part") if archive.home in path.parents] == []
