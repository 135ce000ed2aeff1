"""Command sets: our codec against itself, against pynetdicom's, and against damage."""

from __future__ import annotations

from io import BytesIO

from hypothesis import given
from hypothesis import strategies as st
from pynetdicom.dimse_messages import C_STORE_RQ
from pynetdicom.dsutils import decode as pynetdicom_decode
from pynetdicom.dsutils import encode as pynetdicom_encode

from dicom.association import Command, CommandField, ProtocolFault
from dicom.association.command import decode_command

words = st.integers(0, 0xFFFF)
uids = st.text("0123456789.", min_size=1, max_size=64)
titles = st.text("ABC_ ", min_size=1, max_size=16).filter(lambda title: title == title.strip())
commands = st.builds(
    Command,
    field=words,
    has_dataset=st.booleans(),
    affected_sop_class_uid=st.none() | uids,
    message_id=st.none() | words,
    message_id_responded=st.none() | words,
    move_destination=st.none() | titles,
    status=st.none() | words,
    error_comment=st.none() | titles,
    affected_sop_instance_uid=st.none() | uids,
    remaining=st.none() | words,
    failed=st.none() | words,
    move_originator_ae=st.none() | titles,
    move_originator_message_id=st.none() | words,
)


@given(commands)
def test_round_trip(command: Command) -> None:
    assert decode_command(command.encode()) == command


@given(st.binary(max_size=200))
def test_any_bytes_decode_or_are_a_protocol_fault(data: bytes) -> None:
    try:
        decode_command(data)
    except ProtocolFault:
        return


@given(commands, st.data())
def test_damaged_commands_decode_or_are_a_protocol_fault(
    command: Command, data: st.DataObject
) -> None:
    encoded = bytearray(command.encode())
    encoded[data.draw(st.integers(0, len(encoded) - 1))] = data.draw(st.integers(0, 255))
    try:
        decode_command(bytes(encoded[: data.draw(st.integers(0, len(encoded)))]))
    except ProtocolFault:
        return


def test_pynetdicom_writes_what_we_read() -> None:
    message = C_STORE_RQ().command_set
    message.CommandField = 1
    message.MessageID = 7
    message.Priority = 0
    message.CommandDataSetType = 1
    message.AffectedSOPClassUID = "1.2.3"
    message.AffectedSOPInstanceUID = "1.2.3.4.5"
    message.MoveOriginatorApplicationEntityTitle = "ORIGIN"
    message.MoveOriginatorMessageID = 9
    message.CommandGroupLength = 0
    encoded = pynetdicom_encode(message, True, True)
    assert encoded is not None
    assert decode_command(encoded) == Command(
        CommandField.C_STORE,
        has_dataset=True,
        message_id=7,
        priority=0,
        affected_sop_class_uid="1.2.3",
        affected_sop_instance_uid="1.2.3.4.5",
        move_originator_ae="ORIGIN",
        move_originator_message_id=9,
    )


def test_pynetdicom_reads_what_we_write() -> None:
    command = Command(
        CommandField.C_MOVE, True, message_id=3, priority=0, move_destination="DEST", completed=4
    )
    read = pynetdicom_decode(BytesIO(command.encode()), True, True)
    assert (read.CommandField, read.MessageID, read.MoveDestination) == (0x21, 3, "DEST")
    assert read.NumberOfCompletedSuboperations == 4
    length = len(command.encode()) - 12
    assert read.CommandGroupLength == length


def test_a_response_repeats_nothing_that_only_requests_carry() -> None:
    request = Command(
        CommandField.C_STORE,
        True,
        message_id=5,
        priority=1,
        affected_sop_class_uid="1.2",
        affected_sop_instance_uid="1.2.3",
        move_originator_ae="A",
        move_originator_message_id=2,
    )
    response = request.reply(0xA700, "x" * 100)
    assert response == Command(
        0x8001,
        False,
        message_id_responded=5,
        status=0xA700,
        error_comment="x" * 64,
        affected_sop_class_uid="1.2",
        affected_sop_instance_uid="1.2.3",
    )
    assert response.is_response
