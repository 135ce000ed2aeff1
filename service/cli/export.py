"""`radiolith export`: give files back."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from service.cli.options import Json, opened, user
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
    revision: Annotated[
        list[int] | None,
        typer.Option(help="The id of any revision, as `ls --instances` shows it; repeatable."),
    ] = None,
    json: Json = False,
) -> int:
    """Write patients, studies, series or instances to files, every byte as received."""
    if not (patient or study or instance or revision) or (series and not study):
        raise typer.BadParameter("name --patient, --study (and --series), --instance or --revision")
    from models.registry import all_models
    from service.exchange.exporter import export as write

    with opened(context) as home, counter("exporting", quiet=json) as advance:
        if revision:
            chosen = [home.index.revisions.get(number) for number in revision]
        else:
            uids = [instance] if instance else _uids(home, patient, study, series)
            chosen = _served(home, uids)
        exported = write(home, chosen, to, all_models(), advance)
        home.index.trail.append("export", {"by": user(), "files": exported.files})
    for fault in exported.faults:
        errors.print(f"{fault.sop_instance_uid}: {fault.kind}: {fault.detail}", markup=False)
    if json:
        print_json(exported)
    else:
        errors.print(f"{exported.files} files, {exported.bytes:,} bytes in {to}", markup=False)
    return EXIT_FAULTS_FOUND if exported.faults else EXIT_OK


def _uids(home: Home, patient: str, study: str, series: str) -> list[str]:
    chosen = select(home, patient, study, series)
    return list(dict.fromkeys(servable.sop_instance_uid for servable in chosen))


def _served(home: Home, uids: Iterable[str]) -> list[RevisionFacts]:
    every = [facts for uid in uids for facts in home.index.revisions.of_instance(uid)]
    served = [facts for facts in every if facts.served]
    if not served:
        raise Unknown("no instance that is served has that SOP Instance UID")
    return served
