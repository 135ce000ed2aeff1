"""`make demo`: real studies go into an archive of its own over a real association, and come back.

Every dataset is retrieved twice, by C-MOVE and by C-GET, and compared byte for byte with the file
that was sent. Exits with 1 when anything isn't exact.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
import warnings
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pydicom.data
from pydicom.dataset import Dataset
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from service.demo.peer import Peer, PeerFault, Received, Sample, destination, read_sample
from service.demo.scratch import ScratchArchive, ScratchFault, scratch_archive, unused_port

SHIPPED: Final = Path(pydicom.data.__file__).with_name("test_files")
SHARED: Final = Path(__file__).resolve().parents[3] / "shared" / "data" / "test"
"""More studies, where they lie beside the checkout."""
AE_TITLE: Final = "DEMO"
ARCHIVING_SECONDS: Final = 240.0

console = Console(highlight=False)


@dataclass(slots=True)
class Group:
    """What happened to the instances of one modality."""

    instances: int = 0
    received: int = 0
    stored: int = 0
    moved: int = 0
    got: int = 0

    @property
    def exact(self) -> bool:
        """Whether both retrievals gave every dataset back as it was sent."""
        return self.instances == self.moved == self.got

    @property
    def ratio(self) -> str:
        """Say how many bytes became one."""
        return f"{self.received / self.stored:.2f}" if self.stored else "-"


def main() -> int:
    """Run the demo; 0 when everything came back exactly."""
    warnings.filterwarnings("ignore", module="pydicom")  # some files are odd on purpose
    samples = choose_samples()
    with tempfile.TemporaryDirectory(prefix="radiolith-demo-") as folder:
        console.print(f"An archive in {folder}, {len(samples)} instances to send.\n")
        try:
            with scratch_archive(Path(folder) / "home") as archive:
                groups = go_through(archive, samples)
        except (PeerFault, ScratchFault) as fault:
            console.print(f"[red]{fault}[/red]")
            return 1
    show(groups)
    exact = all(group.exact for group in groups.values())
    say_how_to_go_on() if exact else console.print("[red]Not everything came back exactly.[/red]")
    return 0 if exact else 1


def choose_samples() -> list[Sample]:
    """Choose the files that an association can carry, one of each SOP Instance UID."""
    files = [*sorted(SHIPPED.rglob("*.dcm")), *sorted(SHARED.glob("*.dcm"))]
    chosen: dict[str, Sample] = {}
    for sample in filter(None, map(read_sample, files)):
        if sample.study_uid and sample.sop_instance_uid == sample.affected_uid:
            chosen.setdefault(sample.sop_instance_uid, sample)
    return list(chosen.values())


def go_through(archive: ScratchArchive, samples: Sequence[Sample]) -> dict[str, Group]:
    """Send, find, archive and retrieve; count what came back by modality."""
    port = unused_port()
    archive.run("nodes", "add", AE_TITLE, archive.host, str(port))
    peer = Peer(archive.host, archive.port, archive.ae_title, AE_TITLE)
    with step("sent by C-STORE"):
        refused = [status for status in peer.send(samples) if status]
    with step("found by C-FIND"):
        found = {item.StudyInstanceUID for item in peer.find(all_studies())}
    with step("compressed, sealed and verified"):
        left = archive.wait_archived(ARCHIVING_SECONDS)
    missing = {sample.study_uid for sample in samples} - found
    if refused or left or missing:
        raise PeerFault(
            f"{len(refused)} instances refused, {left} not archived, {len(missing)} studies missing"
        )
    with step("retrieved by C-MOVE"), destination(port, AE_TITLE, samples) as moved:
        peer.move(samples, AE_TITLE)
    got = Received()
    with step("retrieved by C-GET"):
        peer.get(samples, got)
    return count(samples, moved, got, stored_bytes(archive))


def all_studies() -> Dataset:
    """Build a query for every study."""
    keys = Dataset()
    keys.QueryRetrieveLevel = "STUDY"
    keys.StudyInstanceUID = ""
    keys.PatientName = ""
    keys.ModalitiesInStudy = ""
    return keys


def stored_bytes(archive: ScratchArchive) -> dict[str, int]:
    """Ask the archive how large each instance's object is."""
    return {row["sop_instance_uid"]: row["size"] or 0 for row in archive.ask("ls", "--instances")}


def count(
    samples: Iterable[Sample], moved: Received, got: Received, stored: dict[str, int]
) -> dict[str, Group]:
    """Compare what came back with what was sent, by modality."""
    groups: dict[str, Group] = defaultdict(Group)
    for sample in samples:
        sent = sample.transfer_syntax, sample.dataset()
        group = groups[sample.modality or "none"]
        group.instances += 1
        group.received += len(sent[1])
        group.stored += stored.get(sample.sop_instance_uid, 0)
        group.moved += moved.take(sample) == sent
        group.got += got.take(sample) == sent
    return dict(sorted(groups.items()))


def show(groups: dict[str, Group]) -> None:
    """Print the table: what went in, what it takes, whether it came back."""
    total = Group(*(sum(getattr(group, name) for group in groups.values()) for name in
                    ("instances", "received", "stored", "moved", "got")))  # fmt: skip
    table = Table(
        title="Every dataset, byte for byte",
        title_justify="left",
        show_footer=True,
        box=SIMPLE,
        padding=(0, 1, 0, 0),
    )
    footer = ["all", *columns(total)]
    headings = ["modality", "instances", "received", "stored", "ratio", "C-MOVE", "C-GET", "exact"]
    for heading, foot in zip(headings, footer, strict=True):
        table.add_column(
            heading, foot, justify="left" if heading == "modality" else "right", no_wrap=True
        )
    for name, group in groups.items():
        table.add_row(name, *columns(group))
    console.print()
    console.print(table)


def columns(group: Group) -> list[str]:
    """Say a group's numbers."""
    numbers = (group.instances, group.received, group.stored)
    retrieved = (group.moved, group.got)
    verdict = "yes" if group.exact else "NO"
    return [*(f"{n:,}" for n in numbers), group.ratio, *(f"{n:,}" for n in retrieved), verdict]


@contextmanager
def step(what: str) -> Iterator[None]:
    """Print what was done and how long it took."""
    start = time.monotonic()
    yield
    console.print(f"{what:<34} {time.monotonic() - start:7.1f} s")


def say_how_to_go_on() -> None:
    """Name the commands of an archive of one's own."""
    radiolith = os.path.relpath(Path(sys.executable).with_name("radiolith"))
    console.print(
        f"\nNow one of your own:\n"
        f"    export RADIOLITH_HOME=~/radiolith\n"
        f"    {radiolith} init\n"
        f"    {radiolith} nodes add PACS 10.0.0.5 11112\n"
        f"    {radiolith} serve --port 11112 --ae-title RADIOLITH\n"
        f"docs/operations.md says how to run it for real.",
        markup=False,
    )


if __name__ == "__main__":
    sys.exit(main())
