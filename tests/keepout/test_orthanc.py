"""Orthanc over TLS: it sends, finds and is sent to, each side showing its certificate."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.data import get_testdata_file

from service.demo.scratch import unused_port
from tests.interop.conftest import Orthanc, listens
from tests.keepout.conftest import ENVIRONMENT, FindTool, Fortress
from tests.waiting import wait_for

pytestmark = pytest.mark.interop

SAMPLE = Path(str(get_testdata_file("MR_small.dcm", download=False)))


@pytest.fixture
def orthanc(guarded: Fortress, peer_tool: FindTool, tmp_path: Path) -> Iterator[Orthanc]:
    """An Orthanc that speaks TLS alone, and knows the archive as its modality `radiolith`."""
    running = Orthanc(dicom_port=unused_port(), http_port=unused_port())
    pair = guarded.pair("ORTHANC")
    archive = guarded.archive
    settings = {
        "StorageDirectory": str(tmp_path / "storage"),
        "IndexDirectory": str(tmp_path / "index"),
        "HttpPort": running.http_port,
        "DicomPort": running.dicom_port,
        "DicomAet": "ORTHANC",
        "DicomTlsEnabled": True,
        "DicomTlsPrivateKey": str(pair.key),
        "DicomTlsCertificate": str(pair.certificate),
        "DicomTlsTrustedCertificates": str(guarded.authority.file),
        "DicomTlsRemoteCertificateRequired": True,
        "DicomModalities": {
            "radiolith": {
                "AET": archive.ae_title, "Host": archive.host, "Port": guarded.tls_port,
                "UseDicomTls": True,
            }
        },
        "DicomCheckModalityHost": False,
        "RemoteAccessAllowed": False,
        "AuthenticationEnabled": False,
    }  # fmt: skip
    (tmp_path / "orthanc.json").write_text(json.dumps(settings))
    archive.run("nodes", "add", "ORTHANC", "127.0.0.1", str(running.dicom_port), "--certificate",
                pair.fingerprint)  # fmt: skip
    process = subprocess.Popen(
        [peer_tool("Orthanc"), str(tmp_path / "orthanc.json")],
        env=ENVIRONMENT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        wait_for(lambda: listens(running.http_port) and listens(running.dicom_port), 60)
        yield running
    finally:
        process.terminate()
        process.wait(30)


def test_orthanc_sends_and_is_sent_to_over_tls(guarded: Fortress, orthanc: Orthanc) -> None:
    dataset = dcmread(SAMPLE)
    kept = orthanc.rest("/instances", SAMPLE.read_bytes())["ID"]
    sent = orthanc.rest("/modalities/radiolith/store", {"Resources": [kept]})
    assert sent["FailedInstancesCount"] == 0
    query = {"Level": "Study", "Query": {"PatientID": dataset.PatientID}}
    answer = orthanc.rest("/modalities/radiolith/query", query)["ID"]
    assert len(orthanc.rest(f"/queries/{answer}/answers")) == 1
    orthanc.delete(f"/instances/{kept}")
    assert orthanc.rest("/instances") == []
    orthanc.rest(f"/queries/{answer}/answers/0/retrieve", {"TargetAet": "ORTHANC"})
    (back,) = orthanc.rest("/instances")
    file = orthanc.raw(f"/instances/{back}/file")
    assert dataset.PixelData in file
