"""`radiolith quarantine`: revisions that wait for an administrator's decision."""

from __future__ import annotations

from typing import Annotated

import typer

from service.cli.options import Json, Reason, opened, user
from service.cli.output import moment, print_json, print_table

app = typer.Typer(help="Revisions that wait for a decision.", no_args_is_help=True)

Revision = Annotated[int, typer.Argument(help="The number that `quarantine ls` shows.")]


@app.command("ls")
def list_(context: typer.Context, json: Json = False) -> None:
    """List what is quarantined, and why."""
    with opened(context) as home:
        waiting = home.index.revisions.quarantined()
    rows = [
        {
            "revision_id": facts.servable.revision_id,
            "sop_instance_uid": facts.servable.sop_instance_uid,
            "revision": facts.number,
            "why": facts.quarantined,
            "calling_ae": facts.calling_ae,
            "received_at": facts.received_at,
        }
        for facts in waiting
    ]
    if json:
        print_json(rows)
        return
    shown = [
        row | {"received_at": moment(facts.received_at)}
        for row, facts in zip(rows, waiting, strict=True)
    ]
    print_table(
        ["id", "instance", "revision", "why", "from", "received"],
        [[*row.values()] for row in shown],
    )


@app.command()
def accept(
    context: typer.Context, revision: Revision, reason: Reason = "", json: Json = False
) -> None:
    """Serve a quarantined revision from now on."""
    from service.upkeep.decisions import Decisions

    with opened(context) as home:
        Decisions(home).accept(revision, user(), reason)
    if json:
        print_json({"accepted": revision})


@app.command()
def reject(
    context: typer.Context, revision: Revision, reason: Reason = "", json: Json = False
) -> None:
    """Never serve a quarantined revision; it stays stored."""
    from service.upkeep.decisions import Decisions

    with opened(context) as home:
        Decisions(home).reject(revision, user(), reason)
    if json:
        print_json({"rejected": revision})
