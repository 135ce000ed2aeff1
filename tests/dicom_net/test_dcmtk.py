"""DCMTK's programs against the DIMSE services."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from pydicom import dcmread

from dicom.archive import Node
from dicom.part10 import split_part10
from tests.dicom_net.conftest import AE_TITLE, MakeFile, Served

pytestmark = pytest.mark.interop

# Without it DCMTK waits some 40 ms for the peer's acknowledgement twice per message.
ENVIRONMENT = {**os.environ, "TCP_NODELAY": "1"}

PeerTool = Callable[[str], str]
STUDY = ("-k", "QueryRetrieveLevel=STUDY", "-k", "StudyInstanceUID=1.2.3")


def run(program: str, *arguments: str | Path, code: int = 0) -> str:
    command = [program, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=ENVIRONMENT)
    output = done.stdout + done.stderr
    assert done.returncode == code, output
    return output


def call(served: Served, *options: str) -> tuple[str, ...]:
    return ("-aec", AE_TITLE, *options, "127.0.0.1", str(served.port))


def dataset_bytes(path: Path) -> bytes:
    data = path.read_bytes()
    return data[split_part10(data).dataset_offset :]


@contextmanager
def storescp(peer_tool: PeerTool, port: int, folder: Path, *options: str) -> Iterator[None]:
    folder.mkdir()
    command = [peer_tool("storescp"), "+B", "-pm", *options, "-od", str(folder), str(port)]
    with subprocess.Popen(command, env=ENVIRONMENT) as process:
        try:
            time.sleep(0.3)
            assert process.poll() is None
            yield
        finally:
            process.terminate()


def test_echo(peer_tool: PeerTool, memory: Served) -> None:
    run(peer_tool("echoscu"), *call(memory))


def test_store_keeps_the_bytes(peer_tool: PeerTool, memory: Served, make_file: MakeFile) -> None:
    files = [make_file() for _ in range(3)]
    run(peer_tool("storescu"), *call(memory), *files)
    assert sorted(kept.data for kept in memory.archive.kept.values()) == sorted(
        dataset_bytes(path) for path in files
    )


def test_find(peer_tool: PeerTool, memory: Served, make_file: MakeFile) -> None:
    run(peer_tool("storescu"), *call(memory), make_file(PatientName="Doe^Jane"))
    for model in ("-S", "-P"):
        output = run(
            peer_tool("findscu"), "-v", *call(memory, model, "-k", "PatientName=doe*"), *STUDY
        )
        assert "Doe^Jane" in output
        assert "0xff00" in output.lower() or "Pending" in output
    run(peer_tool("findscu"), *call(memory, "-S", "-k", "PatientName=roe*"), *STUDY)


def test_move_and_get(
    peer_tool: PeerTool, memory: Served, make_file: MakeFile, free_port: int, tmp_path: Path
) -> None:
    sent = [make_file() for _ in range(5)]
    run(peer_tool("storescu"), *call(memory), *sent)
    memory.archive.nodes["DEST"] = Node("DEST", "127.0.0.1", free_port)
    with storescp(peer_tool, free_port, tmp_path / "moved"):
        run(peer_tool("movescu"), "-v", *call(memory, "-S", "-aem", "DEST"), *STUDY)
    got = tmp_path / "got"
    got.mkdir()
    run(peer_tool("getscu"), *call(memory, "-S", "+B", "-od", str(got)), *STUDY)
    expected = sorted(dataset_bytes(path) for path in sent)
    assert sorted(dataset_bytes(path) for path in (tmp_path / "moved").iterdir()) == expected
    assert sorted(dataset_bytes(path) for path in got.iterdir()) == expected
    assert [done[1:] for done in memory.archive.retrievals] == [(5, 0), (5, 0)]


def test_move_to_unknown_destination(
    peer_tool: PeerTool, memory: Served, make_file: MakeFile
) -> None:
    run(peer_tool("storescu"), *call(memory), make_file())
    output = run(
        peer_tool("movescu"), "-d", *call(memory, "-S", "-aem", "NOWHERE"), *STUDY, code=69
    )
    assert "0xa801" in output.lower()


def test_move_transcodes_for_a_peer_without_explicit_vr(
    peer_tool: PeerTool, memory: Served, make_file: MakeFile, free_port: int, tmp_path: Path
) -> None:
    sent = make_file()
    run(peer_tool("storescu"), *call(memory, "-xe"), sent)
    memory.archive.nodes["DEST"] = Node("DEST", "127.0.0.1", free_port)
    with storescp(peer_tool, free_port, tmp_path / "moved", "+xi"):
        run(peer_tool("movescu"), *call(memory, "-S", "-aem", "DEST"), *STUDY)
    (moved,) = (tmp_path / "moved").iterdir()
    received = dcmread(moved)
    assert received.file_meta.TransferSyntaxUID.is_implicit_VR
    assert received.PixelData == dcmread(sent).PixelData
    assert received.SOPInstanceUID == dcmread(sent).SOPInstanceUID
