"""A served archive as its processes: which there are, what they have loaded, and killing them."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

from pydicom.uid import UID

from dicom.part10 import write_file_meta
from service.demo.peer import Sample
from service.demo.scratch import ScratchArchive
from tests.service.made import CT, EXPLICIT, SERIES, STUDY, dataset
from tests.waiting import wait_for


def children(pid: int) -> list[int]:
    """Name the processes that a process started and that still run."""
    listed = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(child) for child in listed.split()]


def is_worker(pid: int) -> bool:
    """Whether a process is a worker: a fresh interpreter, not a fork."""
    return b"service.processes.work" in Path(f"/proc/{pid}/cmdline").read_bytes()


def mapped(pid: int) -> str:
    """Give the files that a process has mapped into memory, libraries among them."""
    return Path(f"/proc/{pid}/maps").read_text()


def gone(pid: int) -> bool:
    """Whether a process has ended; one nobody waited for counts as ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


def kill(archive: ScratchArchive) -> None:
    """Kill the supervisor as ``kill -9`` does; its processes end with it."""
    assert archive.process is not None
    process, archive.process = archive.process, None
    family = [process.pid, *children(process.pid)]
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    wait_for(lambda: all(map(gone, family)), 20)


def supervisor(archive: ScratchArchive) -> subprocess.Popen[str]:
    """Give the supervisor's process."""
    assert archive.process is not None
    return archive.process


def sample(folder: Path, number: int) -> Sample:
    """Write a file to send: image ``number`` of one series."""
    uid = UID(f"{STUDY}.9.{number}")
    header = write_file_meta(CT, uid, EXPLICIT)
    path = folder / f"{number}.dcm"
    path.write_bytes(header + dataset(uid, seed=number))
    return Sample(
        path=path,
        sop_class_uid=CT,
        sop_instance_uid=uid,
        affected_uid=uid,
        transfer_syntax=EXPLICIT,
        study_uid=STUDY,
        series_uid=SERIES,
        modality="CT",
        patient_id="P1",
        offset=len(header),
    )
