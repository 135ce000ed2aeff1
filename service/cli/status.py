"""`radiolith status`: what the archive holds and what waits."""

from __future__ import annotations

import shutil
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from service.cli.metrics import exposition
from service.cli.options import Json, opened
from service.cli.output import moment, print_facts, print_json
from service.errors import DataFault

if TYPE_CHECKING:
    from service.home import Home
    from service.index.replication import Lag


def _replica(lag: Lag | None) -> dict[str, object]:
    """Say how far the replica is behind, and how sound it is, where there is one."""
    told = {} if lag is None else asdict(lag)
    return {f"replica_{name}": value for name, value in told.items()}


def _recovered(home: Home) -> dict[str, object]:
    """Say what the last start of the service put right, and when."""
    from service.upkeep.recovery import last_start

    told = last_start(home.run)
    return {f"start_{name}": moment(n) if name == "at" else n for name, n in told.items()}


def _trail(home: Home) -> str:
    """Say whether the trail is the one that was anchored (:mod:`service.upkeep.anchor`)."""
    from service.upkeep.anchor import against, read_anchor

    try:
        anchor = read_anchor(home.keys, home.settings.store.path)
    except DataFault as fault:
        return f"not anchored: {fault}"
    return against(home.index.trail, anchor) or f"anchored at {anchor.position}"


def status(
    context: typer.Context,
    json: Json = False,
    metrics: Annotated[
        bool, typer.Option("--metrics", help="Print Prometheus' text format.")
    ] = False,
) -> None:
    """Count what is stored and what waits in the journal; exit 0 when the archive opens."""
    with opened(context) as home:
        statistics = home.index.statistics()
        lag = None if home.replica is None else home.replica.queue.lag()
        told = {
            "home": str(home.path),
            **asdict(statistics),
            "nodes": len(home.index.nodes.list()),
            "active_key": home.keys.keyring.active.key_id.hex(),
            "trail": _trail(home),
            **_replica(lag),
            **_recovered(home),
            "free_bytes": shutil.disk_usage(home.settings.store.path).free,
        }
    if metrics:
        print(exposition(statistics, lag), end="")  # noqa: T201 - a program reads it
    elif json:
        print_json(told)
    else:
        print_facts(told | {"oldest_verification": moment(statistics.oldest_verification)})
