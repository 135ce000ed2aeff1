"""Compressed instances for peers that take them uncompressed only: workers decode, nobody else."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pydicom
import pydicom.data
import pytest
from pydicom.uid import UID
from pynetdicom import evt

from dicom.archive import ArchiveFault, StoredInstance
from dicom.transcode import to_uncompressed
from service.archive import ServiceArchive
from service.demo.peer import Peer, PeerFault, Received, Sample, read_sample
from service.demo.scratch import ScratchArchive, unused_port
from service.encode import Codec
from service.home import Home
from service.processes.decode_server import DecodeUnavailable
from service.processes.worker import drain
from service.receive import Origin, Reception
from service.retrieve import Retriever
from tests.dicom_net.scu import accepting
from tests.service.made import EXPLICIT, STUDY

ARCHIVING_S = 120
IMPLICIT = "1.2.840.10008.1.2"
SHIPPED = Path(pydicom.data.__file__).with_name("test_files")
FILES = ("JPEGLSNearLossless_16.dcm", "JPEG2000.dcm", "MR_small_RLE.dcm")
DAMAGED = "JPEG2000-embedded-sequence-delimiter.dcm"


def sample(folder: Path, name: str) -> Sample:
    """Give an image of those that pydicom ships, under UIDs that it can be asked for by."""
    dataset = pydicom.dcmread(SHIPPED / name)
    number = 1 + [*FILES, DAMAGED].index(name)
    dataset.StudyInstanceUID = UID(f"{STUDY}.8")
    dataset.SeriesInstanceUID = UID(f"{STUDY}.8.{number}")
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = UID(
        f"{STUDY}.8.{number}.1"
    )
    path = folder / name
    dataset.save_as(path)
    made = read_sample(path)
    assert made is not None
    return made


def uncompressed(item: Sample, target: str = EXPLICIT) -> bytes:
    return to_uncompressed(item.dataset(), item.transfer_syntax, target)


def take(home: Home, item: Sample) -> int:
    """Take an instance in as an association would; give its revision's number."""
    uids = item.sop_class_uid, item.sop_instance_uid
    origin = Origin(*uids, "MODALITY", "RADIOLITH", "127.0.0.1", item.transfer_syntax)
    reception = Reception(home, origin)
    reception.write(item.dataset())
    return reception.take().revision_id


@pytest.mark.parametrize("name", FILES)
def test_one_revision_is_read_as_received_and_transcoded(
    home: Home, codec: Codec, retriever: Retriever, tmp_path: Path, name: str
) -> None:
    item = sample(tmp_path, name)
    number = take(home, item)

    def check() -> None:
        for target in (EXPLICIT, IMPLICIT):
            retriever.prefetch(number, target)
            for _ in range(2):
                with retriever.read(number, target) as view:
                    assert view == uncompressed(item, target)
        with retriever.read(number) as view:
            assert view == item.dataset()

    check()
    drain(home, codec)
    check()


def test_what_is_transcoded_counts_as_long_as_it_became(
    folder: Path, home: Home, retriever: Retriever, tmp_path: Path
) -> None:
    item = sample(tmp_path, "JPEG2000.dcm")
    number = take(home, item)
    decompressed = len(uncompressed(item))
    assert decompressed > 2 * len(item.dataset())
    tight = {"retrieve": {"max_memory_bytes": decompressed - 1}}
    with Home.open(folder, tight) as small:
        careful = Retriever(small)
        careful.prefetch(number, EXPLICIT)
        careful._pool.shutdown(wait=True)
        assert careful._ahead._bytes == 0
        with careful.read(number, EXPLICIT) as view:
            assert len(view) == decompressed
        careful.close()
    retriever.prefetch(number, EXPLICIT)
    retriever._pool.shutdown(wait=True)
    assert retriever._ahead._bytes == decompressed


@pytest.mark.usefixtures("decoding")
def test_what_no_decoder_takes_is_a_fault_of_that_instance(
    home: Home, codec: Codec, tmp_path: Path
) -> None:
    item = sample(tmp_path, DAMAGED)
    handle = str(take(home, item))
    drain(home, codec)
    instance = StoredInstance(
        handle, item.sop_class_uid, item.sop_instance_uid, item.transfer_syntax
    )
    with ServiceArchive(home) as archive:
        with pytest.raises(ArchiveFault) as caught, archive.read(instance, EXPLICIT):
            pytest.fail("a damaged image was decoded")
        assert caught.value.status == 0xC000
        assert "decoded" in caught.value.comment
        with archive.read(instance) as view:
            assert view == item.dataset()


def test_without_a_worker_nothing_is_transcoded(home: Home, tmp_path: Path) -> None:
    number = take(home, sample(tmp_path, "MR_small_RLE.dcm"))
    lonely = Retriever(home)
    with pytest.raises(DecodeUnavailable), lonely.read(number, EXPLICIT):
        pytest.fail("transcoded outside a worker")
    lonely.close()


def test_receivers_do_not_load_what_decodes_images() -> None:
    """pydicom itself imports every decoder that is installed; ours, which calls them, stays out."""
    code = (
        "import sys, service.processes.supervisor;"
        "decoding = {'torch', 'codec.frame', 'dicom.transcode', 'dicom.frames', 'dicom.jpeg12'};"
        "sys.exit(' '.join(decoding & sys.modules.keys()) or None)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()


def test_a_destination_that_takes_explicit_vr_only_gets_decoded_images(
    served: ScratchArchive, tmp_path: Path
) -> None:
    port = unused_port()
    served.run("nodes", "add", "PEER", "127.0.0.1", str(unused_port()), "--move-to", "DEST")
    served.run("nodes", "add", "DEST", "127.0.0.1", str(port))
    peer = Peer(served.host, served.port, served.ae_title)
    samples = [sample(tmp_path, name) for name in FILES]
    damaged = sample(tmp_path, DAMAGED)
    assert peer.send([*samples, damaged]) == [0, 0, 0, 0]
    came = Received()
    contexts = [(uid, [EXPLICIT]) for uid in {item.sop_class_uid for item in samples}]
    with accepting(port, *contexts, handlers=[(evt.EVT_C_STORE, came.keep)]):
        for _ in range(2):
            peer.move(samples, "DEST")
            for item in samples:
                assert came.take(item) == (EXPLICIT, uncompressed(item))
            assert served.wait_archived(ARCHIVING_S) == 0
        with pytest.raises(PeerFault, match="0xA702"):
            peer.move([damaged], "DEST")
