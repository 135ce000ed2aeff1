"""What C-STORE brought is what comes back, byte for byte, in every transfer syntax."""

from __future__ import annotations

from pathlib import Path

import pytest

from dicom.association import (
    AssociateRequest,
    Association,
    Command,
    CommandField,
    ProposedContext,
    RoleSelection,
    Timeouts,
    request_association,
)
from dicom.contexts import user_information
from dicom.part10 import FileHeader, split_part10
from dicom.sop_classes import STUDY_ROOT_GET, is_storage
from tests.dicom_net.conftest import AE_TITLE, Served
from tests.dicom_net.filling import encode
from tests.dicom_net.scu import EXPLICIT, identifier


def read(path: Path) -> tuple[FileHeader, bytes]:
    data = path.read_bytes()
    header = split_part10(data)
    return header, data[header.dataset_offset :]


def open_association(served: Served, header: FileHeader) -> Association:
    contexts = (
        ProposedContext(1, header.sop_class_uid, (header.transfer_syntax,)),
        ProposedContext(3, STUDY_ROOT_GET, (EXPLICIT,)),
    )
    role = RoleSelection(header.sop_class_uid, scu=True, scp=True)
    request = AssociateRequest(AE_TITLE, "EXACT", contexts, user_information(16384, (role,)))
    return request_association("127.0.0.1", served.port, request, Timeouts(dimse=10))


def store(association: Association, header: FileHeader, dataset: bytes) -> int | None:
    command = Command(
        CommandField.C_STORE,
        has_dataset=True,
        message_id=1,
        priority=0,
        affected_sop_class_uid=header.sop_class_uid,
        affected_sop_instance_uid=header.sop_instance_uid,
    )
    return association.exchange(1, command, dataset).status


def get(association: Association, uid: str) -> bytes:
    command = Command(
        CommandField.C_GET, True, message_id=2, priority=0, affected_sop_class_uid=STUDY_ROOT_GET
    )
    association.send(3, command, encode(identifier("IMAGE", SOPInstanceUID=uid)))
    request = association.receive()
    assert request is not None
    assert request.command.field == CommandField.C_STORE
    dataset = association.dataset()
    association.send(1, request.command.reply(0x0000))
    final = association.receive()
    assert final is not None
    assert (final.command.status, final.command.completed) == (0x0000, 1)
    return dataset


def test_conformance_files_come_back_unchanged(memory: Served, shared_data: Path) -> None:
    compared = 0
    for path in sorted((shared_data / "conformance").rglob("*")):
        if not path.is_file():
            continue
        header, dataset = read(path)
        if not header.is_complete or not is_storage(header.sop_class_uid):
            continue
        memory.archive.kept.clear()
        association = open_association(memory, header)
        assert store(association, header, dataset) == 0x0000, path.name
        (uid,) = memory.archive.kept
        assert get(association, uid) == dataset, path.name
        association.release()
        compared += 1
    assert compared > 50


@pytest.mark.parametrize("length", [0, 1, 2, 16377, 16378, 16379, 1_000_003])
def test_datasets_of_any_length(memory: Served, length: int) -> None:
    """Fragments of 16,378 bytes are what a maximum length of 16,384 leaves room for."""
    header = FileHeader(b"", "1.2.840.10008.5.1.4.1.1.2", "1.2.3", EXPLICIT, is_complete=True)
    dataset = bytes(index % 251 for index in range(length))
    association = open_association(memory, header)
    assert store(association, header, dataset) == 0x0000
    association.release()
    assert [kept.data for kept in memory.archive.kept.values()] == [dataset]
