"""One entry of the trail as a syslog message: RFC 5424 around the XML of PS3.15 A.5.1.

What is known of patients in the trail is the UIDs of their studies and instances, and nothing else
is sent. Each message carries the entry's position and hash, so that its receiver holds an anchor of
the trail that nobody on this machine can set back.
"""

from __future__ import annotations

import os
import re
from base64 import b64encode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from xml.etree.ElementTree import Element, SubElement, tostring

from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.dataset import Dataset
from pydicom.uid import ImplicitVRLittleEndian

from dicom.identifiers import encode_dataset
from service.index import USER_REFUSED, Entry
from service.syslog.events import Code, Event, event_of

_PRIORITY: Final = 10 * 8 + 5
"""Facility 10, security and authorization; severity 5, notice (PS3.15 A.6)."""
_MESSAGE_ID: Final = "DICOM+RFC3881"
"""What PS3.15 A.6 has for messages of A.5."""
_BOM: Final = b"\xef\xbb\xbf"
_DECLARATION: Final = b"<?xml version='1.0' encoding='utf-8'?>\n"
_NO_XML: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What no XML document may hold (XML 1.0, 2.2): with one of these in a UID, a receiver could read
nothing of the message."""
_APPLICATION: Final = "radiolith"

_SUCCESS: Final = "0"
_MINOR_FAILURE: Final = "4"
_SERIOUS_FAILURE: Final = "8"

_SOURCE: Final = Code("110153", "Source Role ID")
_DESTINATION: Final = Code("110152", "Destination Role ID")
_STUDY: Final = Code("110180", "Study Instance UID")
_SOP_CLASS: Final = Code("110181", "SOP Class UID")
_AUDIT_LOG: Final = Code("12", "URI", "RFC-3881")

_HOST: Final = "1"
_ADDRESS: Final = "2"
_SYSTEM_OBJECT: Final = "2"
_REPORT: Final = "3"
_ASKED: Final = "24"
_SECURITY_RESOURCE: Final = "13"

_FIND: Final = {
    "patient": "1.2.840.10008.5.1.4.1.2.1.1",
    "study": "1.2.840.10008.5.1.4.1.2.2.1",
}
"""SOP Class UIDs of C-FIND by information model (PS3.4 C.6)."""


@dataclass(frozen=True, slots=True)
class Source:
    """Who says it: this archive."""

    ae_title: str
    host: str
    """Its host name."""


def syslog_message(entry: Entry, source: Source) -> bytes | None:
    """Give the RFC 5424 message of an entry; None for one that is not sent."""
    event = event_of(entry.event)
    if event is None:
        return None
    process = f"{source.host} {_APPLICATION} {os.getpid()}"
    header = f"<{_PRIORITY}>1 {_time(entry.at)} {process} {_MESSAGE_ID} - "
    return header.encode("ascii", "replace") + _BOM + audit_message(entry, event, source)


def audit_message(entry: Entry, event: Event, source: Source) -> bytes:
    """Give the audit message (PS3.15 A.5.1) of an entry, as XML in UTF-8."""
    root = Element("AuditMessage")
    told = SubElement(
        root,
        "EventIdentification",
        EventActionCode=event.action,
        EventDateTime=_time(entry.at),
        EventOutcomeIndicator=_outcome(entry),
    )
    _coded(told, "EventID", event.id)
    if event.type is not None:
        _coded(told, "EventTypeCode", event.type)
    for participant in _participants(entry, source):
        _participant(root, participant)
    asked = SubElement(root, "AuditSourceIdentification", AuditSourceID=source.ae_title)
    _coded(asked, "AuditSourceTypeCode", Code("4", "Application Server", "DCM"))
    for uid in _studies(entry.details):
        _study(root, uid, entry.details)
    if entry.event == "query":
        _query(root, entry.details)
    _anchor(root, entry)
    written = _NO_XML.sub("\ufffd", tostring(root, "unicode"))
    return _DECLARATION + written.encode("utf-8")


@dataclass(frozen=True, slots=True)
class _Participant:
    user: str
    requests: bool
    address: str = ""
    role: Code | None = None


def _participants(entry: Entry, source: Source) -> Iterator[_Participant]:
    """Name who took part: peers by AE title and address, people by their account."""
    details = entry.details
    address = str(details.get("address", ""))
    us = source.ae_title, source.host
    match entry.event:
        case "stored" | "stored again":
            yield _Participant(str(details.get("calling_ae", "")), True, address, _SOURCE)
            yield _Participant(us[0], False, us[1], _DESTINATION)
        case "query":
            yield _Participant(str(details.get("peer", "")), True, address, _SOURCE)
            yield _Participant(us[0], False, us[1], _DESTINATION)
        case "user authentication" | "user refused":
            yield _Participant(str(details.get("user", "")), True, address)
            yield _Participant(str(details.get("peer", "")), False, address)
        case "retrieve":
            asker = str(details.get("peer", ""))
            destination = str(details.get("destination", asker))
            yield _Participant(us[0], False, us[1], _SOURCE)
            yield _Participant(destination, destination == asker, role=_DESTINATION)
            if destination != asker:
                yield _Participant(asker, True, address)
        case _:
            yield _Participant(str(details.get("by") or us[0]), True, us[1])


def _participant(root: Element, who: _Participant) -> None:
    attributes = {"UserID": who.user, "UserIsRequestor": str(who.requests).lower()}
    if who.address:
        kind = _ADDRESS if who.address.replace(".", "").isdigit() or ":" in who.address else _HOST
        attributes |= {"NetworkAccessPointID": who.address, "NetworkAccessPointTypeCode": kind}
    element = SubElement(root, "ActiveParticipant", attributes)
    if who.role is not None:
        _coded(element, "RoleIDCode", who.role)


def _studies(details: Mapping[str, Any]) -> list[str]:
    """Name the studies that an entry concerns."""
    found = [details.get("study_uid"), *_list(details.get("study_uids"))]
    return [str(uid) for uid in dict.fromkeys(found) if uid]


def _study(root: Element, uid: str, details: Mapping[str, Any]) -> None:
    element = _object(root, uid, _SYSTEM_OBJECT, _REPORT, _STUDY)
    sop_class = details.get("sop_class_uid")
    if sop_class:
        description = SubElement(element, "ParticipantObjectDescription")
        named = SubElement(description, "SOPClass", UID=str(sop_class), NumberOfInstances="1")
        SubElement(named, "Instance", UID=str(details.get("sop_instance_uid", "")))


def _query(root: Element, details: Mapping[str, Any]) -> None:
    """Tell which keys were asked for. Their values may be a patient's: they are in no trail."""
    model = _FIND.get(str(details.get("model")), _FIND["study"])
    element = _object(root, model, _SYSTEM_OBJECT, _ASKED, _SOP_CLASS)
    asked = Dataset()
    asked.QueryRetrieveLevel = str(details.get("level", ""))
    for name in _list(details.get("keys")):
        tag = tag_for_keyword(str(name))
        if tag is not None and tag not in asked:
            asked.add_new(tag, dictionary_VR(tag), None)
    encoded = encode_dataset(asked, ImplicitVRLittleEndian)
    SubElement(element, "ParticipantObjectQuery").text = b64encode(encoded).decode("ascii")
    _detail(element, "TransferSyntax", ImplicitVRLittleEndian)
    _detail(element, "matches", str(details.get("found", "")))


def _anchor(root: Element, entry: Entry) -> None:
    """Tell where in the trail it stands, and its hash."""
    element = _object(
        root, f"trail/{entry.position}", _SYSTEM_OBJECT, _SECURITY_RESOURCE, _AUDIT_LOG
    )
    _detail(element, "event", entry.event)
    _detail(element, "sha256", entry.hash.hex())
    for name in ("key", "ae_title", "username", "kind", "deletion", "reason", "sop_instance_uid"):
        if details := entry.details.get(name):
            _detail(element, name, str(details))


def _object(root: Element, name: str, kind: str, role: str, code: Code) -> Element:
    element = SubElement(
        root,
        "ParticipantObjectIdentification",
        ParticipantObjectID=name,
        ParticipantObjectTypeCode=kind,
        ParticipantObjectTypeCodeRole=role,
    )
    _coded(element, "ParticipantObjectIDTypeCode", code)
    if role != _ASKED:
        SubElement(element, "ParticipantObjectName").text = name
    return element


def _detail(element: Element, name: str, value: str) -> None:
    SubElement(element, "ParticipantObjectDetail", type=name, value=_base64(value))


def _coded(parent: Element, name: str, code: Code) -> None:
    attributes = {
        "csd-code": code.value,
        "codeSystemName": code.system,
        "originalText": code.meaning,
    }
    SubElement(parent, name, attributes)


def _outcome(entry: Entry) -> str:
    if entry.event == "damaged":
        return _SERIOUS_FAILURE
    has_failed = entry.event == USER_REFUSED or entry.details.get("failed")
    return _MINOR_FAILURE if has_failed else _SUCCESS


def _time(at: int) -> str:
    """Write a time as RFC 3339 does, to the microsecond (RFC 5424 6.2.3)."""
    return datetime.fromtimestamp(at / 1e6, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _base64(text: str) -> str:
    return b64encode(text.encode("utf-8", "replace")).decode("ascii")


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []
