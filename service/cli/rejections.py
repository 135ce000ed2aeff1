"""`radiolith rejections`: rejection notes that were received (IHE RAD IOCM)."""

from __future__ import annotations

from typing import Annotated

import typer

from service.cli.options import Json, opened, user
from service.cli.output import moment, print_json, print_table

app = typer.Typer(help="Rejection notes that were received (IHE RAD IOCM).", no_args_is_help=True)


@app.command("ls")
def list_(context: typer.Context, json: Json = False) -> None:
    """List all rejection notes, revoked ones too."""
    from dicom.rejection import REASONS

    with opened(context) as home:
        rejections = home.index.rejections.list()
    if json:
        print_json(rejections)
        return
    rows = [
        [one.id, REASONS[one.code], one.instances, one.hides, one.by, moment(one.at),
         one.revoked_by] for one in rejections
    ]  # fmt: skip
    print_table(["id", "why", "instances", "hides", "from", "at", "revoked by"], rows)


@app.command()
def revoke(
    context: typer.Context,
    rejection: Annotated[int, typer.Argument(help="Its number, as `rejections ls` shows it.")],
    reason: Annotated[str, typer.Option("--reason", help="Why; kept in the audit trail.")],
    json: Json = False,
) -> None:
    """Take a rejection note's effect back: what it hides is shown again."""
    from service.index import Author
    from service.upkeep.decisions import Decisions

    with opened(context) as home:
        Decisions(home).revoke(rejection, Author(user(), reason))
    if json:
        print_json({"revoked": rejection})
