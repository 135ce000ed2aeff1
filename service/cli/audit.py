"""`radiolith audit`: does every object hold what was received?"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Annotated

import typer

from service.cli.options import Json, Since, micros, opened
from service.cli.output import console, print_json, print_table, progress
from service.errors import EXIT_FAULTS_FOUND, EXIT_OK

if TYPE_CHECKING:
    from service.upkeep.audit import Audited


def audit(
    context: typer.Context,
    sample: Annotated[
        float, typer.Option(help="Share of the revisions to read, drawn at random.", min=0, max=1)
    ] = 1.0,
    since: Since = None,
    json: Json = False,
) -> int:
    """Open, decode and compare every object with its row, both ways. Deletes and mends nothing."""
    from models.registry import all_models
    from service.upkeep.audit import Scope
    from service.upkeep.audit import audit as check

    with opened(context) as home, progress("auditing", quiet=json) as show:
        audited = check(home, all_models(), Scope(sample, micros(since)), show)
    if json:
        print_json(audited)
    else:
        _print(audited)
    return EXIT_FAULTS_FOUND if audited.faults else EXIT_OK


def _print(audited: Audited) -> None:
    if audited.faults:
        rows = [[one.kind, one.sop_instance_uid, one.object, one.detail] for one in audited.faults]
        print_table(["kind", "instance", "object", "detail"], rows)
    kinds = Counter(one.kind for one in audited.faults)
    found = ", ".join(f"{number} {kind}" for kind, number in sorted(kinds.items())) or "no faults"
    console.print(f"{audited.checked} checked: {found}")
