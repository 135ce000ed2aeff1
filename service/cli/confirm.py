"""Asking before what cannot be undone."""

from __future__ import annotations

from typing import Annotated

import typer

Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")]


def confirmed(question: str, *, yes: bool, json: bool) -> None:
    """Ask at the terminal, unless told not to.

    Raises:
        BadParameter: a script asks for JSON and says neither --yes nor --dry-run.
        Abort: the answer is no, or nobody is there to give one.
    """
    if yes:
        return
    if json:
        raise typer.BadParameter("with --json say --yes or --dry-run: nobody can be asked")
    typer.confirm(question, abort=True, err=True)
