"""`radiolith backup` and `restore`: everything but objects and journal, which are files already."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from service.cli.options import Json, home_path, opened, prepare
from service.cli.output import moment, print_facts, print_json


def backup(
    context: typer.Context,
    folder: Annotated[Path, typer.Argument(help="A new folder for the backup.")],
    json: Json = False,
) -> None:
    """Back up keyring, settings and index, sealed, without the root secret; a service may run."""
    from service.upkeep.backup import backup as save

    with opened(context) as home:
        saved = save(home, folder.absolute())
    if json:
        print_json(saved)
        return
    print_facts(
        {
            "backup": saved.folder,
            "files": ", ".join(saved.files),
            "bytes": saved.size,
            "trail entries": saved.trail_position,
            "trail head": saved.trail_hash.hex(),
        }
    )


def restore(
    context: typer.Context,
    folder: Annotated[Path, typer.Argument(help="A folder that `radiolith backup` made.")],
    json: Json = False,
) -> None:
    """Put a backup into a folder without an archive; objects and journal go back beside it."""
    from service.upkeep.backup import restore as put_back

    prepare()
    restored = put_back(folder.absolute(), home_path(context))
    if json:
        print_json(restored)
        return
    print_facts(
        {
            "restored": home_path(context),
            "files": ", ".join(restored.files),
            "backup made": moment(restored.made_at),
        }
    )
