"""`radiolith export`: give files back."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from service.cli.options import Json, opened
from service.cli.output import counter, errors, print_json
from service.cli.select import select
from service.errors import EXIT_FAULTS_FOUND, EXIT_OK, Unknown

if TYPE_CHECKING:
    from service.home import Home
    from service.index import RevisionFacts


def export(
    context: typer.Context,
    to: Annotated[Path, typer.Option(help="The folder to write to; nothing is overwritten.")],
    patient: Annotated[str, typer.Option(help="Patient ID.")] = "",
    study: Annotated[str, typer.Option(help="Study Instance UID.")] = "",
    series: Annotated[str, typer.Option(help="Series Instance UID; with --study.")] = "",
    instance: Annotated[str, typer.Option(help="SOP Instance UID, alone.")] = "",
    revisions: Annotated[bool, typer.Option(help="Every revision, quarantined ones too.")] = False,
    json: Json = False,
) -> int:
    """Write a patient, study, series or instance to files, every byte as received."""
    from models.registry import all_models
    from service.exporter import export as write

    if not (patient or study or instance) or (series and not study):
        raise typer.BadParameter("name a --patient, --study (and --series) or --instance")
    with opened(context) as home, counter("exporting", quiet=json) as advance:
        if instance:
            uids = [instance]
        else:
            chosen = select(home, patient, study, series)
            uids = list(dict.fromkeys(servable.sop_instance_uid for servable in chosen))
        found = _revisions(home, uids, every=revisions)
        exported = write(home, found, to, all_models(), advance)
    for fault in exported.faults:
        errors.print(f"{fault.sop_instance_uid}: {fault.kind}: {fault.detail}", markup=False)
    if json:
        print_json(exported)
    else:
        errors.print(f"{exported.files} files, {exported.bytes:,} bytes in {to}", markup=False)
    return EXIT_FAULTS_FOUND if exported.faults else EXIT_OK


def _revisions(home: Home, uids: Sequence[str], *, every: bool) -> list[RevisionFacts]:
    found = [facts for uid in uids for facts in home.index.revisions.of_instance(uid)]
    if not found:
        raise Unknown("no instance has that SOP Instance UID")
    return [facts for facts in found if every or facts.served]
