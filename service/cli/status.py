"""`radiolith status`: what the archive holds and what waits."""

from __future__ import annotations

import shutil
from dataclasses import asdict

import typer

from service.cli.options import Json, opened
from service.cli.output import print_facts, print_json


def status(context: typer.Context, json: Json = False) -> None:
    """Count what is stored and what waits in the journal; exit 0 when the archive opens."""
    with opened(context) as home:
        told = {
            "home": str(home.path),
            **asdict(home.index.statistics()),
            "nodes": len(home.index.nodes.list()),
            "active_key": home.keys.keyring.active.key_id.hex(),
            "free_bytes": shutil.disk_usage(home.settings.store.path).free,
        }
    if json:
        print_json(told)
        return
    print_facts(told)
