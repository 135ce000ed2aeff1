"""Options that several verbs share, and the archive that a verb works on."""

from __future__ import annotations

import getpass
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

if TYPE_CHECKING:
    from service.home import Home

HOME: Final = "RADIOLITH_HOME"
DEFAULT_HOME: Final = Path("~/.local/share/radiolith")

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of a table.")]
Reason = Annotated[str, typer.Option(help="Why; kept in the audit trail.")]
Since = Annotated[
    datetime | None,
    typer.Option(
        formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"], help="Only what came since, UTC: 2026-11-01."
    ),
]


def home_path(context: typer.Context) -> Path:
    """Give the archive's folder: `--home`, else RADIOLITH_HOME, else the default."""
    return Path(context.find_root().params["home"]).expanduser().absolute()


@contextmanager
def opened(context: typer.Context) -> Iterator[Home]:
    """Open the archive for one verb; warnings go to standard error.

    Raises:
        SettingsError: its settings are wrong.
        Fault: there is none, or it cannot be opened.
    """
    from service.home import Home

    prepare()
    with Home.open(home_path(context)) as home:
        yield home


def prepare() -> None:
    """Send warnings to standard error, and keep keys out of dumps."""
    from service import logs
    from service.keys.memory import shield

    logs.configure("warning", "console")
    shield()


def micros(moment: datetime | None) -> int:
    """Turn a time given in UTC into microseconds since 1970; 0 for none."""
    return 0 if moment is None else round(moment.replace(tzinfo=UTC).timestamp() * 1_000_000)


def user() -> str:
    """Name who runs the command, for the audit trail; a container's user may have no name."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())
