"""Rejection notes (IHE RAD IOCM) hide what they name, before and after it comes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from dicom.archive import ArchiveFault
from dicom.rejection import (
    INCORRECT_WORKLIST_ENTRY,
    PATIENT_SAFETY,
    QUALITY,
    REASONS,
    RETENTION_EXPIRED,
)
from service.encode import Codec
from service.errors import IndexFault, Rejected
from service.failpoints import Step
from service.home import Home, Overrides
from service.index import Author
from service.processes.worker import drain
from service.receive import Reception
from service.sealing.journal import entry_ids
from service.upkeep.audit import audit
from service.upkeep.decisions import Decisions
from service.upkeep.deletion import Deletion, purge_due
from service.upkeep.rebuild import rebuild_index
from service.upkeep.recovery import recover
from tests.index.made import query, texts
from tests.service.made import STUDY, dataset, origin, take
from tests.service.notes import rejection_note, send
from tests.service.test_deletion import killed_at

ADMIN = Author("admin", "rejected by mistake")


@pytest.fixture
def opened(folder: Path) -> Iterator[Callable[..., Home]]:
    """Open the archive with settings of the test."""
    homes = []

    def open_home(**rejection: Any) -> Home:
        homes.append(Home.open(folder, {"rejection": rejection}))
        return homes[-1]

    yield open_home
    for home in homes:
        home.close()


def _fill(home: Home) -> None:
    for uid in ("1.2.1", "1.2.2"):
        take(home, dataset(uid), uid)


def _shown(home: Home) -> list[str]:
    return sorted(
        one.sop_instance_uid for one in home.index.select(query("STUDY", StudyInstanceUID=STUDY))
    )


@pytest.mark.parametrize("title", REASONS)
def test_a_note_hides_what_it_names_and_itself(home: Home, title: str) -> None:
    _fill(home)
    send(home, rejection_note(title, ["1.2.1"]))
    assert _shown(home) == ["1.2.2"]
    (note,) = home.index.rejections.list()
    assert (note.code, note.by, note.hides, note.instances) == (title, "READER", True, 2)
    assert [entry.event for entry in home.index.trail.entries()][-1] == "rejected"


def test_for_quality_reasons_the_settings_decide(opened: Callable[..., Home]) -> None:
    home = opened(hide_quality=False)
    _fill(home)
    send(home, rejection_note(QUALITY, ["1.2.1"]))
    assert _shown(home) == ["1.2.1", "1.2.2", "1.2.9"]
    assert home.index.rejections.list()[0].hides is False


def test_another_key_object_selection_hides_nothing(home: Home) -> None:
    _fill(home)
    send(home, rejection_note("113000", ["1.2.1"]))
    send(home, rejection_note(QUALITY, ["1.2.1"], uid="1.2.10", scheme="99LOCAL"))
    send(home, rejection_note(QUALITY, [], uid="1.2.11"))
    send(home, rejection_note(QUALITY, ["1.2.1"], uid="1.2.12", study="9.9"))
    assert _shown(home) == ["1.2.1", "1.2.10", "1.2.11", "1.2.2", "1.2.9"]


def test_a_note_may_name_thousands(home: Home) -> None:
    _fill(home)
    send(
        home, rejection_note(PATIENT_SAFETY, [f"1.2.826.0.1.{n}" for n in range(3000)] + ["1.2.1"])
    )
    assert _shown(home) == ["1.2.2"]


@pytest.mark.parametrize("title", [PATIENT_SAFETY, INCORRECT_WORKLIST_ENTRY])
def test_what_was_hidden_is_not_accepted_again(home: Home, title: str) -> None:
    _fill(home)
    send(home, rejection_note(title, ["1.2.1"]))
    for seed in (0, 1):
        with pytest.raises(Rejected):
            take(home, dataset("1.2.1", seed=seed), "1.2.1")
        reception = Reception(home, origin("1.2.1"))
        reception.write(dataset("1.2.1", seed=seed))
        with pytest.raises(ArchiveFault) as caught:
            reception.commit()
        assert caught.value.status == 0x0124
    assert len(list(entry_ids(home.journal))) == 3, "what was refused left nothing"
    assert _shown(home) == ["1.2.2"]


@pytest.mark.parametrize("title", [QUALITY, PATIENT_SAFETY, INCORRECT_WORKLIST_ENTRY])
def test_what_comes_after_its_note_is_kept_and_hidden(home: Home, title: str) -> None:
    send(home, rejection_note(title, ["1.2.1"]))
    _fill(home)
    assert _shown(home) == ["1.2.2"]
    assert len(home.index.revisions.of_instance("1.2.1")) == 1


def test_expired_is_what_came_before_the_note_alone(home: Home) -> None:
    _fill(home)
    send(home, rejection_note(RETENTION_EXPIRED, ["1.2.1", "1.2.3"]))
    take(home, dataset("1.2.3"), "1.2.3")
    take(home, dataset("1.2.1", seed=1), "1.2.1")
    assert _shown(home) == ["1.2.1", "1.2.2", "1.2.3"]


def test_the_same_note_again_is_no_second_one(home: Home) -> None:
    _fill(home)
    document = rejection_note(PATIENT_SAFETY, ["1.2.1"])
    send(home, document)
    assert send(home, document).duplicate
    assert len(home.index.rejections.list()) == 1


def test_a_revoked_note_shows_again_what_no_other_hides(home: Home) -> None:
    _fill(home)
    send(home, rejection_note(QUALITY, ["1.2.1", "1.2.2"]))
    send(home, rejection_note(PATIENT_SAFETY, ["1.2.2"], uid="1.2.10"))
    first, second = home.index.rejections.list()
    Decisions(home).revoke(first.id, ADMIN)
    assert _shown(home) == ["1.2.1", "1.2.9"]
    Decisions(home).revoke(second.id, ADMIN)
    assert _shown(home) == ["1.2.1", "1.2.10", "1.2.2", "1.2.9"]
    assert not take(home, dataset("1.2.1", seed=1), "1.2.1").duplicate


def test_expiry_deletes_only_where_settings_and_sender_allow(opened: Callable[..., Home]) -> None:
    home = opened(delete_expired=True, delete_from=["MANAGER"])
    _fill(home)
    send(home, rejection_note(RETENTION_EXPIRED, ["1.2.1"]))
    assert home.index.deletions.list() == []
    send(home, rejection_note(RETENTION_EXPIRED, ["1.2.2"], uid="1.2.10"), "MANAGER")
    (deletion,) = home.index.deletions.list()
    assert (deletion.by, deletion.reason, deletion.instances) == (
        "MANAGER", "Data Retention Policy Expired", 1,
    )  # fmt: skip
    assert deletion.due - deletion.at > 29 * 86_400_000_000


def test_a_note_that_comes_again_undoes_no_undeletion(opened: Callable[..., Home]) -> None:
    home = opened(delete_expired=True, delete_from=["MANAGER"])
    _fill(home)
    document = rejection_note(RETENTION_EXPIRED, ["1.2.1"])
    send(home, document, "MANAGER")
    Deletion(home).undo(home.index.deletions.list()[0].id, ADMIN)
    Decisions(home).revoke(home.index.rejections.list()[0].id, ADMIN)
    assert send(home, document, "MANAGER").duplicate
    assert [one.state for one in home.index.deletions.list()] == ["undone"]
    assert _shown(home) == ["1.2.1", "1.2.2", "1.2.9"]


def test_a_note_whose_effect_failed_has_it_when_it_comes_again(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    _fill(home)

    def fail(*_: object) -> None:
        raise IndexFault("gone")

    with monkeypatch.context() as patch:
        patch.setattr(home.index.rejections, "enter", fail)
        with pytest.raises(IndexFault):
            send(home, rejection_note(PATIENT_SAFETY, ["1.2.1"]))
    assert send(home, rejection_note(PATIENT_SAFETY, ["1.2.1"])).duplicate
    assert _shown(home) == ["1.2.2"]


def test_expiry_deletes_nothing_that_is_held(opened: Callable[..., Home]) -> None:
    home = opened(delete_expired=True, delete_from=["MANAGER"])
    _fill(home)
    Decisions(home).hold("instance", "1.2.1", ADMIN)
    send(home, rejection_note(RETENTION_EXPIRED, ["1.2.1"]), "MANAGER")
    assert (home.index.deletions.list(), _shown(home)) == ([], ["1.2.2"])


def _state(home: Home) -> object:
    revisions = sorted(
        (item.servable.sop_instance_uid, item.number, item.served, item.hidden, item.quarantined)
        for item in home.index.revisions.all()
    )
    return revisions, home.index.rejections.list(), _shown(home), home.index.statistics()


def test_a_rebuild_comes_out_the_same(folder: Path, codec: Codec) -> None:
    overrides: Overrides = {
        "rejection": {"delete_expired": True, "delete_from": ["MANAGER"]},
        "deletion": {"grace_days": 0},
    }
    with Home.open(folder, overrides) as home:
        _fill(home)
        send(home, rejection_note(QUALITY, ["1.2.1", "1.2.3"]))
        take(home, dataset("1.2.3"), "1.2.3")
        drain(home, codec)
        send(home, rejection_note(RETENTION_EXPIRED, ["1.2.2"], uid="1.2.10"), "MANAGER")
        purge_due(home)
        send(home, rejection_note(PATIENT_SAFETY, ["1.2.1"], uid="1.2.11"))
        Decisions(home).revoke(home.index.rejections.list()[0].id, ADMIN)
        before = _state(home)
        assert audit(home, codec.predictors).faults == []
    for path in folder.glob("index.sqlite*"):
        path.unlink()
    # Settings of another time decide nothing anew.
    assert rebuild_index(folder, {"rejection": {"hide_quality": False}}).faults == []
    with Home.open(folder) as home:
        recover(home)
        assert _state(home) == before


STEPS: list[Step] = ["entry.durable", "decision.noted", "entry.indexed", "decision.entered"]


@pytest.mark.parametrize("step", STEPS)
def test_a_note_killed_at_any_step_is_in_force_after_the_next_start(
    folder: Path, step: Step
) -> None:
    with Home.open(folder) as home:
        _fill(home)
        with killed_at(step):
            send(home, rejection_note(PATIENT_SAFETY, ["1.2.1"]))
    with Home.open(folder) as home:
        recover(home)
        assert _shown(home) == ["1.2.2"]
        assert len(home.index.rejections.list()) == 1
        assert recover(home).decided == 0
        assert send(home, rejection_note(PATIENT_SAFETY, ["1.2.1"])).duplicate
    assert rebuild_index(folder).faults == []
    with Home.open(folder) as home:
        assert _shown(home) == ["1.2.2"]


def test_queries_find_nothing_of_what_is_rejected(home: Home) -> None:
    _fill(home)
    send(home, rejection_note(PATIENT_SAFETY, ["1.2.1", "1.2.2"]))
    asked = query("STUDY", StudyInstanceUID="", PatientName="Sommer*")
    found = [match.attributes for match in home.index.find(asked)]
    assert texts(found, "StudyInstanceUID") == []
