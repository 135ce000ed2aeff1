"""`radiolith import`: take in files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from service.cli.options import Json, opened
from service.cli.output import counter, errors, print_facts, print_json


def import_(
    context: typer.Context,
    path: Annotated[Path, typer.Argument(help="A folder, DICOMDIR, zip archive or file.")],
    json: Json = False,
) -> None:
    """Take in files, every byte of them; say what was skipped, and why."""
    from service.exchange.importer import import_files

    with opened(context) as home, counter("importing", quiet=json) as advance:
        imported = import_files(home, path, advance)
    if json:
        print_json(imported)
        return
    for skipped in imported.skipped:
        errors.print(f"skipped {skipped.name}: {skipped.reason}", markup=False)
    print_facts(
        {
            "new instances": imported.instances,
            "already there": imported.duplicates,
            "quarantined": imported.quarantined,
            "UIDs disagree": imported.mismatches,
            "bytes": imported.bytes,
            "skipped files": len(imported.skipped),
        }
    )
