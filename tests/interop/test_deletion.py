"""Deletion and rejection as an administrator sees them with DCMTK: findscu before and after."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from shutil import copy

import pytest
from pydicom.data import get_testdata_file
from pydicom.filereader import dcmread

from dicom.part10 import write_file_meta
from dicom.rejection import KEY_OBJECT_SELECTION_DOCUMENT, PATIENT_SAFETY
from service.demo.scratch import ScratchArchive, unused_port
from tests.interop.conftest import Dcmtk
from tests.service.made import EXPLICIT, encoded
from tests.service.notes import rejection_note
from tests.waiting import wait_for

pytestmark = [pytest.mark.interop, pytest.mark.slow]

REASON = ("--reason", "sent to the wrong archive")


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[ScratchArchive]:
    """A served archive that looks for what is to be purged twice a second."""
    made = ScratchArchive(tmp_path / "home")
    made.home.mkdir()
    made.run("init")
    (made.home / "radiolith.toml").write_text("[deletion]\npoll_s = 0.5\n")
    try:
        made.start()
        yield made
    finally:
        made.stop()


@pytest.fixture
def scu(archive: ScratchArchive, peer_tool: Callable[[str], str]) -> Dcmtk:
    peer_tool("storescu")
    archive.run("nodes", "add", "DCMTK", "127.0.0.1", str(unused_port()), "--move-to", "*")
    return Dcmtk(peer_tool, archive)


@pytest.fixture
def image(tmp_path: Path) -> Path:
    return Path(copy(str(get_testdata_file("CT_small.dcm", download=False)), tmp_path / "ct.dcm"))


def found(scu: Dcmtk, folder: Path) -> int:
    """Count the studies that findscu gets told of."""
    folder.mkdir(exist_ok=True)
    for path in folder.glob("rsp*.dcm"):
        path.unlink()
    scu.call(
        "findscu", "-S", "-k", "QueryRetrieveLevel=STUDY", "-k", "StudyInstanceUID",
        "-X", "-od", str(folder),
    )  # fmt: skip
    return len(list(folder.glob("rsp*.dcm")))


def got(scu: Dcmtk, folder: Path, study: str) -> int:
    """Count the instances that getscu gets of a study."""
    folder.mkdir(exist_ok=True)
    for path in folder.iterdir():
        path.unlink()
    scu.call(
        "getscu", "-S", "-k", "QueryRetrieveLevel=STUDY", "-k", f"StudyInstanceUID={study}",
        "-od", str(folder),
    )  # fmt: skip
    return len(list(folder.iterdir()))


def objects(archive: ScratchArchive) -> int:
    return len(list((archive.home / "objects").glob("??/??/*.dcm")))


def test_deleted_undone_deleted_purged_and_sent_again(
    archive: ScratchArchive, scu: Dcmtk, image: Path, tmp_path: Path
) -> None:
    study = str(dcmread(image).StudyInstanceUID)
    replies, files = tmp_path / "replies", tmp_path / "files"
    scu.call("storescu", image)
    assert archive.wait_archived(120) == 0
    assert (found(scu, replies), got(scu, files, study)) == (1, 1)
    deletion = archive.ask("delete", "--study", study, *REASON, "--yes")["deletion"]
    assert (found(scu, replies), got(scu, files, study)) == (0, 0)
    scu.call("storescu", image)
    assert found(scu, replies) == 0, "the same bytes do not undo a deletion"
    archive.run("undelete", str(deletion), *REASON)
    assert (found(scu, replies), got(scu, files, study)) == (1, 1)
    archive.run("delete", "--study", study, *REASON, "--yes", "--grace", "0")
    wait_for(lambda: objects(archive) == 0, 30)
    assert [one["state"] for one in archive.ask("deletions")] == ["undone", "purged"]
    assert archive.ask("audit")["faults"] == []
    scu.call("storescu", image)
    assert found(scu, replies) == 1, "what comes after the purge is new"


def test_a_rejection_note_hides_and_what_it_hid_is_refused(
    archive: ScratchArchive, scu: Dcmtk, image: Path, tmp_path: Path
) -> None:
    ct = dcmread(image)
    scu.call("storescu", image)
    note = tmp_path / "note.dcm"
    document = rejection_note(
        PATIENT_SAFETY, [str(ct.SOPInstanceUID)], study=str(ct.StudyInstanceUID)
    )
    document.PatientID, document.PatientName = ct.PatientID, ct.PatientName
    meta = write_file_meta(KEY_OBJECT_SELECTION_DOCUMENT, "1.2.9", EXPLICIT)
    note.write_bytes(meta + encoded(document))
    scu.call("storescu", note)
    assert found(scu, tmp_path / "replies") == 0
    (listed,) = archive.ask("rejections", "ls")
    assert (listed["code"], listed["by"], listed["instances"]) == (PATIENT_SAFETY, "DCMTK", 2)
    with pytest.raises(AssertionError, match=r"0x0?124"):
        scu.call("storescu", "-v", image)
    scu.call("storescu", note)
    archive.run("rejections", "revoke", str(listed["id"]), *REASON)
    assert found(scu, tmp_path / "replies") == 1
