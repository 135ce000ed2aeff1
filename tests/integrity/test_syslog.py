"""The trail reaches a syslog receiver over TLS: every entry, in order, after whatever broke off."""

from __future__ import annotations

import re
import shutil
import socket
import ssl
import subprocess
from base64 import b64decode
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from io import BytesIO
from pathlib import Path
from threading import Event, Thread
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

import pytest
from pydicom.filereader import read_dataset

from config.schema import Syslog
from service.demo.scratch import unused_port
from service.home import Home
from service.index import Entry
from service.syslog.events import EVENTS, event_of
from service.syslog.message import Source, audit_message, syslog_message
from service.syslog.sender import POSITION, Sender
from tests.keepout.certificates import Authority, Pair
from tests.service.made import dataset, take
from tests.waiting import wait_for

SOURCE = Source("RADIOLITH", "archive.example.org")


def entry(event: str, **details: object) -> Entry:
    return Entry(7, 1_790_000_000_123_456, event, details, bytes(32), b"h" * 32)


def message(event: str, **details: object) -> Element:
    told = event_of(event)
    assert told is not None
    return ElementTree.fromstring(audit_message(entry(event, **details), told, SOURCE))


def code(element: Element, name: str) -> str:
    found = element.find(f".//{name}")
    assert found is not None
    return found.attrib["csd-code"]


def users(root: Element) -> list[tuple[str, str, str]]:
    return [
        (
            one.attrib["UserID"],
            one.attrib["UserIsRequestor"],
            code(one, "RoleIDCode") if one.find("RoleIDCode") is not None else "",
        )
        for one in root.findall("ActiveParticipant")
    ]


def test_the_header_is_that_of_rfc_5424_with_the_message_id_of_ps3_15() -> None:
    made = syslog_message(entry("key rotated", key="ab"), SOURCE)
    assert made is not None
    header, _, body = made.partition(b"\xef\xbb\xbf")
    fields = header.decode().split(" ")
    assert fields[:4] == [
        "<85>1",
        "2026-09-21T14:13:20.123456Z",
        "archive.example.org",
        "radiolith",
    ]
    assert fields[5:] == ["DICOM+RFC3881", "-", ""]
    assert ElementTree.fromstring(body).tag == "AuditMessage"


def test_a_reception_is_a_transfer_from_the_sender_to_us() -> None:
    root = message(
        "stored", calling_ae="CT1", address="192.0.2.7", study_uid="1.2.3",
        sop_class_uid="1.2.840.10008.5.1.4.1.1.2", sop_instance_uid="1.2.3.4",
    )  # fmt: skip
    assert code(root, "EventID") == "110104"
    assert users(root) == [("CT1", "true", "110153"), ("RADIOLITH", "false", "110152")]
    study = root.find("ParticipantObjectIdentification")
    assert study is not None
    assert study.attrib["ParticipantObjectID"] == "1.2.3"
    assert code(study, "ParticipantObjectIDTypeCode") == "110180"
    (instance,) = study.iter("Instance")
    assert instance.attrib["UID"] == "1.2.3.4"


def test_a_move_names_who_asked_and_where_it_went() -> None:
    root = message(
        "retrieve", peer="WS1", address="192.0.2.9", destination="PACS", completed=3, failed=1,
        study_uids=["1.2", "1.3"],
    )  # fmt: skip
    assert users(root) == [
        ("RADIOLITH", "false", "110153"), ("PACS", "false", "110152"), ("WS1", "true", ""),
    ]  # fmt: skip
    told = root.find("EventIdentification")
    assert told is not None
    assert told.attrib["EventOutcomeIndicator"] == "4"
    named = [
        one.attrib["ParticipantObjectID"] for one in root.iter("ParticipantObjectIdentification")
    ]
    assert named[:2] == ["1.2", "1.3"]


def test_a_query_tells_keys_and_no_value() -> None:
    root = message(
        "query", peer="WS1", address="::1", model="study", level="STUDY", found=2,
        keys=["PatientName", "StudyDate", "(0009,1001)"],
    )  # fmt: skip
    assert code(root, "EventID") == "110112"
    asked = root.find(".//ParticipantObjectQuery")
    assert asked is not None
    sent = read_dataset(BytesIO(b64decode(asked.text or "")), True, True)
    assert sent.QueryRetrieveLevel == "STUDY"
    assert {element.keyword for element in sent if element.is_empty} == {"PatientName", "StudyDate"}


def test_a_refused_user_is_a_failed_login() -> None:
    root = message("user refused", peer="CT1", address="192.0.2.9", user="amelie", reason="wrong")
    told = root.find("EventIdentification")
    assert told is not None
    assert told.attrib["EventOutcomeIndicator"] == "4"
    assert code(root, "EventID") == "110114"
    assert users(root) == [("amelie", "true", ""), ("CT1", "false", "")]


def test_damage_is_a_serious_failure_and_the_unknown_is_sent_too() -> None:
    root = message("damaged", sop_instance_uid="1.2.3", kind="altered")
    told = root.find("EventIdentification")
    assert told is not None
    assert told.attrib["EventOutcomeIndicator"] == "8"
    assert code(message("of a later version"), "EventID") == "110113"


def test_every_event_of_the_trail_is_listed() -> None:
    """What the code enters anywhere has its message, or none by decision."""
    entered = re.compile(r'(?:trail\.append|\btell|_tell|_enter)\(\s*(?:\w+,\s*)?"([a-z ]+)"')
    root = Path(__file__).parents[2] / "service"
    found = {name for path in root.rglob("*.py") for name in entered.findall(path.read_text())}
    assert {"stored", "query", "purged", "key rotated", "service stopped"} <= found
    assert found <= EVENTS.keys()


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"), "authority")


class Receiver:
    """A TLS syslog receiver: reads RFC 5425 frames; may break off once, after some."""

    def __init__(self, pair: Pair, client: Authority | None = None) -> None:
        self.messages: list[bytes] = []
        self.port = unused_port()
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(pair.certificate, pair.key)
        if client is not None:
            self._context.load_verify_locations(client.file)
            self._context.verify_mode = ssl.CERT_REQUIRED
        self.breaks_after = 0
        self.closes = 0
        """Connections whose end was announced (RFC 5425 4.4)."""

    @contextmanager
    def listening(self) -> Iterator[None]:
        with socket.create_server(("127.0.0.1", self.port)) as listener:
            thread = Thread(target=self._accept, args=[listener], daemon=True)
            thread.start()
            try:
                yield
            finally:
                listener.shutdown(socket.SHUT_RDWR)
                thread.join(60)

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                opened, _ = listener.accept()
            except OSError:
                return
            with suppress(OSError), self._secured(opened) as secured:
                self._read(secured)

    def _secured(self, opened: socket.socket) -> ssl.SSLSocket:
        return self._context.wrap_socket(opened, server_side=True, suppress_ragged_eofs=False)

    def _read(self, secured: ssl.SSLSocket) -> None:
        stream = secured.makefile("rb")
        number = 0
        while digits := _until_space(stream.read):
            self.messages.append(stream.read(int(digits)))
            number += 1
            if number == self.breaks_after:
                self.breaks_after = 0
                return
        self.closes += 1

    def positions(self) -> list[int]:
        """Give the trail positions that came, in order."""
        roots = (ElementTree.fromstring(one.partition(b"\xef\xbb\xbf")[2]) for one in self.messages)
        names = (
            one.attrib["ParticipantObjectID"]
            for root in roots
            for one in root.iter("ParticipantObjectIdentification")
        )
        return [int(name.partition("/")[2]) for name in names if name.startswith("trail/")]


def _until_space(read: Callable[[int], bytes]) -> bytes:
    digits = b""
    while (byte := read(1)) not in (b"", b" "):
        digits += byte
    return digits


@contextmanager
def sending(
    home: Home, port: int, authority: Authority, ours: Pair | None = None, settle_s: float = 0.5
) -> Iterator[None]:
    """Send the archive's trail to a port, in a thread as the housekeeper does."""
    settings = Syslog(
        host="127.0.0.1",
        port=port,
        authorities=authority.file,
        certificate=ours.certificate if ours else None,
        key_file=ours.key if ours else None,
    )
    home.settings = home.settings.model_copy(update={"syslog": settings})
    stop = Event()
    thread = Thread(target=Sender(home, settle_s).run, args=[stop])
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(60)


def told_positions(home: Home) -> list[int]:
    """Give the positions of the entries that are to be sent."""
    return [one.position for one in home.index.trail.entries() if event_of(one.event) is not None]


def sent_to(home: Home) -> int:
    path = home.path / POSITION
    return int(path.read_text()) if path.exists() else 0


def test_every_entry_arrives_in_order_also_over_a_restart(home: Home, authority: Authority) -> None:
    receiver = Receiver(authority.issue("receiver"), authority)
    ours = authority.issue("archive")
    take(home, dataset("1.2.1", size=8), "1.2.1")
    with receiver.listening(), sending(home, receiver.port, authority, ours):
        wait_for(lambda: sent_to(home) == home.index.trail.head()[0], 60)
    take(home, dataset("1.2.2", size=8), "1.2.2")
    with receiver.listening(), sending(home, receiver.port, authority, ours):
        wait_for(lambda: sent_to(home) == home.index.trail.head()[0], 60)
    assert receiver.positions() == told_positions(home)
    assert receiver.closes == 2


def test_nothing_waits_for_a_receiver_that_is_gone_and_nothing_is_lost(
    home: Home, authority: Authority
) -> None:
    receiver = Receiver(authority.issue("receiver"))
    receiver.breaks_after = 2
    # However late the receiver reads, it breaks off before anything counts as sent.
    with ExitStack() as listening, sending(home, receiver.port, authority, settle_s=3600):
        for number in range(5):
            take(home, dataset(f"1.2.{number}", size=8, seed=number), f"1.2.{number}")
        assert receiver.messages == []
        listening.enter_context(receiver.listening())
        wait_for(lambda: receiver.positions()[2:] == told_positions(home), 60)
    assert (sent_to(home), receiver.closes) == (0, 1)


def test_a_receiver_that_nobody_vouches_for_gets_nothing(
    home: Home, authority: Authority, tmp_path: Path
) -> None:
    stranger = Authority(tmp_path / "stranger", "stranger")
    receiver = Receiver(stranger.issue("receiver"))
    take(home, dataset("1.2.1", size=8), "1.2.1")
    with receiver.listening(), sending(home, receiver.port, authority), suppress(AssertionError):
        wait_for(lambda: bool(receiver.messages), 3)
    assert receiver.messages == []
    assert sent_to(home) == 0


RSYSLOG = """
module(load="imtcp" StreamDriver.Name="gtls" StreamDriver.Mode="1" StreamDriver.AuthMode="anon")
global(workDirectory="{folder}" maxMessageSize="64k" DefaultNetstreamDriver="gtls"
    DefaultNetstreamDriverCAFile="{authority}" DefaultNetstreamDriverCertFile="{certificate}"
    DefaultNetstreamDriverKeyFile="{key}")
template(name="raw" type="string" string="%msgid% %rawmsg%\\n")
input(type="imtcp" port="{port}" address="127.0.0.1")
*.* action(type="omfile" file="{folder}/received" template="raw")
"""


@pytest.mark.interop
def test_rsyslog_takes_it(home: Home, authority: Authority, tmp_path: Path) -> None:
    program = shutil.which("rsyslogd", path="/usr/sbin:/usr/bin:/sbin:/bin")
    if program is None:
        pytest.skip("rsyslogd is not installed (Debian: apt-get install rsyslog rsyslog-gnutls)")
    port, pair = unused_port(), authority.issue("rsyslog")
    settings = tmp_path / "rsyslog.conf"
    settings.write_text(
        RSYSLOG.format(
            folder=tmp_path, authority=authority.file, port=port,
            certificate=pair.certificate, key=pair.key,
        )
    )  # fmt: skip
    process = subprocess.Popen(
        [program, "-n", "-f", str(settings), "-i", str(tmp_path / "pid")],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    received = tmp_path / "received"
    take(home, dataset("1.2.1", size=8), "1.2.1")
    try:
        with sending(home, port, authority):
            last = f"trail/{told_positions(home)[-1]}"
            wait_for(lambda: received.exists() and last in received.read_text(), 60)
    finally:
        process.terminate()
        process.wait(20)
    assert received.read_text().startswith("DICOM+RFC3881 ")
