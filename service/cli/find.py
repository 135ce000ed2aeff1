"""`radiolith find`: query as C-FIND does."""

from __future__ import annotations

from enum import Enum
from typing import Annotated

import typer

from service.cli.options import Json, opened
from service.cli.output import console, print_json
from service.cli.select import matches, query


class Level(Enum):
    """Query/Retrieve Level (PS3.4 C.6)."""

    PATIENT = "patient"
    STUDY = "study"
    SERIES = "series"
    IMAGE = "image"


def find(
    context: typer.Context,
    keys: Annotated[
        list[str] | None,
        typer.Argument(help="Keyword=value, matched as in C-FIND; Keyword alone: show it."),
    ] = None,
    level: Annotated[Level, typer.Option(help="What to list.")] = Level.STUDY,
    json: Json = False,
) -> None:
    """Find patients, studies, series or images by their attributes (PS3.4 C.2.2.2)."""
    wanted = dict(_key(text) for text in keys or ())
    asked = query(level.name, wanted, patient_root=level is Level.PATIENT)
    with opened(context) as home:
        found = matches(home, asked)
    if json:
        print_json([item.to_json_dict() for item in found])
        return
    for item in found:
        console.print(str(item), markup=False)
        console.print()
    console.print(f"{len(found)} found")


def _key(text: str) -> tuple[str, str]:
    keyword, _, value = text.partition("=")
    return keyword, value
