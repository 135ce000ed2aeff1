"""`radiolith trail`: who stored, queried, retrieved and changed what."""

from __future__ import annotations

import json as json_module
from typing import Annotated

import typer

from service.cli.options import Json, Since, micros, opened, user
from service.cli.output import console, errors, moment, print_json, print_table
from service.errors import EXIT_OK, TrailBroken, rendering

app = typer.Typer(help="The hash-chained audit trail.", no_args_is_help=True)


@app.command("ls")
def list_(
    context: typer.Context,
    since: Since = None,
    event: Annotated[str, typer.Option(help="Only entries of this event.")] = "",
    json: Json = False,
) -> None:
    """List entries, the oldest first."""
    with opened(context) as home:
        entries = [
            entry
            for entry in home.index.trail.entries()
            if entry.at >= micros(since) and event in ("", entry.event)
        ]
        home.index.trail.append("trail read", {"by": user()})
    if json:
        print_json(entries)
        return
    rows = [
        [entry.position, moment(entry.at), entry.event, json_module.dumps(dict(entry.details))]
        for entry in entries
    ]
    print_table(["entry", "at", "event", "details"], rows)


@app.command()
def anchor(context: typer.Context) -> None:
    """Say that the trail is in order as it is, after a restore from backup: anchor its head."""
    from service.upkeep.anchor import drop_anchor

    with opened(context) as home:
        before = home.index.trail.head()[0]
        home.index.trail.append("trail anchored", {"by": user(), "position": before})
        dropped = drop_anchor(home.index.trail, home.keys, home.settings.store.path)
    console.print(f"anchored at entry {dropped.position}")


@app.command()
def verify(context: typer.Context, json: Json = False) -> int:
    """Check that no entry was altered, removed or put elsewhere, nor the whole set back."""
    from service.upkeep.crosscheck import anchor_breaks

    with opened(context) as home:
        breaks = home.index.trail.verify()
        position, head = home.index.trail.head()
        breaks += anchor_breaks(home)
    if json:
        print_json({"entries": position, "head": head, "breaks": breaks})
    else:
        console.print(f"{position} entries, head {head.hex()}")
        for one in breaks:
            errors.print(f"entry {one.position}: {one.kind}: {one.detail}", markup=False)
    return rendering(TrailBroken()).exit_code if breaks else EXIT_OK
