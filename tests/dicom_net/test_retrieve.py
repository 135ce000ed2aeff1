"""C-MOVE and C-GET (PS3.4 C.4.2, C.4.3)."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.filebase import DicomBytesIO
from pydicom.uid import generate_uid
from pynetdicom import AllStoragePresentationContexts, evt

from dicom.archive import ArchiveFault, Node, Right
from dicom.association import Command, CommandField
from dicom.sop_classes import PATIENT_ROOT_GET, STUDY_ROOT_GET, STUDY_ROOT_MOVE
from tests.dicom_net.conftest import CT, Served, example, serving
from tests.dicom_net.filling import encode, fill, put
from tests.dicom_net.memory_archive import MemoryArchive
from tests.dicom_net.raw_peer import RawPeer
from tests.dicom_net.scu import (
    EXPLICIT,
    IMPLICIT,
    accepting,
    associated,
    identifier,
    received_bytes,
)
from tests.dicom_net.test_hostile_peers import response

MR = "1.2.840.10008.5.1.4.1.1.4"
JPEGLS = "1.2.840.10008.1.2.4.80"
STUDY = identifier("STUDY", StudyInstanceUID="1.2.3")


@dataclass
class Received:
    """What a peer took by C-STORE."""

    status: int = 0x0000
    requests: list[Any] = field(default_factory=list)
    data: list[bytes] = field(default_factory=list)
    syntaxes: list[str] = field(default_factory=list)
    pause: float = 0.0

    def take(self, event: Any) -> int:
        time.sleep(self.pause)
        self.requests.append(event.request)
        self.data.append(received_bytes(event))
        self.syntaxes.append(str(event.context.transfer_syntax))
        return self.status

    @property
    def handlers(self) -> list[tuple[Any, ...]]:
        return [(evt.EVT_C_STORE, self.take)]


def final(answers: Iterator[tuple[Dataset, Dataset | None]]) -> tuple[Dataset, Dataset | None]:
    return list(answers)[-1]


def counts(status: Dataset) -> tuple[int, int, int, int]:
    return (
        status.Status,
        status.NumberOfCompletedSuboperations,
        status.NumberOfFailedSuboperations,
        status.NumberOfWarningSuboperations,
    )


def get(
    served: Served,
    received: Received,
    *syntaxes: str,
    query: Dataset = STUDY,
    model: str = STUDY_ROOT_GET,
) -> tuple[Dataset, Dataset | None]:
    storage = [(CT, syntax) for syntax in syntaxes]
    with associated(
        served, (model, EXPLICIT), *storage, scp_of=[CT], handlers=received.handlers
    ) as association:
        return final(association.send_c_get(query, model))


def move(served: Served, destination: str = "DEST") -> list[tuple[Dataset, Dataset | None]]:
    with associated(served, (STUDY_ROOT_MOVE, EXPLICIT), calling="MOVER") as association:
        return list(association.send_c_move(STUDY, destination, STUDY_ROOT_MOVE))


@contextmanager
def destination(
    served: Served,
    port: int,
    received: Received,
    *contexts: tuple[str, list[str]],
    coerced: bool = False,
) -> Iterator[None]:
    served.archive.nodes["DEST"] = Node("DEST", "127.0.0.1", port, coerced=coerced)
    with accepting(port, *contexts, handlers=received.handlers):
        yield


@pytest.mark.parametrize("model", [STUDY_ROOT_GET, PATIENT_ROOT_GET])
def test_get_gives_the_stored_bytes(memory: Served, model: str) -> None:
    fill(memory.archive, 6)
    received = Received()
    query = identifier("STUDY", StudyInstanceUID="1.2.3", PatientID="P1")
    status, _ = get(memory, received, EXPLICIT, IMPLICIT, query=query, model=model)
    assert counts(status) == (0x0000, 6, 0, 0)
    assert "NumberOfRemainingSuboperations" not in status
    kept = memory.archive.kept
    assert received.data == [one.data for one in kept.values()]
    assert set(received.syntaxes) == {EXPLICIT}
    assert memory.archive.prefetched == [(handle, None) for handle in kept]
    assert [done[1:] for done in memory.archive.retrievals] == [(6, 0)]


def test_get_of_a_compressed_instance_needs_its_context(memory: Served) -> None:
    dataset = example(PixelData=encapsulate([b"not a JPEG-LS stream"]))
    dataset["PixelData"].is_undefined_length = True
    uid = put(memory.archive, dataset, JPEGLS)
    received = Received()
    status, _ = get(memory, received, JPEGLS, EXPLICIT)
    assert counts(status) == (0x0000, 1, 0, 0)
    assert received.syntaxes == [JPEGLS]
    status, failed = get(memory, received, EXPLICIT)
    assert counts(status) == (0xA702, 0, 1, 0)
    assert failed is not None
    assert failed.FailedSOPInstanceUIDList == uid


def test_get_falls_back_to_an_uncompressed_syntax(memory: Served) -> None:
    (uid,) = fill(memory.archive)
    received = Received()
    assert counts(get(memory, received, IMPLICIT)[0]) == (0x0000, 1, 0, 0)
    assert memory.archive.prefetched == [(uid, IMPLICIT)]
    assert received.syntaxes == [IMPLICIT]
    out = DicomBytesIO(received.data[0])
    assert dcmread(out, force=True).PixelData == bytes(range(256)) * 32
    assert str(received.requests[0].AffectedSOPInstanceUID) == uid


def test_get_without_role_selection_fails(memory: Served) -> None:
    fill(memory.archive, 2)
    with associated(memory, (STUDY_ROOT_GET, EXPLICIT), (CT, EXPLICIT)) as association:
        status, failed = final(association.send_c_get(STUDY, STUDY_ROOT_GET))
    assert counts(status) == (0xA702, 0, 2, 0)
    assert failed is not None
    assert sorted(failed.FailedSOPInstanceUIDList) == sorted(memory.archive.kept)


def test_failures_and_warnings_are_counted(memory: Served) -> None:
    uids = fill(memory.archive, 4)
    memory.archive.read_faults[uids[1]] = ArchiveFault(0xC000, "altered")
    received = Received()
    status, failed = get(memory, received, EXPLICIT)
    assert counts(status) == (0xB000, 3, 1, 0)
    assert failed is not None
    assert failed.FailedSOPInstanceUIDList == uids[1]
    received.status = 0xB000
    assert counts(get(memory, received, EXPLICIT)[0]) == (0xB000, 0, 1, 3)
    received.status = 0xA700
    assert counts(get(memory, received, EXPLICIT)[0]) == (0xA702, 0, 4, 0)


def test_nothing_selected_is_success(memory: Served) -> None:
    assert counts(get(memory, Received(), EXPLICIT)[0]) == (0x0000, 0, 0, 0)


def test_identifiers_that_do_not_fit(memory: Served) -> None:
    fill(memory.archive)
    status, _ = get(memory, Received(), EXPLICIT, query=identifier("STUDY", PatientName="D*"))
    assert status.Status == 0xA900
    assert "keys" in status.ErrorComment


def test_not_authorized(free_port: int) -> None:
    archive = MemoryArchive(rights=frozenset(Right) - {Right.RETRIEVE})
    with serving(archive) as served:
        assert get(served, Received(), EXPLICIT)[0].Status == 0x0124
        assert move(served)[-1][0].Status == 0x0124


def test_get_cancelled_between_sub_operations(memory: Served) -> None:
    fill(memory.archive, 50)
    received = Received()
    with associated(
        memory, (STUDY_ROOT_GET, EXPLICIT), (CT, EXPLICIT), scp_of=[CT], handlers=received.handlers
    ) as association:
        answers = association.send_c_get(STUDY, STUDY_ROOT_GET, msg_id=5)
        next(answers)
        association.send_c_cancel(5, query_model=STUDY_ROOT_GET)
        status, _ = final(answers)
        assert status.Status == 0xFE00
        assert status.NumberOfRemainingSuboperations > 0
        done = status.NumberOfCompletedSuboperations
        assert done + status.NumberOfRemainingSuboperations == 50
        status, _ = final(association.send_c_get(STUDY, STUDY_ROOT_GET, msg_id=5))
        assert counts(status) == (0x0000, 50, 0, 0)


def test_move_names_its_originator_and_tells_its_progress(memory: Served, free_port: int) -> None:
    fill(memory.archive, 3)
    received = Received()
    with destination(memory, free_port, received, (CT, [EXPLICIT])):
        answers = move(memory)
    assert [status.Status for status, _ in answers] == [0xFF00, 0xFF00, 0x0000]
    assert [status.get("NumberOfRemainingSuboperations") for status, _ in answers] == [2, 1, None]
    assert counts(answers[-1][0]) == (0x0000, 3, 0, 0)
    assert received.data == [one.data for one in memory.archive.kept.values()]
    request = received.requests[0]
    assert request.MoveOriginatorApplicationEntityTitle == "MOVER"
    assert request.MoveOriginatorMessageID == 1


def test_move_prefers_the_stored_syntax_and_falls_back(memory: Served, free_port: int) -> None:
    fill(memory.archive, 1, syntax=JPEGLS, PixelData=b"a stream")
    fill(memory.archive, 1)
    received = Received()
    with destination(memory, free_port, received, (CT, [IMPLICIT, JPEGLS])):
        assert counts(move(memory)[-1][0]) == (0x0000, 2, 0, 0)
    assert received.syntaxes == [JPEGLS, IMPLICIT]
    assert received.data[0] == next(iter(memory.archive.kept.values())).data


def test_move_of_more_classes_than_one_association_holds(memory: Served, free_port: int) -> None:
    classes = [str(cx.abstract_syntax) for cx in AllStoragePresentationContexts[:100]]
    for sop_class in classes:
        fill(memory.archive, SOPClassUID=sop_class)
    received = Received()
    opened: list[object] = []
    memory.archive.nodes["DEST"] = Node("DEST", "127.0.0.1", free_port)
    handlers = [*received.handlers, (evt.EVT_ACCEPTED, opened.append)]
    contexts = [(sop_class, [EXPLICIT]) for sop_class in classes]
    with accepting(free_port, *contexts, handlers=handlers):
        assert counts(move(memory)[-1][0]) == (0x0000, 100, 0, 0)
    assert len(opened) == 2
    assert {str(one.AffectedSOPClassUID) for one in received.requests} == set(classes)


def test_move_counts_what_the_destination_does_not_accept(memory: Served, free_port: int) -> None:
    fill(memory.archive, 1)
    (uid,) = fill(memory.archive, 1, SOPClassUID=MR)
    with destination(memory, free_port, Received(), (CT, [EXPLICIT])):
        status, failed = move(memory)[-1]
    assert counts(status) == (0xB000, 1, 1, 0)
    assert failed is not None
    assert failed.FailedSOPInstanceUIDList == uid


def test_move_to_a_destination_that_is_away(memory: Served, free_port: int) -> None:
    fill(memory.archive, 2)
    memory.archive.nodes["DEST"] = Node("DEST", "127.0.0.1", free_port)
    status, failed = move(memory)[-1]
    assert counts(status) == (0xA702, 0, 2, 0)
    assert failed is not None
    assert len(failed.FailedSOPInstanceUIDList) == 2
    assert move(memory, "NOWHERE")[-1][0].Status == 0xA801


def test_move_to_a_destination_that_leaves(memory: Served, free_port: int) -> None:
    fill(memory.archive, 4)
    received = Received()

    def leave(event: Any) -> int:
        if len(received.requests) == 2:
            event.assoc.abort()
        return received.take(event)

    memory.archive.nodes["DEST"] = Node("DEST", "127.0.0.1", free_port)
    with accepting(free_port, (CT, [EXPLICIT]), handlers=[(evt.EVT_C_STORE, leave)]):
        status, _ = move(memory)[-1]
    assert counts(status) == (0xB000, 2, 2, 0)


def test_move_gives_a_coerced_node_the_corrected_dataset(memory: Served, free_port: int) -> None:
    first, second = fill(memory.archive, 2)
    memory.archive.coercions[first] = lambda dataset, syntax: b"corrected bytes."
    received = Received()
    with destination(memory, free_port, received, (CT, [EXPLICIT]), coerced=True):
        move(memory)
    assert received.data == [b"corrected bytes.", memory.archive.kept[second].data]
    received.data.clear()
    memory.archive.nodes["DEST"] = Node("DEST", "127.0.0.1", free_port)
    with accepting(free_port, (CT, [EXPLICIT]), handlers=received.handlers):
        move(memory)
    assert received.data == [one.data for one in memory.archive.kept.values()]


def test_get_gives_a_coerced_node_the_corrected_dataset(memory: Served) -> None:
    (uid,) = fill(memory.archive)
    memory.archive.coercions[uid] = lambda dataset, syntax: b"corrected bytes."
    memory.archive.nodes["PYNETDICOM"] = Node("PYNETDICOM", "127.0.0.1", 1, coerced=True)
    received = Received()
    get(memory, received, EXPLICIT)
    assert received.data == [b"corrected bytes."]


def test_what_is_corrected_is_the_dataset_in_the_syntax_that_the_peer_takes(
    memory: Served,
) -> None:
    (uid,) = fill(memory.archive)
    memory.archive.coercions[uid] = lambda dataset, syntax: syntax.encode() + b" " + dataset[:8]
    memory.archive.nodes["PYNETDICOM"] = Node("PYNETDICOM", "127.0.0.1", 1, coerced=True)
    received = Received()
    get(memory, received, IMPLICIT)
    sop_class_uid = bytes.fromhex("0800 1600 1a000000")  # its length in four bytes: implicit VR
    assert received.data == [IMPLICIT.encode() + b" " + sop_class_uid]


def test_move_cancelled(memory: Served, free_port: int) -> None:
    fill(memory.archive, 40)
    command = Command(
        CommandField.C_MOVE,
        True,
        message_id=9,
        priority=0,
        move_destination="DEST",
        affected_sop_class_uid=STUDY_ROOT_MOVE,
    )
    with (
        destination(memory, free_port, Received(pause=0.02), (CT, [EXPLICIT])),
        RawPeer(memory.port) as peer,
    ):
        peer.associate(STUDY_ROOT_MOVE)
        peer.command(1, command)
        peer.send_pdv(1, 2, encode(STUDY))
        assert response(peer).status == 0xFF00
        peer.command(1, Command(CommandField.C_CANCEL, message_id_responded=9))
        while (reply := response(peer)).status == 0xFF00:
            continue
    assert reply.status == 0xFE00
    assert reply.remaining is not None
    assert reply.completed is not None
    assert 0 < reply.remaining == 40 - reply.completed


def test_uids_that_break_every_rule_are_moved(memory: Served, free_port: int) -> None:
    for uid in ("not a UID", "1.2." + "3" * 80, generate_uid()):
        fill(memory.archive, SOPInstanceUID=uid)
    received = Received()
    with destination(memory, free_port, received, (CT, [EXPLICIT])):
        status, _ = move(memory)[-1]
    assert status.NumberOfFailedSuboperations + status.NumberOfCompletedSuboperations == 3
    assert received.data[0] == memory.archive.kept["not a UID"].data
