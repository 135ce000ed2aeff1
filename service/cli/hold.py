"""`radiolith hold`: legal holds; what they cover is not deleted."""

from __future__ import annotations

import json as json_module
from typing import TYPE_CHECKING, Annotated

import typer

from service.cli.options import Json, opened, user
from service.cli.output import console, moment, print_json, print_table

if TYPE_CHECKING:
    from service.index.holds import LegalHold

app = typer.Typer(help="Legal holds: what they cover is not deleted.", no_args_is_help=True)

Why = Annotated[str, typer.Option("--reason", help="Why; kept with the hold.")]


@app.command()
def add(
    context: typer.Context,
    reason: Why,
    patient: Annotated[str, typer.Option(help="Patient ID.")] = "",
    issuer: Annotated[str, typer.Option(help="Issuer of that Patient ID.")] = "",
    study: Annotated[str, typer.Option(help="Study Instance UID.")] = "",
    series: Annotated[str, typer.Option(help="Series Instance UID.")] = "",
    instance: Annotated[str, typer.Option(help="SOP Instance UID.")] = "",
    json: Json = False,
) -> None:
    """Hold a patient, a study, a series or an instance, with what comes to it later."""
    from service.index import Author
    from service.index import patient as key_of
    from service.upkeep.decisions import Decisions

    key = key_of(patient, issuer) if patient else ""
    levels = {"patient": key, "study": study, "series": series, "instance": instance}
    named = [(level, name) for level, name in levels.items() if name]
    if len(named) != 1:
        raise typer.BadParameter("name one of --patient, --study, --series and --instance")
    with opened(context) as home:
        number = Decisions(home).hold(*named[0], Author(user(), reason))
    if json:
        print_json({"hold": number})
    else:
        console.print(f"hold {number}")


@app.command()
def release(
    context: typer.Context,
    hold: Annotated[int, typer.Argument(help="Its number, as `hold ls` shows it.")],
    reason: Why,
    json: Json = False,
) -> None:
    """Release a hold."""
    from service.index import Author
    from service.upkeep.decisions import Decisions

    with opened(context) as home:
        Decisions(home).release(hold, Author(user(), reason))
    if json:
        print_json({"released": hold})


@app.command("ls")
def list_(context: typer.Context, json: Json = False) -> None:
    """List all holds, released ones too."""
    with opened(context) as home:
        holds = home.index.holds.list()
    if json:
        print_json(holds)
        return
    rows = [
        [one.id, one.level, _key(one), one.by, moment(one.at), one.reason, one.released_by]
        for one in holds
    ]
    print_table(["id", "level", "of", "by", "at", "reason", "released by"], rows)


def _key(hold: LegalHold) -> str:
    """Say whom a hold is about: a patient's key is JSON of its ID and issuer."""
    if hold.level != "patient":
        return hold.key
    _, *names = json_module.loads(hold.key)
    return " of ".join(filter(None, names))
