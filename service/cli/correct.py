"""`radiolith correct`: change what queries see; no received byte changes."""

from __future__ import annotations

from typing import Annotated

import typer

from service.cli.options import Json, opened, user
from service.cli.output import console, moment, print_json, print_table

app = typer.Typer(
    help="Corrections of patients and studies: what queries see, never the received bytes.",
    no_args_is_help=True,
)

Why = Annotated[str, typer.Option("--reason", help="Why; kept with the correction.")]
PatientId = Annotated[str, typer.Argument(help="Patient ID.")]
Issuer = Annotated[str, typer.Option(help="Issuer of Patient ID, where it has one.")]
TargetIssuer = Annotated[str, typer.Option(help="Issuer of the target's Patient ID.")]


@app.command()
def merge(
    context: typer.Context,
    source: PatientId,
    target: PatientId,
    reason: Why,
    issuer: Issuer = "",
    target_issuer: TargetIssuer = "",
    json: Json = False,
) -> None:
    """Show all studies of patient SOURCE under TARGET."""
    from service.index import Author, patient
    from service.upkeep.decisions import Decisions

    with opened(context) as home:
        keys = patient(source, issuer), patient(target, target_issuer)
        number = Decisions(home).merge(*keys, Author(user(), reason))
    _entered(number, json)


@app.command()
def rename(
    context: typer.Context,
    patient_id: PatientId,
    changes: Annotated[list[str], typer.Argument(help="Keyword=value: PatientName=DOE^JANE.")],
    reason: Why,
    issuer: Issuer = "",
    study: Annotated[
        str, typer.Option(help="Study Instance UID, where the Patient ID is empty.")
    ] = "",
    json: Json = False,
) -> None:
    """Show other attributes of a patient."""
    from service.index import Author, patient
    from service.upkeep.decisions import Decisions

    pairs = dict(_change(text) for text in changes)
    with opened(context) as home:
        key = patient(patient_id, issuer, study)
        number = Decisions(home).rename(key, pairs, Author(user(), reason))
    _entered(number, json)


@app.command()
def move(
    context: typer.Context,
    study: Annotated[str, typer.Argument(help="Study Instance UID.")],
    target: PatientId,
    reason: Why,
    target_issuer: TargetIssuer = "",
    source: Annotated[
        str, typer.Option(help="Patient ID it was received under, where several have it.")
    ] = "",
    issuer: Issuer = "",
    json: Json = False,
) -> None:
    """Show a study under another patient."""
    from service.index import Author, patient
    from service.upkeep.decisions import Decisions

    with opened(context) as home:
        author = Author(user(), reason)
        owner = patient(source, issuer, study) if source else None
        number = Decisions(home).move(study, patient(target, target_issuer), author, owner)
    _entered(number, json)


@app.command()
def undo(
    context: typer.Context,
    correction: Annotated[int, typer.Argument(help="Its number, as `correct ls` shows it.")],
    json: Json = False,
) -> None:
    """Take a correction back; later ones stay in force."""
    from service.upkeep.decisions import Decisions

    with opened(context) as home:
        Decisions(home).undo(correction, user())
    if json:
        print_json({"undone": correction})


@app.command("ls")
def list_(context: typer.Context, json: Json = False) -> None:
    """List all corrections, undone ones too."""
    with opened(context) as home:
        corrections = home.index.corrections.list()
    if json:
        print_json(corrections)
        return
    rows = [
        [one.id, one.kind, str(dict(one.details)), one.by, moment(one.at), one.reason,
         one.undone_by] for one in corrections
    ]  # fmt: skip
    print_table(["id", "kind", "details", "by", "at", "reason", "undone by"], rows)


def _change(text: str) -> tuple[str, str]:
    keyword, equals, value = text.partition("=")
    if not equals:
        raise typer.BadParameter(f"{text!r} is not Keyword=value")
    return keyword, value


def _entered(number: int, json: bool) -> None:
    if json:
        print_json({"correction": number})
    else:
        console.print(f"correction {number}")
