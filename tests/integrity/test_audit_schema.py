"""Audit messages follow the schema of PS3.15 A.5.1.1, whatever peers and datasets say."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from service.encode import Codec
from service.home import Home
from service.index import Entry
from service.syslog.events import EVENTS, event_of
from service.syslog.message import Source, audit_message
from tests.integrity import victim as victims

SCHEMA = etree.RelaxNG(etree.parse(Path(__file__).with_name("audit_message.rng")))
SOURCE = Source("RADIOLITH", "archive.example.org")
SENT = sorted(name for name, event in EVENTS.items() if event is not None)
FIELDS = (
    "address", "ae_title", "by", "calling_ae", "deletion", "destination", "found", "key", "kind",
    "level", "model", "peer", "reason", "sop_class_uid", "sop_instance_uid", "study_uid", "user",
    "username",
)  # fmt: skip


def require_valid(entry: Entry) -> etree._Element:
    event = event_of(entry.event)
    assert event is not None
    root = etree.fromstring(audit_message(entry, event, SOURCE))
    SCHEMA.assertValid(root)
    return root


def entry(event: str, **details: object) -> Entry:
    return Entry(7, 1_790_000_000_123_456, event, details, bytes(32), b"h" * 32)


def test_what_a_real_archive_tells_is_valid(tmp_path: Path, codec: Codec) -> None:
    with Home.open(victims.make(tmp_path, codec)) as home:
        told = [one for one in home.index.trail.entries() if event_of(one.event) is not None]
    assert {"stored", "correction", "purged", "key rotated", "held"} <= {one.event for one in told}
    for one in told:
        require_valid(one)


@pytest.mark.parametrize("event", SENT)
def test_every_event_is_valid_with_all_its_fields_and_with_none(event: str) -> None:
    require_valid(entry(event))
    values = dict.fromkeys(FIELDS, "1.2.3") | {"failed": 1, "completed": 2}
    require_valid(entry(event, **values, keys=["PatientName"], study_uids=["1.2", "1.3"]))


@given(event=st.sampled_from(SENT), details=st.dictionaries(st.sampled_from(FIELDS), st.text()))
def test_no_text_of_a_peer_makes_a_message_that_is_not_valid(
    event: str, details: dict[str, str]
) -> None:
    require_valid(entry(event, **details))


def test_what_xml_cannot_hold_is_shown_as_replaced() -> None:
    root = require_valid(entry("stored", calling_ae="A\x01<&\ud800", study_uid="1.2\x00"))
    asked = root.find("ActiveParticipant")
    assert asked is not None
    assert asked.get("UserID") == "A\ufffd<&\ufffd"


@pytest.mark.parametrize(
    "harm",
    [
        lambda root: root.remove(root[0]),
        lambda root: root[1].attrib.pop("UserIsRequestor"),
        lambda root: root[0].set("EventActionCode", "X"),
        lambda root: root[0].set("EventDateTime", "yesterday"),
        lambda root: root.append(root[1]),
    ],
)
def test_the_schema_refuses_what_is_not_a_message(harm) -> None:  # type: ignore[no-untyped-def]
    root = require_valid(entry("stored", calling_ae="CT1"))
    harm(root)
    assert not SCHEMA.validate(root)
