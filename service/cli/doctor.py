"""`radiolith doctor`: which settings are weak, and what is wrong."""

from __future__ import annotations

from typing import Annotated

import typer

from service.cli.options import Json, opened
from service.cli.output import console, print_json, print_table
from service.errors import EXIT_FAULTS_FOUND, EXIT_OK


def doctor(
    context: typer.Context,
    echo: Annotated[bool, typer.Option("--echo", help="Also call every node by C-ECHO.")] = False,
    json: Json = False,
) -> int:
    """Name weak settings and faults, and what to do about each; exit 2 where there is one."""
    from service.upkeep.doctor import examine

    with opened(context) as home:
        findings = list(examine(home, echo=echo))
    if json:
        print_json(findings)
    elif findings:
        rows = [[one.about, one.detail, one.remedy] for one in findings]
        print_table(["finding", "what", "remedy"], rows)
    else:
        console.print("nothing weak or wrong was found")
    return EXIT_FAULTS_FOUND if findings else EXIT_OK
