"""`radiolith show`: what is stored for an instance."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Final

import typer

from service.cli.options import Json, opened
from service.cli.output import console, moment, print_facts, print_json
from service.errors import Unknown

if TYPE_CHECKING:
    from service.index import RevisionFacts


TIMES: Final = ("received_at", "sealed_at", "verified_at")


def show(
    context: typer.Context,
    sop_instance_uid: Annotated[str, typer.Argument(help="SOP Instance UID.")],
    json: Json = False,
) -> None:
    """Show every revision of an instance: sizes, coding, key, state."""
    with opened(context) as home:
        revisions = home.index.revisions.of_instance(sop_instance_uid)
    if not revisions:
        raise Unknown("no instance has that SOP Instance UID")
    if json:
        print_json([_flat(facts) for facts in revisions])
        return
    for facts in revisions:
        told = _flat(facts)
        times = {name: moment(told[name]) for name in TIMES}  # type: ignore[arg-type]
        print_facts(told | times)
        console.print()


def _flat(facts: RevisionFacts) -> dict[str, object]:
    """Put what is common to every servable revision beside the rest."""
    told = asdict(facts)
    common: dict[str, object] = told.pop("servable")
    return common | told
