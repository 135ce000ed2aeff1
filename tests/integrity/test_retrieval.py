"""A damaged instance fails alone: counted, alarmed, and no wrong byte is sent. DCMTK retrieves."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from pydicom.filereader import dcmread

from service.demo.scratch import ScratchArchive, unused_port
from tests.service.made import STUDY, damage
from tests.service.served import sample
from tests.waiting import wait_for

pytestmark = pytest.mark.interop

NUMBERS = range(1, 6)
DAMAGED = 3
ENVIRONMENT = {**os.environ, "TCP_NODELAY": "1"}
KEYS = ["-S", "-k", "QueryRetrieveLevel=STUDY", "-k", f"StudyInstanceUID={STUDY}"]


@pytest.fixture(scope="module")
def harmed(served: ScratchArchive, tmp_path_factory: pytest.TempPathFactory) -> ScratchArchive:
    """The served archive with five instances, one of whose objects has one bit flipped."""
    folder = tmp_path_factory.mktemp("samples")
    for number in NUMBERS:
        sample(folder, number)
    served.run("import", folder)
    assert served.wait_archived(60) == 0
    (wanted,) = served.ask("show", f"{STUDY}.9.{DAMAGED}")
    (path,) = (served.home / "objects").rglob(f"{wanted['object_id']}.dcm")
    damage(path, -60)
    return served


def sent(tmp_path: Path) -> dict[str, bytes]:
    """Give the Pixel Data of the instances as they were sent, by UID."""
    return {f"{STUDY}.9.{number}": pixels(sample(tmp_path, number).path) for number in NUMBERS}


def pixels(path: Path) -> bytes:
    return bytes(dcmread(path, force=True).PixelData)


def got(folder: Path) -> dict[str, bytes]:
    """Give the Pixel Data of what a peer wrote, by UID."""
    datasets = [dcmread(path, force=True) for path in folder.iterdir()]
    return {str(dataset.SOPInstanceUID): bytes(dataset.PixelData) for dataset in datasets}


def check(folder: Path, tmp_path: Path) -> None:
    """All but the damaged one came, each with the pixels that were sent."""
    wanted = sent(tmp_path)
    del wanted[f"{STUDY}.9.{DAMAGED}"]
    assert got(folder) == wanted


def call(tool: str, archive: ScratchArchive, *arguments: str) -> str:
    """Run a retrieval; give what it printed. Its exit code says that a sub-operation failed."""
    done = subprocess.run(
        [tool, "-d", "-aet", "DCMTK", "-aec", archive.ae_title, *arguments,
         archive.host, str(archive.port)],
        env=ENVIRONMENT, capture_output=True, text=True, check=False, errors="replace", timeout=120,
    )  # fmt: skip
    return done.stdout + done.stderr


@contextmanager
def storescp(tool: str, folder: Path, port: int) -> Iterator[None]:
    folder.mkdir()
    process = subprocess.Popen(
        [tool, "+B", "-pm", "+xa", "-aet", "DCMTK", "-od", str(folder), str(port)],
        env=ENVIRONMENT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        wait_for(lambda: f":{port:04X} " in Path("/proc/net/tcp").read_text(), 10)
        yield
    finally:
        process.terminate()
        process.wait(10)


def counts(printed: str, name: str) -> int:
    """Read a count of sub-operations out of the last response that was printed."""
    lines = [line for line in printed.splitlines() if name in line]
    return int(lines[-1].rpartition(":")[2])


def test_a_move_counts_the_damaged_instance_as_failed(
    harmed: ScratchArchive, peer_tool: Callable[[str], str], tmp_path: Path
) -> None:
    port, folder = unused_port(), tmp_path / "moved"
    harmed.run("nodes", "add", "DCMTK", "127.0.0.1", str(port), "--move-to", "*")
    with storescp(peer_tool("storescp"), folder, port):
        printed = call(peer_tool("movescu"), harmed, *KEYS, "-aem", "DCMTK")
    assert counts(printed, "Completed Suboperations") == len(NUMBERS) - 1
    assert counts(printed, "Failed Suboperations") == 1
    assert "0xb000" in printed, "Warning: sub-operations complete, one or more failures"
    check(folder, tmp_path)


def test_a_get_counts_it_too(
    harmed: ScratchArchive, peer_tool: Callable[[str], str], tmp_path: Path
) -> None:
    harmed.run("nodes", "add", "DCMTK", "127.0.0.1", "1", "--move-to", "*")
    folder = tmp_path / "got"
    folder.mkdir()
    printed = call(peer_tool("getscu"), harmed, *KEYS, "-od", str(folder))
    assert counts(printed, "Completed Suboperations") == len(NUMBERS) - 1
    assert counts(printed, "Failed Suboperations") == 1
    check(folder, tmp_path)


def test_the_alarm_is_in_log_trail_and_status(harmed: ScratchArchive, tmp_path: Path) -> None:
    assert harmed.ask("status")["damaged"] == 1
    assert "radiolith_damaged 1" in harmed.run("status", "--metrics")
    entries = harmed.ask("trail", "ls", "--event", "damaged")
    assert [entry["details"]["sop_instance_uid"] for entry in entries] == [f"{STUDY}.9.{DAMAGED}"]
    assert entries[0]["details"]["kind"] == "altered"
    assert entries[0]["details"]["found_by"] in ("retrieval", "scrub")
    log = (harmed.home / "serve.log").read_text()
    assert '"event": "damaged"' in log
    assert STUDY not in log


def test_of_a_study_that_is_partly_deleted_and_partly_gone_the_rest_comes(
    harmed: ScratchArchive, peer_tool: Callable[[str], str], tmp_path: Path
) -> None:
    deleted, lost = f"{STUDY}.9.1", f"{STUDY}.9.2"
    harmed.run("delete", "--instance", deleted, "--reason", "another patient's", "--yes")
    (wanted,) = harmed.ask("show", lost)
    (path,) = (harmed.home / "objects").rglob(f"{wanted['object_id']}.dcm")
    path.unlink()
    port, folder = unused_port(), tmp_path / "moved"
    harmed.run("nodes", "add", "DCMTK", "127.0.0.1", str(port), "--move-to", "*")
    with storescp(peer_tool("storescp"), folder, port):
        printed = call(peer_tool("movescu"), harmed, *KEYS, "-aem", "DCMTK")
    assert counts(printed, "Completed Suboperations") == 2
    assert counts(printed, "Failed Suboperations") == 2, "the damaged one, and the lost one"
    assert got(folder).keys() == {f"{STUDY}.9.{number}" for number in (4, 5)}
    told = harmed.ask("trail", "ls", "--event", "retrieve")[-1]["details"]
    assert (told["study_uids"], told["completed"], told["failed"]) == ([STUDY], 2, 2)


def test_of_a_study_that_is_deleted_nothing_comes_and_the_trail_names_it(
    harmed: ScratchArchive, peer_tool: Callable[[str], str], tmp_path: Path
) -> None:
    harmed.run("delete", "--study", STUDY, "--reason", "asked for", "--yes")
    folder = tmp_path / "got"
    folder.mkdir()
    printed = call(peer_tool("getscu"), harmed, *KEYS, "-od", str(folder))
    assert list(folder.iterdir()) == []
    assert "0x0000" in printed
    told = harmed.ask("trail", "ls", "--event", "retrieve")[-1]["details"]
    assert (told["study_uids"], told["completed"], told["failed"]) == ([STUDY], 0, 0)
