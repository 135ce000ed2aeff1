"""`radiolith serve`: run the archive."""

from __future__ import annotations

from typing import Annotated

import typer

from service.cli.options import home_path
from service.errors import EXIT_OK, IoFault


def serve(
    context: typer.Context,
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="TCP port.", min=0, max=65535)] = None,
    ae_title: Annotated[str | None, typer.Option(help="This archive's AE title.")] = None,
    receivers: Annotated[int | None, typer.Option(help="Receiving processes.", min=1)] = None,
    workers: Annotated[int | None, typer.Option(help="Encoding processes.", min=1)] = None,
) -> int:
    """Serve until SIGTERM. Prints `listening on HOST:PORT as AET` when it is ready."""
    from service.processes.supervisor import serve as run

    flags = {
        "host": host,
        "port": port,
        "ae_title": ae_title,
        "receivers": receivers,
        "workers": workers,
    }
    if not run(home_path(context), {"service": flags}, _announce):
        raise IoFault("a process had to be killed; nothing acknowledged is lost")
    return EXIT_OK


def _announce(line: str) -> None:
    print(line, flush=True)  # noqa: T201 - scripts wait for this very line
