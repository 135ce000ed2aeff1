"""`radiolith delete`, `undelete`, `purge`, `deletions`: hidden at once, destroyed after a grace."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from service.cli.confirm import DryRun, Yes, confirmed
from service.cli.options import Json, opened, user
from service.cli.output import console, moment, print_facts, print_json, print_table
from service.errors import Held

if TYPE_CHECKING:
    from service.index.doomed import Covered

Why = Annotated[str, typer.Option("--reason", help="Why; kept in the audit trail.")]
Number = Annotated[int, typer.Argument(help="The number that `deletions` shows.")]


def delete(  # noqa: PLR0913 - a deletion is told in as many words
    context: typer.Context,
    reason: Why,
    study: Annotated[str, typer.Option(help="Study Instance UID.")] = "",
    series: Annotated[str, typer.Option(help="Series Instance UID.")] = "",
    instance: Annotated[str, typer.Option(help="SOP Instance UID.")] = "",
    patient: Annotated[
        str, typer.Option(help="Patient ID, where several have a study of that UID.")
    ] = "",
    issuer: Annotated[str, typer.Option(help="Issuer of that Patient ID.")] = "",
    grace: Annotated[
        float | None,
        typer.Option(help="Days until it is destroyed; deletion.grace_days by default.", min=0),
    ] = None,
    now: Annotated[bool, typer.Option("--now", help="Destroy it at once.")] = False,
    yes: Yes = False,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Delete a study, a series or an instance: hidden at once, destroyed after the grace period."""
    from service.index import Author
    from service.index import patient as key_of
    from service.upkeep.deletion import Deletion

    level, uid = _named(study, series, instance)
    with opened(context) as home:
        key = key_of(patient, issuer, study) if patient or issuer else None
        covered = home.index.deletions.covering(level, uid, key)
        if not json:
            _show(covered)
        if dry_run:
            if json:
                print_json(covered)
            return
        _require_free(covered)
        how = "Destroy this for good" if now else "Delete this"
        confirmed(f"{how}?", yes=yes, json=json)
        deletion, author = Deletion(home), Author(user(), reason)
        number = deletion.delete(covered.revisions, author, 0 if now else grace)
        purged = deletion.purge(number, author) if now else None
    if json:
        print_json({"deletion": number, "revisions": len(covered.revisions), "purged": purged})
    else:
        console.print(f"deletion {number}" + (", purged" if now else ""))


def undelete(context: typer.Context, deletion: Number, reason: Why, json: Json = False) -> None:
    """Bring back what a deletion hides, within its grace period."""
    from service.index import Author
    from service.upkeep.deletion import Deletion

    with opened(context) as home:
        Deletion(home).undo(deletion, Author(user(), reason))
    if json:
        print_json({"undone": deletion})


def purge(
    context: typer.Context,
    deletion: Annotated[
        int | None, typer.Argument(help="One deletion, whatever is left of its grace.")
    ] = None,
    reason: Annotated[str, typer.Option(help="Why; kept in the audit trail.")] = "",
    yes: Yes = False,
    json: Json = False,
) -> None:
    """Destroy what is deleted and whose grace is over, as `serve` does by itself."""
    from service.index import Author
    from service.upkeep.deletion import Deletion, purge_due

    with opened(context) as home:
        author = Author(user(), reason or "the grace period is over")
        if deletion is None:
            done = purge_due(home, author)
        else:
            confirmed(f"Destroy deletion {deletion} for good?", yes=yes, json=json)
            done = Deletion(home).purge(deletion, author)
    if json:
        print_json(done)
    else:
        print_facts(asdict(done))


def deletions(context: typer.Context, json: Json = False) -> None:
    """List all deletions, undone and purged ones too."""
    with opened(context) as home:
        listed = home.index.deletions.list()
    if json:
        print_json(listed)
        return
    rows = [
        [one.id, one.state, one.instances, one.revisions, one.by, moment(one.at), moment(one.due),
         one.reason] for one in listed
    ]  # fmt: skip
    print_table(
        ["id", "state", "instances", "revisions", "by", "at", "destroyed after", "reason"], rows
    )


def _named(study: str, series: str, instance: str) -> tuple[str, str]:
    named = [
        (level, uid)
        for level, uid in (("study", study), ("series", series), ("instance", instance))
        if uid
    ]
    if len(named) != 1:
        raise typer.BadParameter("name one of --study, --series and --instance")
    return named[0]


def _show(covered: Covered) -> None:
    print_facts(
        {
            "instances": covered.instances,
            "revisions": len(covered.revisions),
            "bytes received": covered.bytes,
            "holds": ", ".join(map(str, covered.holds)) or None,
        }
    )


def _require_free(covered: Covered) -> None:
    if covered.holds:
        raise Held(f"hold {', '.join(map(str, covered.holds))}; see radiolith hold ls")
