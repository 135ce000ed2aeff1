"""`radiolith status`: what the archive holds and what waits."""

from __future__ import annotations

import shutil
from dataclasses import asdict
from typing import TYPE_CHECKING

import typer

from service.cli.options import Json, opened
from service.cli.output import moment, print_facts, print_json

if TYPE_CHECKING:
    from service.home import Home


def _replica(home: Home) -> dict[str, object]:
    """Say how far the replica is behind, where there is one."""
    if home.replica is None:
        return {}
    lag = asdict(home.replica.queue.lag())
    return {f"replica_{name}": value for name, value in lag.items()}


def _recovered(home: Home) -> dict[str, object]:
    """Say what the last start of the service put right, and when."""
    from service.upkeep.recovery import last_start

    told = last_start(home.run)
    return {f"start_{name}": moment(n) if name == "at" else n for name, n in told.items()}


def status(context: typer.Context, json: Json = False) -> None:
    """Count what is stored and what waits in the journal; exit 0 when the archive opens."""
    with opened(context) as home:
        told = {
            "home": str(home.path),
            **asdict(home.index.statistics()),
            "nodes": len(home.index.nodes.list()),
            "active_key": home.keys.keyring.active.key_id.hex(),
            **_replica(home),
            **_recovered(home),
            "free_bytes": shutil.disk_usage(home.settings.store.path).free,
        }
    if json:
        print_json(told)
        return
    print_facts(told)
