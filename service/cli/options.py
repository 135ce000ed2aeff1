"""Options that several verbs share, and the archive's folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import typer

HOME: Final = "RADIOLITH_HOME"
DEFAULT_HOME: Final = Path("~/.local/share/radiolith")

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of a table.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do it without asking.")]


def home(context: typer.Context) -> Path:
    """Give the archive's folder: `--home`, else RADIOLITH_HOME, else the default."""
    return Path(context.find_root().params["home"]).expanduser().absolute()
