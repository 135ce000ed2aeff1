"""An Orthanc as a peer: it sends to the archive, queries it and retrieves from it."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydicom.data import get_testdata_file
from pydicom.filereader import dcmread

from service.demo.scratch import ScratchArchive
from tests.interop.conftest import Orthanc

pytestmark = pytest.mark.interop

SHIPPED = ("CT_small.dcm", "MR_small.dcm")


@pytest.fixture(scope="module")
def sent(orthanc: Orthanc) -> list[Path]:
    """Upload files to Orthanc, let it send them to the archive, and forget them there."""
    paths = [Path(str(get_testdata_file(name, download=False))) for name in SHIPPED]
    ids = [orthanc.rest("/instances", path.read_bytes())["ID"] for path in paths]
    answer = orthanc.rest("/modalities/radiolith/store", ids)
    assert answer["FailedInstancesCount"] == 0
    for orthanc_id in ids:
        orthanc.delete(f"/instances/{orthanc_id}")
    assert orthanc.rest("/instances") == []
    return paths


def test_orthanc_echoes(orthanc: Orthanc) -> None:
    orthanc.rest("/modalities/radiolith/echo", {})


def test_what_orthanc_sent_is_archived(sent: list[Path], served: ScratchArchive) -> None:
    assert served.wait_archived(120) == 0
    for path in sent:
        dataset = dcmread(path)
        assert served.ask("show", str(dataset.SOPInstanceUID))


def test_orthanc_queries_and_retrieves(sent: list[Path], orthanc: Orthanc) -> None:
    for path in sent:
        dataset = dcmread(path)
        query = {"Level": "Study", "Query": {"StudyInstanceUID": str(dataset.StudyInstanceUID)}}
        found = orthanc.rest("/modalities/radiolith/query", query)["ID"]
        assert len(orthanc.rest(f"/queries/{found}/answers")) == 1
        answer = {"TargetAet": "ORTHANC", "Synchronous": True}
        orthanc.rest(f"/queries/{found}/answers/0/retrieve", answer)
    back = {orthanc.rest(f"/instances/{i}")["MainDicomTags"]["SOPInstanceUID"]
            for i in orthanc.rest("/instances")}  # fmt: skip
    assert back == {str(dcmread(path).SOPInstanceUID) for path in sent}


def test_what_came_back_has_the_same_pixels(
    sent: list[Path], orthanc: Orthanc, tmp_path: Path
) -> None:
    pixels = {str(dcmread(path).SOPInstanceUID): dcmread(path).PixelData for path in sent}
    for orthanc_id in orthanc.rest("/instances"):
        (tmp_path / "back.dcm").write_bytes(orthanc.raw(f"/instances/{orthanc_id}/file"))
        back = dcmread(tmp_path / "back.dcm")
        assert back.PixelData == pixels[str(back.SOPInstanceUID)]
