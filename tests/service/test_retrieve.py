"""Reading back: from the journal, from objects through workers, and while either moves."""

from io import BytesIO

import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset

from dicom.archive import ArchiveFault, Model, Node, Peer, Query, Right, StoredInstance
from service.archive import ServiceArchive
from service.encode import Codec
from service.home import Home
from service.index import Author, patient
from service.processes.worker import drain
from service.retrieve import Retriever
from tests.service.made import EXPLICIT, damage, dataset, only, take

PEER = Peer("MODALITY", "RADIOLITH", "127.0.0.1")


def test_a_journalled_instance_is_read_here_an_archived_one_through_a_worker(
    home: Home, codec: Codec, retriever: Retriever
) -> None:
    number = take(home, dataset()).revision_id
    with retriever.read(number) as view:
        assert view == dataset()
    drain(home, codec)
    with retriever.read(number) as view:
        assert view == dataset()
        assert view.readonly


def test_an_instance_archived_between_looking_and_reading_is_found(
    home: Home, codec: Codec, retriever: Retriever, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = take(home, dataset()).revision_id
    get = home.index.revisions.get
    seen: list[object] = []

    def archived_meanwhile(revision_id: int) -> object:
        revision = get(revision_id)
        if not seen:
            seen.append(revision)
            drain(home, codec)
        return revision

    monkeypatch.setattr(home.index.revisions, "get", archived_meanwhile)
    with retriever.read(number) as view:
        assert view == dataset()


def test_what_is_read_ahead_is_handed_out_once_and_freed(
    home: Home, codec: Codec, retriever: Retriever
) -> None:
    numbers = [take(home, dataset(f"1.2.{n}", seed=n), f"1.2.{n}").revision_id for n in range(6)]
    drain(home, codec)
    for number in numbers * 2:
        retriever.prefetch(number)
    for n, number in enumerate(numbers):
        for _ in range(2):
            with retriever.read(number) as view:
                assert view == dataset(f"1.2.{n}", seed=n)


def test_reading_ahead_stays_within_its_memory(folder: object, home: Home, codec: Codec) -> None:
    length = len(dataset())
    tight = {"retrieve": {"max_memory_bytes": 2 * length + 10, "prefetch": 4}}
    with Home.open(home.path, tight) as small:
        retriever = Retriever(small)
        numbers = [
            take(small, dataset(f"1.2.{n}", seed=n), f"1.2.{n}").revision_id for n in range(4)
        ]
        for number in numbers:
            retriever.prefetch(number)
        assert retriever._ahead._bytes <= 2 * length + 10
        for n, number in enumerate(numbers):
            with retriever.read(number) as view:
                assert view == dataset(f"1.2.{n}", seed=n)
        retriever.close()


def _instance(home: Home) -> StoredInstance:
    servable = only(home).servable
    return StoredInstance(
        str(servable.revision_id),
        servable.sop_class_uid,
        servable.sop_instance_uid,
        servable.transfer_syntax,
    )


@pytest.mark.usefixtures("decoding")
def test_a_damaged_object_is_a_fault_and_never_a_dataset(home: Home, codec: Codec) -> None:
    take(home, dataset())
    drain(home, codec)
    (path,) = home.settings.store.path.rglob("*.dcm")
    damage(path, -40)
    with (
        ServiceArchive(home) as archive,
        pytest.raises(ArchiveFault) as caught,
        archive.read(_instance(home)),
    ):
        pytest.fail("a damaged object was handed out")
    assert caught.value.status == 0xC000
    assert "altered" in caught.value.comment


@pytest.mark.usefixtures("decoding")
def test_the_facade_finds_selects_and_corrects(home: Home, codec: Codec) -> None:
    take(home, dataset())
    drain(home, codec)
    keys = Dataset()
    keys.QueryRetrieveLevel = "STUDY"
    keys.PatientID = "P1"
    keys.StudyInstanceUID = only(home).study_uid
    query = Query(Model.STUDY_ROOT, "STUDY", keys, PEER)
    with ServiceArchive(home) as archive:
        (match,) = archive.find(query)
        assert match.attributes.PatientID == "P1"
        (instance,) = archive.select(query)
        with archive.read(instance) as view:
            assert archive.coerce(instance, view, EXPLICIT) is None
            home.index.corrections.rename(
                patient("P1"), {"PatientName": "Winter^Wanda"}, Author("admin", "typing error")
            )
            changed = archive.coerce(instance, view, EXPLICIT)
        assert changed is not None
        again = dcmread(BytesIO(changed), force=True)
        assert (again.PatientName, again.PatientID) == ("Winter^Wanda", "P1")
        assert again.PixelData == dataset()[-3200:]
        archive.retrieved(PEER, query, completed=1, failed=0, destination="PEER")
    assert "retrieve" in [entry.event for entry in home.index.trail.entries()]


def test_nodes_and_rights_count_at_once_and_strangers_stay_outside(home: Home) -> None:
    with ServiceArchive(home) as archive:
        assert not archive.admits(PEER, None)
        home.index.nodes.add(Node("MODALITY", "127.0.0.1", 104, frozenset({Right.STORE})))
        assert archive.admits(PEER, None)
        assert archive.permits(PEER, Right.STORE)
        assert not archive.permits(PEER, Right.RETRIEVE)
    opened_up = {"service": {"open_to_unknown_peers": True}}
    with Home.open(home.path, opened_up) as open_home, ServiceArchive(open_home) as archive:
        stranger = Peer("STRANGER", "RADIOLITH", "127.0.0.1")
        assert archive.admits(stranger, None)
        assert archive.permits(stranger, Right.QUERY)
        assert not archive.permits(PEER, Right.QUERY)
