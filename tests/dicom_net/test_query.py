"""C-FIND (PS3.4 C.4.1)."""

from __future__ import annotations

import pytest
from pydicom.dataset import Dataset
from pynetdicom.association import Association

from dicom.archive import Right
from dicom.association import Command, CommandField
from dicom.sop_classes import PATIENT_ROOT_FIND, STUDY_ROOT_FIND
from tests.dicom_net.conftest import Served, serving
from tests.dicom_net.filling import encode, fill
from tests.dicom_net.memory_archive import MemoryArchive
from tests.dicom_net.raw_peer import RawPeer
from tests.dicom_net.scu import EXPLICIT, IMPLICIT, associated, identifier
from tests.dicom_net.test_hostile_peers import response

BIG_ENDIAN = "1.2.840.10008.1.2.2"


def ask(
    association: Association, query: Dataset, model: str = STUDY_ROOT_FIND
) -> tuple[list[Dataset], list[int]]:
    answers = list(association.send_c_find(query, model))
    return [reply for _, reply in answers if reply is not None], [s.Status for s, _ in answers]


@pytest.mark.parametrize("syntax", [EXPLICIT, IMPLICIT, BIG_ENDIAN])
@pytest.mark.parametrize("model", [STUDY_ROOT_FIND, PATIENT_ROOT_FIND])
def test_replies(memory: Served, syntax: str, model: str) -> None:
    fill(memory.archive, 3)
    fill(memory.archive, 1, StudyInstanceUID="1.2.9", PatientName="Roe^Richard")
    with associated(memory, (model, syntax)) as association:
        keys = identifier("STUDY", PatientName="doe*", StudyInstanceUID="", StudyDate="2024-")
        keys.StudyDate = "20240101-20241231"
        replies, statuses = ask(association, keys, model)
    assert statuses == [0xFF00, 0x0000]
    (reply,) = replies
    assert reply.QueryRetrieveLevel == "STUDY"
    assert (reply.PatientName, reply.StudyInstanceUID) == ("Doe^Jane", "1.2.3")
    assert (reply.RetrieveAETitle, reply.InstanceAvailability) == ("MEMORY", "ONLINE")
    assert memory.archive.find_closed.is_set()


def test_unsupported_optional_keys(memory: Served) -> None:
    fill(memory.archive)
    with associated(memory, (STUDY_ROOT_FIND, EXPLICIT)) as association:
        _, statuses = ask(association, identifier("STUDY", ProtocolName=""))
    assert statuses == [0xFF01, 0x0000]


@pytest.mark.parametrize(
    ("asked", "stored", "name", "answered"),
    [
        ("ISO_IR 192", "ISO_IR 100", "Müller", "ISO_IR 192"),
        ("ISO_IR 101", "ISO_IR 100", "Müller", "ISO_IR 101"),
        (None, "ISO_IR 100", "Müller", "ISO_IR 100"),
        ("ISO_IR 100", "ISO_IR 144", "Иванов", "ISO_IR 144"),
        ("ISO_IR 100", "ISO_IR 192", "山田", "ISO_IR 192"),
    ],
)
def test_character_set(
    memory: Served, asked: str | None, stored: str, name: str, answered: str
) -> None:
    fill(memory.archive, SpecificCharacterSet=stored, PatientName=name)
    query = identifier("STUDY", PatientName="")
    if asked is not None:
        query.SpecificCharacterSet = asked
    with associated(memory, (STUDY_ROOT_FIND, EXPLICIT)) as association:
        (reply,), _ = ask(association, query)
    assert reply.SpecificCharacterSet == answered
    reply.decode()
    assert str(reply.PatientName) == name


@pytest.mark.parametrize(
    ("query", "status"),
    [
        (identifier("PATIENT", PatientName=""), 0xA900),
        (identifier("SLICE", PatientName=""), 0xA900),
        (identifier("", PatientName=""), 0xA900),
    ],
)
def test_levels_that_the_model_lacks(memory: Served, query: Dataset, status: int) -> None:
    with associated(memory, (STUDY_ROOT_FIND, EXPLICIT)) as association:
        assert ask(association, query) == ([], [status])


def test_not_authorized() -> None:
    archive = MemoryArchive(rights=frozenset(Right) - {Right.QUERY})
    with (
        serving(archive) as served,
        associated(served, (STUDY_ROOT_FIND, EXPLICIT)) as association,
    ):
        assert ask(association, identifier("STUDY"))[1] == [0x0124]


FIND = Command(
    CommandField.C_FIND, True, message_id=7, priority=0, affected_sop_class_uid=STUDY_ROOT_FIND
)


def test_cancel_ends_an_endless_query(memory: Served) -> None:
    fill(memory.archive)
    memory.archive.endless = True
    with RawPeer(memory.port) as peer:
        peer.associate(STUDY_ROOT_FIND)
        peer.command(1, FIND)
        peer.send_pdv(1, 2, encode(identifier("STUDY", PatientID="")))
        assert response(peer).status == 0xFF00
        peer.read()
        peer.command(1, Command(CommandField.C_CANCEL, message_id_responded=99))
        peer.command(1, Command(CommandField.C_CANCEL, message_id_responded=7))
        while (reply := response(peer)).status == 0xFF00:
            peer.read()
        assert (reply.status, reply.message_id_responded) == (0xFE00, 7)
        assert memory.archive.find_closed.wait(5)
        peer.command(1, Command(CommandField.C_CANCEL, message_id_responded=7))
        memory.archive.endless = False
        peer.command(1, FIND)
        peer.send_pdv(1, 2, encode(identifier("STUDY", PatientID="")))
        assert response(peer).status == 0xFF00


def test_a_peer_that_leaves_ends_its_query(memory: Served) -> None:
    fill(memory.archive)
    memory.archive.endless = True
    with RawPeer(memory.port) as peer:
        peer.associate(STUDY_ROOT_FIND)
        peer.command(1, FIND)
        peer.send_pdv(1, 2, encode(identifier("STUDY", PatientID="")))
        peer.read()
    assert memory.archive.find_closed.wait(5)


def test_an_identifier_cut_short_is_refused(memory: Served) -> None:
    fill(memory.archive)
    with RawPeer(memory.port) as peer:
        peer.associate(STUDY_ROOT_FIND)
        peer.command(1, FIND)
        peer.send_pdv(1, 2, encode(identifier("STUDY", StudyInstanceUID="1.2.3"))[:-3])
        assert response(peer).status == 0xC000
    assert not memory.archive.found


def test_keys_of_any_length_count(memory: Served) -> None:
    """Two thousand UIDs are more than one explicit VR UI value, of 64 KiB, can hold."""
    (wanted,) = fill(memory.archive)
    uids = [f"1.2.826.0.1.3680043.8.498.{number:040}" for number in range(2000)]
    query = identifier("IMAGE", StudyInstanceUID="1.2.3", SOPInstanceUID=[*uids, wanted])
    query.SeriesInstanceUID = "1.2.3.4"
    with associated(memory, (STUDY_ROOT_FIND, IMPLICIT)) as association:
        replies, statuses = ask(association, query)
    assert statuses == [0xFF00, 0x0000]
    assert replies[0].SOPInstanceUID == wanted
