"""`radiolith keys`: the archive keys and the root secret that seals them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from config.errors import SettingsError
from service.cli.options import Json, opened
from service.cli.output import console, errors, moment, print_json, print_table, progress
from service.errors import EXIT_FAULTS_FOUND, EXIT_OK

if TYPE_CHECKING:
    from service.home import Home
    from service.keys import KeyringBackups, RootSecret
    from service.upkeep.key_uses import Holder

app = typer.Typer(help="Archive keys and the root secret that seals them.", no_args_is_help=True)

Pause = Annotated[float, typer.Option(help="Seconds of rest after each object.", min=0)]


@app.command("ls")
def list_(context: typer.Context, json: Json = False) -> None:
    """List the keys and count what is sealed under each: every file is looked at."""
    from service.upkeep.key_uses import count_keys

    with opened(context) as home:
        uses = count_keys(home)
    if json:
        print_json(uses)
        return
    print_table(
        [*("key", "state", "made", "objects", "journal entries", "notes", "replica alone"), "ever"],
        [
            [
                *(use.key_id, use.state, moment(use.created_at)),
                *(use.objects, use.entries, use.notes, use.replica, use.sealings),
            ]
            for use in uses
        ],
    )
    for use in uses:
        if use.advice:
            errors.print(f"key {use.key_id.hex()}: {use.advice}", markup=False)


@app.command()
def rotate(
    context: typer.Context,
    reencrypt: Annotated[
        bool, typer.Option("--reencrypt", help="Then move every object to the new key.")
    ] = False,
    pause: Pause = 0.0,
    json: Json = False,
) -> int:
    """Make a new active key: at once, whatever the archive's size."""
    with opened(context) as home:
        key = home.keys.rotate(_backups(home))
        home.index.trail.append("key rotated", {"key": key.key_id.hex()})
        if not json:
            console.print(f"active key: {key.key_id.hex()}")
        if reencrypt:
            return _reencrypt(home, pause, json)
    if json:
        print_json({"key_id": key.key_id})
    return EXIT_OK


@app.command()
def reencrypt(context: typer.Context, pause: Pause = 0.0, json: Json = False) -> int:
    """Move every object to the active key; may be stopped, and goes on where it was."""
    with opened(context) as home:
        return _reencrypt(home, pause, json)


@app.command()
def retire(
    context: typer.Context,
    key: Annotated[str, typer.Argument(help="Key id, or its first digits.")],
    purge_backups: Annotated[
        bool, typer.Option("--purge-backups", help="Also destroy the keyring's backups with it.")
    ] = False,
    json: Json = False,
) -> None:
    """Destroy a key that nothing in the archive needs any more; name what does."""
    from service.upkeep.key_uses import StillNeeded
    from service.upkeep.key_uses import retire as destroy

    with opened(context) as home:
        backups = _backups(home)
        try:
            retired = destroy(home, key, backups)
        except StillNeeded as fault:
            _print_holders(fault.holders, json)
            raise
        if purge_backups and backups is not None:
            for path in retired.backups:
                backups.remove(path)
    if json:
        held = [] if purge_backups else retired.backups
        print_json({"key_id": retired.key.key_id, "held_by": held})
        return
    console.print(f"retired: {retired.key.key_id.hex()}")
    for path in retired.backups:
        done = "removed" if purge_backups else "still holds the key, or may"
        console.print(f"{path}: {done}", markup=False)
    console.print("Backups of objects that were sealed under it cannot be opened any more.")


def _print_holders(holders: list[Holder], json: bool) -> None:
    if json:
        print_json({"needed_by": holders})
        return
    rows = [
        [holder.what, holder.id, holder.sop_instance_uid, holder.revision, holder.readable]
        for holder in holders
    ]
    print_table(["what", "id", "SOP Instance UID", "revision", "readable"], rows)


@app.command()
def rewrap(
    context: typer.Context,
    passphrase_file: Annotated[Path | None, typer.Option(help="The new passphrase.")] = None,
    passphrase: Annotated[
        bool, typer.Option("--passphrase", help="Or ask for it at the terminal.")
    ] = False,
    key_file: Annotated[Path | None, typer.Option(help="Or the new key file, mode 0600.")] = None,
    vault: Annotated[
        bool, typer.Option("--vault", help="Or the key of Vault that the settings name.")
    ] = False,
    json: Json = False,
) -> None:
    """Change the root secret. Old copies of the keyring stay open to the old one."""
    if sum((passphrase_file is not None, passphrase, key_file is not None, vault)) != 1:
        raise typer.BadParameter("name one of --passphrase-file, --passphrase, --key-file, --vault")
    with opened(context) as home:
        secret = _root_secret(home, passphrase_file, key_file, vault)
        home.keys.rewrap(secret, _backups(home))
        home.index.trail.append("keyring rewrapped", {"root": secret.kind})
    if json:
        print_json({"root": secret.kind})
        return
    console.print(f"The keyring opens with the new {secret.kind} now: name it in the settings.")
    console.print("Old copies of the keyring still open with the old root secret.")


def _root_secret(
    home: Home, passphrase_file: Path | None, key_file: Path | None, vault: bool
) -> RootSecret:
    from service.home import vault_key
    from service.keys import KeyFile, PassphraseFile, PassphrasePrompt

    if passphrase_file is not None:
        return PassphraseFile(passphrase_file.absolute())
    if key_file is not None:
        return KeyFile(key_file.absolute())
    if vault:
        if not home.settings.vault.address:
            raise SettingsError("no vault.address in the settings")
        return vault_key(home.settings)
    prompt = PassphrasePrompt()
    prompt.ask_new()
    return prompt


@app.command()
def backup(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="Where to; replaced if it exists.")],
    json: Json = False,
) -> None:
    """Copy the sealed keyring, and check that the copy opens."""
    with opened(context) as home:
        home.keys.backup(file.absolute())
        home.index.trail.append("keyring backed up", {})
    if json:
        print_json({"file": file.absolute()})
    else:
        console.print(f"keyring in {file.absolute()}", markup=False)


def _reencrypt(home: Home, pause: float, json: bool) -> int:
    from service.processes.worker import load_codec
    from service.upkeep.jobs import reencrypt as reseal

    with progress("re-encrypting", quiet=json) as show:
        done = reseal(home, load_codec(), pause, show)
    for fault in done.faults:
        errors.print(f"{fault.sop_instance_uid}: {fault.kind}: {fault.detail}", markup=False)
    if json:
        print_json({"key_id": home.keys.keyring.active.key_id, "reencrypted": done})
    else:
        console.print(f"{done.resealed} objects moved, {len(done.faults)} could not be")
    return EXIT_FAULTS_FOUND if done.faults else EXIT_OK


def _backups(home: Home) -> KeyringBackups | None:
    from service.keys import KeyringBackups

    folder = home.settings.keys.backup_path
    return None if folder is None else KeyringBackups(folder)
