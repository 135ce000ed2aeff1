"""`radiolith nodes`: the peers that the archive knows, and what each may do."""

from __future__ import annotations

from dataclasses import replace
from enum import Enum
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from service.cli.options import Json, opened
from service.cli.output import console, print_json, print_table

if TYPE_CHECKING:
    from dicom.archive import Node

app = typer.Typer(
    help="Peers: AE titles, hosts, ports, how each proves who it is, what each may do.",
    no_args_is_help=True,
)


class Right(Enum):
    """What a node may ask for, as :class:`dicom.archive.Right`."""

    STORE = "store"
    QUERY = "query"
    RETRIEVE = "retrieve"
    COMMIT = "commit"


ANYWHERE: Final = ("0.0.0.0/0", "::/0")


def _ae_title(text: str) -> str:
    """Check an AE title (PS3.5 Table 6.2-1): 1 to 16 printable characters, no backslash."""
    title = text.strip(" ")
    if not 1 <= len(title) <= 16 or not title.isascii() or not title.isprintable() or "\\" in title:
        raise typer.BadParameter("an AE title has 1 to 16 printable ASCII characters")
    return title


def _network(text: str) -> str:
    if text in ("any", "host"):
        return text
    from service.access import network

    try:
        return network(text)
    except ValueError as fault:
        raise typer.BadParameter(f"{text} is no network: {fault}") from None


def _certificate(text: str | None) -> str | None:
    if not text:
        return text
    from service.certificates import normal

    try:
        return normal(text)
    except ValueError as fault:
        raise typer.BadParameter(str(fault)) from None


AeTitle = Annotated[str, typer.Argument(metavar="AET", callback=_ae_title)]
Allow = Annotated[list[Right] | None, typer.Option(help="A right; may be repeated.")]
From = Annotated[
    list[str] | None,
    typer.Option(
        "--from", parser=_network, metavar="CIDR|host|any",
        help="A network it may call from; may be repeated. Else: its host's addresses alone.",
    ),
]  # fmt: skip
MoveTo = Annotated[
    list[str] | None,
    typer.Option(
        metavar="AET|*",
        help="A node it may have instances moved to; may be repeated. Else: itself alone.",
    ),
]
Tls = Annotated[bool | None, typer.Option(help="Whether associations with it run over TLS.")]
Certificate = Annotated[
    str | None,
    typer.Option(
        callback=_certificate, metavar="SHA256|SUBJECT",
        help="The one certificate that it has, by fingerprint or subject ('CN=CT1,O=Hospital'); "
        "brings --tls. '' for any of a trusted authority.",
    ),
]  # fmt: skip
UserNames = Annotated[
    list[str] | None,
    typer.Option(
        "--user", metavar="NAME|''",
        help="A user that it must prove by a passcode; may be repeated. '' for none.",
    ),
]  # fmt: skip
Coerced = Annotated[
    bool | None, typer.Option(help="Send it corrected attributes, not the received bytes.")
]


@app.command()
def add(  # noqa: PLR0913 - a node's facts are as many
    context: typer.Context,
    ae_title: AeTitle,
    host: Annotated[str, typer.Argument()],
    port: Annotated[int, typer.Argument(min=1, max=65535)],
    allow: Allow = None,
    sources: From = None,
    move_to: MoveTo = None,
    tls: Tls = None,
    certificate: Certificate = None,
    users: UserNames = None,
    coerced: Coerced = None,
    json: Json = False,
) -> None:
    """Add a peer, or put another in its place, with all rights unless --allow names some.

    A running service follows at once.
    """
    from dicom.archive import Node

    facts = _facts(allow, sources, move_to, tls, certificate, users, coerced)
    with opened(context) as home:
        node = _checked(replace(Node(ae_title, host, port), **facts))
        home.index.nodes.add(node)
    _tell(node, json)


@app.command("set")
def change(  # noqa: PLR0913 - a node's facts are as many
    context: typer.Context,
    ae_title: AeTitle,
    host: Annotated[str | None, typer.Option()] = None,
    port: Annotated[int | None, typer.Option(min=1, max=65535)] = None,
    allow: Allow = None,
    sources: From = None,
    move_to: MoveTo = None,
    tls: Tls = None,
    certificate: Certificate = None,
    users: UserNames = None,
    coerced: Coerced = None,
    json: Json = False,
) -> None:
    """Change what is said of a peer; what isn't named stays. A running service follows at once."""
    from service.errors import Unknown

    facts = _facts(allow, sources, move_to, tls, certificate, users, coerced)
    facts |= _given(host=host, port=port)
    with opened(context) as home:
        held = home.index.nodes.get(ae_title)
        if held is None:
            raise Unknown(f"no node has the AE title {ae_title}")
        node = _checked(replace(held, **facts))
        home.index.nodes.add(node)
    _tell(node, json)


@app.command("ls")
def list_(context: typer.Context, json: Json = False) -> None:
    """List the peers."""
    with opened(context) as home:
        nodes = home.index.nodes.list()
    if json:
        print_json(nodes)
        return
    columns = ["AE title", "address", "may", "calls from", "moves to", "proves itself by"]
    print_table([*columns, "coerced"], map(_row, nodes))


@app.command("rm")
def remove(context: typer.Context, ae_title: AeTitle, json: Json = False) -> None:
    """Forget a peer."""
    with opened(context) as home:
        home.index.nodes.remove(ae_title)
    if json:
        print_json({"removed": ae_title})


def _facts(
    allow: list[Right] | None,
    sources: list[str] | None,
    move_to: list[str] | None,
    tls: bool | None,
    certificate: str | None,
    users: list[str] | None,
    coerced: bool | None,
) -> dict[str, Any]:
    """Turn options into fields of :class:`dicom.archive.Node`, those that were given."""
    from dicom.archive import Right as Rights

    if certificate and tls is None:
        tls = True
    return _given(
        rights=frozenset(Rights(right.value) for right in allow) if allow else None,
        sources=_sources(sources) if sources else None,
        destinations=tuple(map(_destination, move_to)) if move_to else None,
        tls=tls,
        certificate=certificate,
        users=tuple(name for name in users if name) if users else None,
        coerced=coerced,
    )


def _checked(node: Node) -> Node:
    if node.certificate and not node.tls:
        raise typer.BadParameter("a certificate is shown over TLS only: --certificate '' first")
    return node


def _given(**facts: object) -> dict[str, Any]:
    return {name: fact for name, fact in facts.items() if fact is not None}


def _sources(named: list[str]) -> tuple[str, ...]:
    if "any" in named:
        return ANYWHERE
    return tuple(source for source in named if source != "host")


def _destination(text: str) -> str:
    from service.access import ANY_NODE

    return text if text == ANY_NODE else _ae_title(text)


def _tell(node: Node, json: bool) -> None:
    if json:
        print_json(node)
    else:
        console.print(f"{node.ae_title} at {node.host}:{node.port}", markup=False)


def _short(certificate: str) -> str:
    return certificate if "=" in certificate else f"{certificate[:16]}…"


def _row(node: Node) -> list[object]:
    proofs = [
        *(["TLS"] if node.tls else []),
        *([_short(node.certificate)] if node.certificate else []),
        *(f"user {name}" for name in node.users),
    ]
    return [
        node.ae_title,
        f"{node.host}:{node.port}",
        " ".join(sorted(right.value for right in node.rights)),
        "anywhere" if node.sources == ANYWHERE else " ".join(node.sources or ("its host",)),
        " ".join(node.destinations or ("itself",)),
        " ".join(proofs) or "its address",
        node.coerced,
    ]
