"""`radiolith init`: make an empty archive."""

from __future__ import annotations

from typing import Annotated

import typer

from service.cli.options import Json, home_path
from service.cli.output import console, print_json


def init(
    context: typer.Context,
    passphrase: Annotated[
        bool, typer.Option("--passphrase", help="Ask for a passphrase to seal the keyring by.")
    ] = False,
    json: Json = False,
) -> None:
    """Make an empty archive: keyring, index, journal and object store."""
    from service.home import init as make
    from service.keys.passphrase import terminal

    if passphrase:
        terminal().ask_new()
    made = make(home_path(context), root=terminal() if passphrase else None)
    if json:
        print_json(made)
        return
    console.print(f"archive in {made.home}, key {made.key_id.hex()}", markup=False)
    if made.root_key is not None:
        console.print(
            f"its root key is {made.root_key}: move it to another disk and name it by "
            "RADIOLITH_KEY_FILE before patients' data come in",
            markup=False,
        )
