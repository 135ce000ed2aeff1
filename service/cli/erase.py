"""`radiolith keys erase`: destroy a key with all that is sealed under it."""

from __future__ import annotations

from typing import Annotated

import typer

from service.cli.confirm import DryRun, Yes, confirmed
from service.cli.options import Json, opened, user
from service.cli.output import console, print_facts, print_json
from service.errors import Held


def erase(
    context: typer.Context,
    key: Annotated[str, typer.Argument(help="Key id, or its first digits.")],
    reason: Annotated[str, typer.Option("--reason", help="Why; kept in the audit trail.")],
    yes: Yes = False,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Destroy a key while instances are sealed under it: no copy of them opens any more."""
    from service.index import Author
    from service.keys import KeyringBackups
    from service.upkeep.erasure import erase as destroy
    from service.upkeep.erasure import losses

    with opened(context) as home:
        lost = losses(home, key)
        told = {
            "key": lost.key.key_id,
            "instances lost": lost.instances,
            "revisions lost": lost.revisions,
            "objects without a row lost": lost.orphans,
            "holds": lost.holds,
        }
        if not json:
            print_facts(told | {"holds": ", ".join(map(str, lost.holds)) or None})
        if dry_run:
            if json:
                print_json(told)
            return
        if lost.holds:
            raise Held(f"hold {', '.join(map(str, lost.holds))}; see radiolith hold ls")
        question = f"Destroy the key and {lost.instances} instances for good, with every copy?"
        confirmed(question, yes=yes, json=json)
        folder = home.settings.keys.backup_path
        backups = None if folder is None else KeyringBackups(folder)
        erased = destroy(home, key, Author(user(), reason), backups)
    if json:
        print_json(erased)
        return
    console.print(f"erased: {erased.key_id.hex()}")
    for path in erased.backups:
        console.print(f"{path}: still holds the key, or may: erase it too", markup=False)
    console.print("Copies of the keyring made by hand or by backup hold the key as well.")
