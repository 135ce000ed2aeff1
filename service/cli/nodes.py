"""`radiolith nodes`: the peers that the archive knows, and what each may do."""

from __future__ import annotations

from enum import Enum
from typing import Annotated

import typer

from service.cli.options import Json, opened
from service.cli.output import console, print_json, print_table

app = typer.Typer(help="Peers: AE titles, hosts, ports, what each may do.", no_args_is_help=True)


class Right(Enum):
    """What a node may ask for, as :class:`dicom.archive.Right`."""

    STORE = "store"
    QUERY = "query"
    RETRIEVE = "retrieve"
    COMMIT = "commit"


def _ae_title(text: str) -> str:
    """Check an AE title (PS3.5 Table 6.2-1): 1 to 16 printable characters, no backslash."""
    title = text.strip(" ")
    if not 1 <= len(title) <= 16 or not title.isascii() or not title.isprintable() or "\\" in title:
        raise typer.BadParameter("an AE title has 1 to 16 printable ASCII characters")
    return title


AeTitle = Annotated[str, typer.Argument(metavar="AET", callback=_ae_title)]


@app.command()
def add(
    context: typer.Context,
    ae_title: AeTitle,
    host: Annotated[str, typer.Argument()],
    port: Annotated[int, typer.Argument(min=1, max=65535)],
    allow: Annotated[
        list[Right] | None, typer.Option(help="A right; may be repeated. Default: all of them.")
    ] = None,
    coerced: Annotated[
        bool, typer.Option("--coerced", help="Send corrected attributes, not the received bytes.")
    ] = False,
    json: Json = False,
) -> None:
    """Add a peer, or change it. A running service follows at once."""
    from dicom.archive import Node
    from dicom.archive import Right as Rights

    rights = frozenset(Rights(right.value) for right in allow or Right)
    node = Node(ae_title, host, port, rights, coerced)
    with opened(context) as home:
        home.index.nodes.add(node)
    if json:
        print_json(node)
    else:
        console.print(f"{ae_title} at {host}:{port}", markup=False)


@app.command("ls")
def list_(context: typer.Context, json: Json = False) -> None:
    """List the peers."""
    with opened(context) as home:
        nodes = home.index.nodes.list()
    if json:
        print_json(nodes)
        return
    rows = [
        [
            node.ae_title,
            node.host,
            str(node.port),
            " ".join(sorted(right.value for right in node.rights)),
            node.coerced,
        ]
        for node in nodes
    ]
    print_table(["AE title", "host", "port", "may", "coerced"], rows)


@app.command("rm")
def remove(context: typer.Context, ae_title: AeTitle, json: Json = False) -> None:
    """Forget a peer."""
    with opened(context) as home:
        home.index.nodes.remove(ae_title)
    if json:
        print_json({"removed": ae_title})
