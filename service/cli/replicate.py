"""`radiolith replicate`: bring the replica up to date now."""

from __future__ import annotations

from typing import Annotated

import typer

from service.cli.options import Json, opened
from service.cli.output import console, errors, print_json, progress
from service.errors import EXIT_FAULTS_FOUND, EXIT_OK


def replicate(
    context: typer.Context,
    anew: Annotated[
        bool,
        typer.Option("--anew", help="The replica is another, empty one: it needs everything."),
    ] = False,
    json: Json = False,
) -> int:
    """Copy what the replica lacks and remove what left the archive; a service may run."""
    from service.upkeep.replication import catch_up

    with opened(context) as home, progress("replicating", quiet=json) as show:
        if anew:
            home.require_replica().queue.renew()
        done = catch_up(home, show)
    for fault in done.faults:
        errors.print(f"{fault.object}: {fault.kind}: {fault.detail}", markup=False)
    if json:
        print_json(done)
    else:
        console.print(
            f"{done.copied} objects copied, {done.present} were there, {done.notes} notes copied, "
            f"{done.removed} files removed, {len(done.faults)} could not be copied"
        )
    return EXIT_FAULTS_FOUND if done.faults else EXIT_OK
