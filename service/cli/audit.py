"""`radiolith audit`: does every object hold what was received?"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Annotated

import typer

from service.cli.options import Json, Since, micros, opened
from service.cli.output import console, plain, print_json, print_table, progress
from service.errors import EXIT_FAULTS_FOUND, EXIT_OK

if TYPE_CHECKING:
    from service.upkeep.audit import Audited
    from service.upkeep.repair import Repaired


def audit(
    context: typer.Context,
    sample: Annotated[
        float, typer.Option(help="Share of the revisions to read, drawn at random.", min=0, max=1)
    ] = 1.0,
    since: Since = None,
    mend: Annotated[
        bool,
        typer.Option(
            "--repair", help="First mend what store or replica lost, each from the other alone."
        ),
    ] = False,
    json: Json = False,
) -> int:
    """Open, decode and compare every object with its row, both ways. Mends nothing unless asked."""
    from models.registry import all_models
    from service.upkeep.audit import Scope
    from service.upkeep.audit import audit as check

    repaired = _repair(context, json) if mend else None
    with opened(context) as home, progress("auditing", quiet=json) as show:
        audited = check(home, all_models(), Scope(sample, micros(since)), show)
    if json:
        print_json(audited if repaired is None else plain(audited) | {"repaired": repaired})
    else:
        _print(audited)
    is_sound = not audited.faults and (repaired is None or not repaired.faults)
    return EXIT_OK if is_sound else EXIT_FAULTS_FOUND


def _repair(context: typer.Context, quiet: bool) -> Repaired:
    from models.registry import all_models
    from service.upkeep.repair import repair

    with opened(context) as home, progress("repairing", quiet=quiet) as show:
        repaired = repair(home, all_models(), show)
    if not quiet:
        _print_repaired(repaired)
    return repaired


def _print_repaired(repaired: Repaired) -> None:
    if repaired.faults:
        rows = [[one.kind, one.sop_instance_uid, one.object, one.detail] for one in repaired.faults]
        print_table(["not repaired", "instance", "object", "detail"], rows)
    for name in repaired.strays:
        console.print(f"only in the replica, and named by no row: {name}")
    console.print(
        f"{repaired.restored} objects restored from the replica, {repaired.mirrored} in it, "
        f"{repaired.notes} notes; {len(repaired.faults)} could not be"
    )


def _print(audited: Audited) -> None:
    if audited.faults:
        rows = [[one.kind, one.sop_instance_uid, one.object, one.detail] for one in audited.faults]
        print_table(["kind", "instance", "object", "detail"], rows)
    kinds = Counter(one.kind for one in audited.faults)
    found = ", ".join(f"{number} {kind}" for kind, number in sorted(kinds.items())) or "no faults"
    console.print(f"{audited.checked} checked: {found}")
