"""DCMTK's own programs against a served archive, as an administrator would try it."""

from __future__ import annotations

from pathlib import Path
from shutil import copy

import pytest
from pydicom.data import get_testdata_file
from pydicom.dataset import FileDataset
from pydicom.filereader import dcmread

from service.demo.peer import Peer, Received, Sample, read_sample
from service.demo.scratch import ScratchArchive, unused_port
from tests.interop.conftest import Dcmtk, run_tool

pytestmark = pytest.mark.interop

SHIPPED = ("CT_small.dcm", "MR_small.dcm", "rtplan.dcm", "test-SR.dcm")
"""Uncompressed files that pydicom ships: storescu sends them in the syntax that they have."""


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder tree as a modality's export: storescu walks it with +sd +r."""
    folder = tmp_path_factory.mktemp("files")
    for number, name in enumerate(SHIPPED):
        below = folder / f"part{number % 2}"
        below.mkdir(exist_ok=True)
        copy(str(get_testdata_file(name, download=False)), below / name)
    return folder


@pytest.fixture(scope="module")
def control(dcmtk: Dcmtk, files: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Sample]:
    """Send the files to a bit-preserving storescp and to the archive; give what storescp wrote.

    storescu re-encodes what it sends, so its files are no reference: the control is.
    """
    port = unused_port()
    tool = dcmtk.find_tool("storescu")
    with dcmtk.storescp(tmp_path_factory.mktemp("control"), port, "CONTROL") as folder:
        run_tool(tool, "+sd", "+r", "127.0.0.1", str(port), str(files))
    dcmtk.call("storescu", "+sd", "+r", files)
    written = (read_sample(path) for path in folder.iterdir())
    samples = [sample for sample in written if sample is not None]
    assert len(samples) == len(SHIPPED)
    return samples


def answers(dcmtk: Dcmtk, folder: Path, *options: str) -> list[FileDataset]:
    """Query with findscu; read the replies that it wrote."""
    dcmtk.call("findscu", *options, "-X", "-od", str(folder))
    return [dcmread(path, force=True) for path in sorted(folder.glob("rsp*.dcm"))]


def keys_of(sample: Sample) -> list[str]:
    """Name one instance for movescu and getscu."""
    return [
        "-S", "-k", "QueryRetrieveLevel=IMAGE", "-k", f"StudyInstanceUID={sample.study_uid}",
        "-k", f"SeriesInstanceUID={sample.series_uid}",
        "-k", f"SOPInstanceUID={sample.sop_instance_uid}",
    ]  # fmt: skip


def test_echoscu_is_answered(dcmtk: Dcmtk) -> None:
    dcmtk.call("echoscu")


def test_an_unknown_calling_ae_title_is_refused(dcmtk: Dcmtk, served: ScratchArchive) -> None:
    stranger = Dcmtk(dcmtk.find_tool, served, ae_title="STRANGER")
    with pytest.raises(AssertionError, match="Association Rejected"):
        stranger.call("echoscu")


def test_what_storescu_sent_comes_back_exactly(control: list[Sample], peer: Peer) -> None:
    received = Received()
    peer.get(control, received)
    different = [
        sample.path.name
        for sample in control
        if received.take(sample) != (sample.transfer_syntax, sample.dataset())
    ]
    assert different == []


def test_findscu_study_root_finds_each_study(
    dcmtk: Dcmtk, control: list[Sample], tmp_path: Path
) -> None:
    found = answers(
        dcmtk, tmp_path, "-S", "-k", "QueryRetrieveLevel=STUDY", "-k", "StudyInstanceUID",
        "-k", "ModalitiesInStudy", "-k", "NumberOfStudyRelatedInstances",
    )  # fmt: skip
    by_uid = {item.StudyInstanceUID: item for item in found}
    for sample in control:
        assert sample.modality in by_uid[sample.study_uid].ModalitiesInStudy
        assert by_uid[sample.study_uid].NumberOfStudyRelatedInstances == 1


def test_findscu_patient_root_matches_names_whatever_their_case(
    dcmtk: Dcmtk, control: list[Sample], tmp_path: Path
) -> None:
    wanted = next(sample for sample in control if sample.modality == "CT")
    name = str(dcmread(wanted.path).PatientName)
    found = answers(
        dcmtk, tmp_path, "-P", "-k", "QueryRetrieveLevel=PATIENT",
        "-k", f"PatientName={name[:4].swapcase()}*", "-k", "PatientID",
    )  # fmt: skip
    assert wanted.patient_id in {item.PatientID for item in found}
    assert {str(item.PatientName)[:4].casefold() for item in found} == {name[:4].casefold()}


def test_movescu_moves_the_bytes_to_storescp(
    dcmtk: Dcmtk, control: list[Sample], served: ScratchArchive, tmp_path: Path
) -> None:
    port = unused_port()
    served.run("nodes", "add", "TARGET", "127.0.0.1", str(port))
    with dcmtk.storescp(tmp_path, port, "TARGET") as folder:
        for sample in control:
            dcmtk.call("movescu", "-aem", "TARGET", *keys_of(sample))
    arrived = {s.sop_instance_uid: s for s in map(read_sample, folder.iterdir()) if s is not None}
    for sample in control:
        assert arrived[sample.sop_instance_uid].dataset() == sample.dataset(), sample.path.name


def test_getscu_gets_the_bytes(dcmtk: Dcmtk, control: list[Sample], tmp_path: Path) -> None:
    explicit = [s for s in control if s.transfer_syntax == "1.2.840.10008.1.2.1"]
    assert explicit
    for sample in explicit:
        folder = tmp_path / sample.modality
        folder.mkdir()
        dcmtk.call("getscu", "+B", *keys_of(sample), "-od", str(folder))
        arrived = [s for s in map(read_sample, folder.iterdir()) if s is not None]
        assert [item.dataset() for item in arrived] == [sample.dataset()]


def test_movescu_to_an_unknown_destination_fails(dcmtk: Dcmtk, control: list[Sample]) -> None:
    with pytest.raises(AssertionError, match=r"(?i)MoveDestinationUnknown|0xa801"):
        dcmtk.call("movescu", "-v", "-aem", "NOWHERE", *keys_of(control[0]))
