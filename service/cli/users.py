"""`radiolith users`: who may use peers, proven by a passcode when an association opens."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from service.cli.options import Json, opened
from service.cli.output import console, print_json, print_table

app = typer.Typer(
    help="Users of peers (user identity negotiation): name and passcode.", no_args_is_help=True
)

Username = Annotated[str, typer.Argument(metavar="NAME")]


@app.command()
def add(
    context: typer.Context,
    username: Username,
    passcode_file: Annotated[
        Path | None,
        typer.Option(
            exists=True, dir_okay=False,
            help="File that holds the passcode; one trailing newline is ignored. Else: asked for.",
        ),
    ] = None,
    json: Json = False,
) -> None:  # fmt: skip
    """Add a user, or change their passcode."""
    passcode = _passcode(passcode_file)
    if not username or not passcode:
        raise typer.BadParameter("a user has a name and a passcode")
    with opened(context) as home:
        home.index.users.add(username, passcode)
    if json:
        print_json({"username": username})
    else:
        console.print(f"{username} added; name them by nodes set AET --user", markup=False)


@app.command("ls")
def list_(context: typer.Context, json: Json = False) -> None:
    """List the users, and the nodes that ask for them."""
    with opened(context) as home:
        nodes = home.index.nodes.list()
        rows = [
            {"username": name, "nodes": [node.ae_title for node in nodes if name in node.users]}
            for name in home.index.users.list()
        ]
    if json:
        print_json(rows)
    else:
        print_table(["user", "of"], [[row["username"], " ".join(row["nodes"])] for row in rows])


@app.command("rm")
def remove(context: typer.Context, username: Username, json: Json = False) -> None:
    """Forget a user."""
    with opened(context) as home:
        home.index.users.remove(username)
    if json:
        print_json({"removed": username})


def _passcode(path: Path | None) -> bytes:
    if path is None:
        text: str = typer.prompt("Passcode", hide_input=True, confirmation_prompt=True)
        return text.encode()
    return path.read_bytes().removesuffix(b"\n").removesuffix(b"\r")
