"""The command `radiolith`: its verbs, its exit codes."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Final

import typer

from config.errors import SettingsError
from service.cli import (
    audit,
    backup,
    bench,
    codec,
    correct,
    delete,
    doctor,
    erase,
    export,
    find,
    hold,
    imports,
    init,
    keys,
    ls,
    nodes,
    orphans,
    quarantine,
    rebuild,
    rejections,
    replicate,
    serve,
    show,
    status,
    trail,
    train,
    users,
)
from service.cli.options import DEFAULT_HOME, HOME
from service.cli.output import errors
from service.compiled import keep_compiled
from service.errors import EXIT_OK, EXIT_USAGE, Fault, rendering

INTERRUPTED: Final = 130
"""Ended by the keyboard, as shells say it."""

app = typer.Typer(
    help="A DICOM archive: smaller, encrypted, verified, and bit for bit.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def radiolith(
    home: Annotated[
        Path,
        typer.Option(envvar=HOME, help="The archive's folder.", show_default=str(DEFAULT_HOME)),
    ] = DEFAULT_HOME,
) -> None:
    """A DICOM archive: smaller, encrypted, verified, and bit for bit."""
    keep_compiled(home.expanduser())


app.command()(init.init)
app.command()(serve.serve)
app.command()(status.status)
app.command("import")(imports.import_)
app.command()(export.export)
app.command()(ls.ls)
app.command()(find.find)
app.command()(show.show)
app.command()(audit.audit)
app.command()(doctor.doctor)
app.command()(backup.backup)
app.command()(backup.restore)
app.command("rebuild-index")(rebuild.rebuild_index)
app.command()(replicate.replicate)
app.command()(delete.delete)
app.command()(delete.undelete)
app.command()(delete.purge)
app.command()(delete.deletions)
app.command()(orphans.orphans)
app.command()(train.train)
app.add_typer(nodes.app, name="nodes")
app.add_typer(users.app, name="users")
app.add_typer(quarantine.app, name="quarantine")
app.add_typer(correct.app, name="correct")
app.add_typer(hold.app, name="hold")
app.add_typer(rejections.app, name="rejections")
app.add_typer(keys.app, name="keys")
keys.app.command("erase")(erase.erase)
app.add_typer(trail.app, name="trail")
app.add_typer(codec.app, name="codec")
app.add_typer(bench.app, name="bench")


def run() -> int:
    """Run one verb; give its exit code (docs/operations.md lists them)."""
    try:
        return int(app(prog_name="radiolith", standalone_mode=False) or EXIT_OK)
    except typer.TyperException as error:
        return _usage(error)
    except (typer.Abort, KeyboardInterrupt):
        errors.print("interrupted")
        return INTERRUPTED
    except (Fault, SettingsError, OSError) as fault:
        return _told(fault)
    except Exception as fault:  # noqa: BLE001 - told here, since Python's own words may be PHI
        return _internal(fault)


def _usage(error: typer.TyperException) -> int:
    if error.format_message():
        errors.print(f"radiolith: {error.format_message()}", markup=False)
    errors.print("Try 'radiolith --help', or --help after a verb.")
    return EXIT_USAGE


def _told(fault: Exception) -> int:
    told = rendering(fault)
    errors.print(f"radiolith: {told.message}: {fault}", markup=False)
    return told.exit_code


def _internal(fault: Exception) -> int:
    """Tell a fault of ours by type and place."""
    import structlog

    from service import logs

    logs.configure("warning", "console")
    structlog.get_logger().critical("internal fault", exc_info=fault)
    return rendering(fault).exit_code


if __name__ == "__main__":
    sys.exit(run())
