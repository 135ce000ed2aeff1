"""The canary in a service: every verb and failure that a peer or an administrator can reach."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from pydicom.dataset import Dataset

from dicom.association import (
    AssociateRequest,
    Association,
    AssociationFault,
    Command,
    CommandField,
    ProposedContext,
    RoleSelection,
    Timeouts,
    UserInformation,
    request_association,
)
from dicom.identifiers import encode_dataset
from dicom.part10 import write_file_meta
from dicom.sop_classes import (
    STORAGE_COMMITMENT_PUSH_MODEL,
    STUDY_ROOT_FIND,
    STUDY_ROOT_GET,
    STUDY_ROOT_MOVE,
)
from service.demo.scratch import ScratchArchive, command, scratch_archive
from tests.phi import canary
from tests.service.made import CT, EXPLICIT, damage, encoded
from tests.service.served import children, is_worker, supervisor

_CLASSES = (CT, STUDY_ROOT_FIND, STUDY_ROOT_MOVE, STUDY_ROOT_GET, STORAGE_COMMITMENT_PUSH_MODEL)
_SHOWING = {"find", "ls", "show", "correct", "quarantine"}
"""Verbs that show a patient to who asks: their output is not searched, their faults are."""


@dataclass
class Stage:
    """A served archive, and all that was said to anybody while it was."""

    archive: ScratchArchive
    folder: Path
    told: list[str] = field(default_factory=list)

    def run(self, *arguments: str | Path) -> int:
        """Run a verb, whatever its outcome, and keep what it printed."""
        done = subprocess.run(
            [*command(), *map(str, arguments)],
            env=self.archive.environment(),
            capture_output=True,
            text=True,
            check=False,
            errors="replace",
        )
        shown = "" if arguments[0] in _SHOWING and done.returncode == 0 else done.stdout
        self.told += [shown, done.stderr]
        return done.returncode

    def associate(self) -> Association:
        contexts = tuple(
            ProposedContext(2 * number + 1, uid, (EXPLICIT,)) for number, uid in enumerate(_CLASSES)
        )
        user = UserInformation(16384, "1.2.3", "CANARY", (RoleSelection(CT, True, True),))
        request = AssociateRequest("RADIOLITH", "PEER", contexts, user)
        timeouts = Timeouts(dimse=60.0)
        return request_association(self.archive.host, self.archive.port, request, timeouts)

    def ask(self, field_: CommandField, sop_class: str, dataset: bytes, **given: object) -> int:
        """Send one request in an association of its own; give the final status, and its comment."""
        association = self.associate()
        request = Command(field_, True, sop_class, message_id=1, priority=0, **given)  # type: ignore[arg-type]
        context = 2 * _CLASSES.index(sop_class) + 1
        association.send(context, request, dataset)
        while True:
            answer = association.receive()
            assert answer is not None
            if answer.command.field == CommandField.C_STORE:
                for _ in association.fragments():
                    continue
                association.send(answer.context.context_id, answer.command.reply(0xA700))
                continue
            self.told.append(answer.command.error_comment or "")
            if answer.command.status not in (0xFF00, 0xFF01):
                break
        with suppress(AssociationFault):
            association.release()
        return int(answer.command.status or 0)

    def store(self, data: bytes, uid: str) -> int:
        return self.ask(CommandField.C_STORE, CT, data, affected_sop_instance_uid=uid)


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    (tmp_path / "tmp").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    monkeypatch.setattr(tempfile, "tempdir", None)
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "radiolith.toml").write_text('[log]\nlevel = "debug"\n')
    with scratch_archive(tmp_path / "home") as archive:
        archive.run("nodes", "add", "NOBODY", "127.0.0.1", "1")
        archive.run("nodes", "add", "PEER", "127.0.0.1", "104", "--move-to", "NOBODY")
        yield Stage(archive, tmp_path)


def _identifier(level: str, **keys: str) -> bytes:
    identifier = Dataset()
    identifier.QueryRetrieveLevel = level
    for keyword, value in keys.items():
        setattr(identifier, keyword, value)
    return encode_dataset(identifier, EXPLICIT)


def _store(stage: Stage) -> None:
    assert stage.store(canary.dataset(), canary.INSTANCE) == 0
    assert stage.store(canary.dataset(canary.WITH_NUL), canary.WITH_NUL) == 0
    assert stage.store(canary.dataset(canary.WITH_NAME), canary.WITH_NAME) == 0
    other = canary.image()
    other.PatientID = canary.PATIENT_ID + "2"
    stage.store(encoded(other), canary.INSTANCE)
    for number, data in enumerate(canary.faulty()):
        stage.store(data, f"{canary.INSTANCE}.9.{number}")
    association = stage.associate()
    begun = Command(CommandField.C_STORE, True, CT, message_id=9, priority=0)
    association.send(1, begun)
    association.shut_down()


def _query(stage: Stage) -> None:
    uids = {"StudyInstanceUID": canary.STUDY, "SeriesInstanceUID": canary.SERIES}
    by_uid = {**uids, "SOPInstanceUID": canary.INSTANCE}
    for level, keys in (
        ("STUDY", {"PatientName": canary.NAME, "AccessionNumber": canary.ACCESSION}),
        ("STUDY", {"PatientComments": canary.COMMENT, "StudyDate": canary.NAME}),
        ("NONE", {"PatientName": canary.NAME}),
        ("IMAGE", {"PatientID": canary.PATIENT_ID}),
    ):
        stage.ask(CommandField.C_FIND, STUDY_ROOT_FIND, _identifier(level, **keys))
    stage.ask(CommandField.C_FIND, STUDY_ROOT_FIND, canary.NAME.encode())
    for destination in ("NOBODY", "UNKNOWN"):
        stage.ask(
            CommandField.C_MOVE,
            STUDY_ROOT_MOVE,
            _identifier("IMAGE", **by_uid),
            move_destination=destination,
        )
    stage.ask(
        CommandField.C_GET, STUDY_ROOT_GET, _identifier("STUDY", StudyInstanceUID=canary.STUDY)
    )
    stage.ask(CommandField.C_GET, STUDY_ROOT_GET, _identifier("STUDY", PatientName=canary.NAME))


def _commit(stage: Stage) -> None:
    request, item = Dataset(), Dataset()
    request.TransactionUID = "1.2.3"
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = CT, canary.INSTANCE
    request.ReferencedSOPSequence = [item]
    association = stage.associate()
    command_ = Command(
        CommandField.N_ACTION,
        True,
        requested_sop_class_uid=STORAGE_COMMITMENT_PUSH_MODEL,
        requested_sop_instance_uid="1.2.840.10008.1.20.1.1",
        message_id=1,
        action_type_id=1,
    )
    association.exchange(9, command_, encode_dataset(request, EXPLICIT))
    association.shut_down()


def _by_hand(stage: Stage) -> None:
    """Every verb, once as it should be called and where it can fail also so."""
    cd = stage.folder / "cd"
    cd.mkdir()
    for number, data in enumerate(canary.faulty()):
        (cd / f"{number}.dcm").write_bytes(write_file_meta(CT, "1.2.3", EXPLICIT) + data)
    (cd / "DICOMDIR").write_bytes(bytes(128) + b"DICM" + canary.NAME.encode())
    (cd / "bad.zip").write_bytes(b"PK\3\4" + canary.NAME.encode() * 9)
    for verb in (
        ["status"], ["status", "--json"], ["import", cd], ["import", cd, "--json"],
        ["find", "--level", "study", f"PatientName={canary.NAME}"],
        ["find", "--level", "none", f"PatientName={canary.NAME}"],
        ["ls"], ["ls", canary.STUDY], ["show", canary.INSTANCE], ["show", "1.2.3.none"],
        ["quarantine", "ls"], ["quarantine", "accept", "999"],
        ["correct", "rename", canary.PATIENT_ID, "PatientName=Amsel^Anna", "--reason", "typed"],
        ["correct", "ls"], ["nodes", "ls"], ["audit"], ["audit", "--json"],
        ["export", "--study", canary.STUDY, "--to", stage.folder / "out"],
        ["export", "--study", canary.STUDY, "--to", stage.folder / "out"],
        ["keys", "ls"], ["keys", "rotate", "--reencrypt"], ["keys", "retire", "zz"],
        ["backup", stage.folder / "backup"], ["trail", "ls"], ["trail", "ls", "--json"],
        ["trail", "verify"],
    ):  # fmt: skip
        stage.run(*verb)


def _damage(stage: Stage) -> None:
    """Damage an object, kill a worker over it, and look at everything again."""
    for path in sorted((stage.archive.home / "objects").rglob("*.dcm"))[:2]:
        damage(path, -60)
    (stage.archive.home / "journal" / f"{'ab' * 16}.entry").write_bytes(canary.NAME.encode())
    _query(stage)
    for verb in (["audit"], ["audit", "--json"], ["keys", "rotate", "--reencrypt"]):
        stage.run(*verb)
    for pid in children(supervisor(stage.archive).pid):
        if is_worker(pid):
            os.kill(pid, signal.SIGABRT)
    (stage.archive.home / "journal" / f"{'ab' * 16}.entry").unlink()


def _search(stage: Stage, wanted: tuple[str, ...], *places: Path) -> set[tuple[str, str]]:
    hits = canary.found(places, wanted)
    return {
        (path, text)
        for path, text in hits
        if not Path(path).name.startswith(("index.sqlite", "index.before"))
    }


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_she_is_found_in_the_index_and_nowhere_else(stage: Stage) -> None:
    home = stage.archive.home
    _store(stage)
    _query(stage)
    _commit(stage)
    assert _search(stage, canary.PERSON, home, stage.folder / "tmp") == set(), "before archiving"
    assert stage.archive.wait_archived(600) == 0
    _by_hand(stage)
    _damage(stage)
    stage.archive.stop()
    stage.run("rebuild-index")
    said = stage.folder / "said"
    said.write_text("\n".join(stage.told))
    places = (home, stage.folder / "tmp", stage.folder / "backup", said)
    assert _search(stage, canary.PERSON, *places) == set()
    unseen = (home / "serve.log", home / "run", home / "journal", stage.folder / "tmp")
    assert _search(stage, canary.UIDS, *unseen) == set()
    assert _search(stage, (canary.WITH_NAME, "0KANARIE"), home / "objects") == set()
    assert canary.found([home / "index.sqlite"], [canary.NAME]), "the search itself"
    assert len(stage.told) > 80
    assert not list(home.rglob("core*"))
