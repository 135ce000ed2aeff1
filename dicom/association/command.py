"""Command sets of DIMSE messages (PS3.7 6.3.1, 9.3, 10.3, Annex E)."""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace
from enum import IntEnum

from dicom.association.faults import ProtocolFault

_ELEMENT = struct.Struct("<HHL")
_US = struct.Struct("<H")
_NO_DATASET = 0x0101
_WITH_DATASET = 0x0001
_RESPONSE = 0x8000


class CommandField(IntEnum):
    """Command Field (0000,0100) of the requests; a response adds 0x8000 (PS3.7 E.1)."""

    C_STORE = 0x0001
    C_GET = 0x0010
    C_FIND = 0x0020
    C_MOVE = 0x0021
    C_ECHO = 0x0030
    N_EVENT_REPORT = 0x0100
    N_GET = 0x0110
    N_SET = 0x0120
    N_ACTION = 0x0130
    N_CREATE = 0x0140
    N_DELETE = 0x0150
    C_CANCEL = 0x0FFF


@dataclass(frozen=True, slots=True)
class Command:
    """One command set. None stands for an element that is not there."""

    field: int
    has_dataset: bool = False
    affected_sop_class_uid: str | None = None
    requested_sop_class_uid: str | None = None
    message_id: int | None = None
    message_id_responded: int | None = None
    move_destination: str | None = None
    priority: int | None = None
    status: int | None = None
    error_comment: str | None = None
    affected_sop_instance_uid: str | None = None
    requested_sop_instance_uid: str | None = None
    event_type_id: int | None = None
    action_type_id: int | None = None
    remaining: int | None = None
    completed: int | None = None
    failed: int | None = None
    warning: int | None = None
    move_originator_ae: str | None = None
    move_originator_message_id: int | None = None

    @property
    def is_response(self) -> bool:
        """Whether this answers a request."""
        return bool(self.field & _RESPONSE)

    def reply(self, status: int, comment: str | None = None) -> Command:
        """Make the response to this request; a response never repeats what only requests carry."""
        return replace(
            self,
            field=self.field | _RESPONSE,
            has_dataset=False,
            affected_sop_class_uid=self.affected_sop_class_uid or self.requested_sop_class_uid,
            requested_sop_class_uid=None,
            affected_sop_instance_uid=(
                self.affected_sop_instance_uid or self.requested_sop_instance_uid
            ),
            requested_sop_instance_uid=None,
            message_id=None,
            message_id_responded=self.message_id,
            move_destination=None,
            priority=None,
            status=status,
            error_comment=comment[:64] if comment else None,
            move_originator_ae=None,
            move_originator_message_id=None,
        )

    def encode(self) -> bytes:
        """Encode in implicit VR little endian, elements in the order of their tags."""
        parts = [self._encode_element(number) for number in _ELEMENTS]
        body = b"".join(parts)
        return _ELEMENT.pack(0, 0, 4) + struct.pack("<L", len(body)) + body

    def _encode_element(self, number: int) -> bytes:
        if number == _COMMAND_FIELD:
            value = _US.pack(self.field)
        elif number == _DATASET_TYPE:
            value = _US.pack(_WITH_DATASET if self.has_dataset else _NO_DATASET)
        else:
            name, vr = _ELEMENTS[number]
            held = getattr(self, name)
            if held is None:
                return b""
            value = _US.pack(held) if vr == "US" else _encode_text(held, vr)
        return _ELEMENT.pack(0, number, len(value)) + value


_COMMAND_FIELD = 0x0100
_DATASET_TYPE = 0x0800

_ELEMENTS: dict[int, tuple[str, str]] = {
    0x0002: ("affected_sop_class_uid", "UI"),
    0x0003: ("requested_sop_class_uid", "UI"),
    _COMMAND_FIELD: ("field", "US"),
    0x0110: ("message_id", "US"),
    0x0120: ("message_id_responded", "US"),
    0x0600: ("move_destination", "AE"),
    0x0700: ("priority", "US"),
    _DATASET_TYPE: ("has_dataset", "US"),
    0x0900: ("status", "US"),
    0x0902: ("error_comment", "LO"),
    0x1000: ("affected_sop_instance_uid", "UI"),
    0x1001: ("requested_sop_instance_uid", "UI"),
    0x1002: ("event_type_id", "US"),
    0x1008: ("action_type_id", "US"),
    0x1020: ("remaining", "US"),
    0x1021: ("completed", "US"),
    0x1022: ("failed", "US"),
    0x1023: ("warning", "US"),
    0x1030: ("move_originator_ae", "AE"),
    0x1031: ("move_originator_message_id", "US"),
}
"""Element number in group 0000 -> attribute of :class:`Command` and VR (PS3.7 E.1)."""


def decode_command(data: bytes) -> Command:
    """Decode a command set.

    Raises:
        ProtocolFault: an element is cut short or has a wrong length, or there is no Command Field.
    """
    values: dict[str, int | str] = {}
    offset = 0
    while offset < len(data):
        number, value = _next_element(data, offset)
        offset += _ELEMENT.size + len(value)
        if number in _ELEMENTS:
            name, vr = _ELEMENTS[number]
            values[name] = _decode_us(number, value) if vr == "US" else _decode_text(value)
    if "field" not in values:
        raise ProtocolFault("a command set without a Command Field")
    values["has_dataset"] = values.get("has_dataset", _NO_DATASET) != _NO_DATASET
    return Command(**values)  # type: ignore[arg-type]  # names and types are those of _ELEMENTS


def _next_element(data: bytes, offset: int) -> tuple[int, bytes]:
    start = offset + _ELEMENT.size
    if start > len(data):
        raise ProtocolFault("a command element that is cut short")
    group, number, length = _ELEMENT.unpack_from(data, offset)
    if length > len(data) - start:
        raise ProtocolFault(f"a command element (0000,{number:04X}) longer than its command set")
    return (number if group == 0 else -1), data[start : start + length]


def _decode_us(number: int, value: bytes) -> int:
    if len(value) != _US.size:
        raise ProtocolFault(f"a command element (0000,{number:04X}) of {len(value)} bytes")
    held: int = _US.unpack(value)[0]
    return held


def _decode_text(value: bytes) -> str:
    return value.decode("latin-1").strip(" \0")


def _encode_text(text: str, vr: str) -> bytes:
    value = text.encode("latin-1", "replace")
    return value if len(value) % 2 == 0 else value + (b"\0" if vr == "UI" else b" ")
