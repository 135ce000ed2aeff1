"""`radiolith ls`: what the archive holds, level by level."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final

import typer

from service.cli.options import Json, opened
from service.cli.output import print_json, print_table
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
REVISIONS: Final = (
    "sop_instance_uid", "revision", "state", "served", "length", "size", "coding", "key_id",
)  # fmt: skip


def ls(
    context: typer.Context,
    study: Annotated[str, typer.Argument(help="Study Instance UID.")] = "",
    series: Annotated[str, typer.Argument(help="Series Instance UID.")] = "",
    instances: Annotated[
        bool, typer.Option("--instances", help="Every stored revision, with its size.")
    ] = False,
    json: Json = False,
) -> None:
    """List studies, the series of a study, or the instances of a series."""
    with opened(context) as home:
        columns, rows = _stored(home) if instances else _level(home, study, series)
    if json:
        print_json([dict(zip(columns, row, strict=True)) for row in rows])
        return
    print_table(columns, rows)


def _level(home: Home, study: str, series: str) -> tuple[tuple[str, ...], list[list[object]]]:
    if series:
        level, columns = "IMAGE", IMAGES
    elif study:
        level, columns = "SERIES", SERIES
    else:
        level, columns = "STUDY", STUDIES
    above = {"StudyInstanceUID": study} if study else {}
    above |= {"SeriesInstanceUID": series} if series else {}
    found = matches(home, query(level, dict.fromkeys(columns, "") | above))
    return columns, [[_text(item.get(column, "")) for column in columns] for item in found]


def _stored(home: Home) -> tuple[tuple[str, ...], list[list[object]]]:
    rows: list[list[object]] = [
        [
            facts.servable.sop_instance_uid, facts.number, facts.state, facts.served,
            facts.servable.length, facts.size, facts.coding, facts.key_id,
        ]
        for facts in home.index.revisions.all()
    ]  # fmt: skip
    return REVISIONS, rows


def _text(value: object) -> object:
    if value is None:
        return ""
    if isinstance(value, list | tuple) or type(value).__name__ == "MultiValue":
        return "\\".join(map(str, value))  # type: ignore[call-overload]
    return value if type(value) is int else str(value)
