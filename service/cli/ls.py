"""`radiolith ls`: what the archive holds, level by level."""

from __future__ import annotations

from collections.abc import MutableSequence
from typing import TYPE_CHECKING, Annotated, Final

import typer

from service.cli.options import Json, opened
from service.cli.output import moment, print_json, print_table
from service.cli.select import matches, query

if TYPE_CHECKING:
    from service.home import Home

STUDIES: Final[tuple[str, ...]] = (
    "PatientID", "PatientName", "StudyDate", "ModalitiesInStudy", "NumberOfStudyRelatedInstances",
    "StudyInstanceUID",
)  # fmt: skip
SERIES: Final[tuple[str, ...]] = (
    "SeriesNumber", "Modality", "SeriesDescription", "NumberOfSeriesRelatedInstances",
    "SeriesInstanceUID",
)  # fmt: skip
IMAGES: Final[tuple[str, ...]] = ("InstanceNumber", "SOPClassUID", "SOPInstanceUID")


def ls(
    context: typer.Context,
    study: Annotated[str, typer.Argument(help="Study Instance UID.")] = "",
    series: Annotated[str, typer.Argument(help="Series Instance UID.")] = "",
    instances: Annotated[
        bool,
        typer.Option(
            "--instances", help="Every stored revision: its size, when it was last verified."
        ),
    ] = False,
    json: Json = False,
) -> None:
    """List studies, the series of a study, or the instances of a series."""
    with opened(context) as home:
        rows = _stored(home, json=json) if instances else _level(home, study, series)
    if json:
        print_json(rows)
    else:
        print_table([*rows[0]] if rows else [], [[*row.values()] for row in rows])


def _level(home: Home, study: str, series: str) -> list[dict[str, object]]:
    if series:
        level, columns = "IMAGE", IMAGES
    elif study:
        level, columns = "SERIES", SERIES
    else:
        level, columns = "STUDY", STUDIES
    above = {"StudyInstanceUID": study} if study else {}
    above |= {"SeriesInstanceUID": series} if series else {}
    found = matches(home, query(level, dict.fromkeys(columns, "") | above))
    return [{column: _text(item.get(column)) for column in columns} for item in found]


def _stored(home: Home, *, json: bool) -> list[dict[str, object]]:
    return [
        {
            "revision_id": facts.servable.revision_id,
            "sop_instance_uid": facts.servable.sop_instance_uid,
            "revision": facts.number,
            "state": facts.state,
            "served": facts.served,
            "length": facts.servable.length,
            "size": facts.size,
            "coding": facts.coding,
            "key_id": facts.key_id,
            "verified_at": facts.verified_at if json else moment(facts.verified_at),
            "damage": facts.damage,
        }
        for facts in home.index.revisions.all()
    ]


def _text(value: object) -> object:
    if isinstance(value, MutableSequence):
        return "\\".join(map(str, value))
    if value is None or isinstance(value, int):
        return value
    return str(value)
