"""`radiolith orphans`: objects that no row names."""

from __future__ import annotations

from typing import Annotated

import typer

from service.cli.options import Json, opened
from service.cli.output import console, print_json, print_table
from service.errors import EXIT_FAULTS_FOUND, EXIT_OK


def orphans(
    context: typer.Context,
    settle: Annotated[
        bool, typer.Option("--settle", help="Adopt what nothing else holds, remove the rest.")
    ] = False,
    json: Json = False,
) -> int:
    """Name objects without a row, and what would become of each; nothing is done unless asked."""
    from models.registry import all_models
    from service.upkeep.orphans import LEFT
    from service.upkeep.orphans import orphans as look

    with opened(context) as home:
        found = look(home, all_models(), settle=settle)
    if json:
        print_json(found)
    elif found:
        rows = [[one.object, one.sop_instance_uid, one.outcome, one.detail] for one in found]
        print_table(["object", "instance", "outcome", "why"], rows)
    else:
        console.print("every object has its row")
    left = [one for one in found if not settle or one.outcome == LEFT]
    return EXIT_FAULTS_FOUND if left else EXIT_OK
