"""`radiolith codec`: one file, by hand."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from service.cli.options import Json, prepare
from service.cli.output import print_facts, print_json, print_table

if TYPE_CHECKING:
    from service.coded.container import FileKeys
    from service.coded.report import Report

app = typer.Typer(
    help="Code one DICOM, PNG, TIFF or PGM file (grayscale), by hand.", no_args_is_help=True
)

SUFFIX: Final = ".rlc"
File = Annotated[Path, typer.Argument(exists=True, dir_okay=False, readable=True)]
Out = Annotated[Path | None, typer.Option("--out", help="Where to write it.")]
Key = Annotated[
    Path | None,
    typer.Option("--key-file", help="32 bytes in hexadecimal or base64, mode 0600."),
]


@app.command()
def encode(
    file: File,
    out: Out = None,
    key_file: Key = None,
    plain: Annotated[bool, typer.Option("--plain", help="Do not encrypt.")] = False,
    json: Json = False,
) -> None:
    """Write FILE compressed and encrypted, to FILE.rlc unless --out says where."""
    from models import registry
    from service.coded.container import wrap
    from service.coded.report import report, timed_encode
    from service.files import write_atomically

    if plain == (key_file is not None):
        raise typer.BadParameter("say either --key-file FILE or --plain")
    keys = _keys(key_file)
    coded, encode_s = timed_encode(file.read_bytes(), registry.default())
    told = report(coded, registry.all_models(), encode_s)
    target = out or file.with_name(file.name + SUFFIX)
    write_atomically(target, wrap(coded.pack(), keys))
    _print_metrics(told, json=json)


@app.command()
def decode(
    file: File,
    out: Out = None,
    key_file: Key = None,
    json: Json = False,
) -> None:
    """Write the file that was coded, bit for bit: FILE without .rlc, unless --out says where."""
    from models import registry
    from service.coded.container import unwrap
    from service.coded.content import decode_file, unpack
    from service.files import write_atomically

    target = out or _decoded(file)
    coded = unpack(unwrap(file.read_bytes(), _keys(key_file)))
    data = decode_file(coded, registry.all_models())
    write_atomically(target, data)
    told = {"kind": coded.facts["kind"], "file": target, "bytes": len(data)}
    if json:
        print_json(told)
    else:
        print_facts(told)


@app.command()
def inspect(file: File, key_file: Key = None, json: Json = False) -> None:
    """Show what each part of a coded file costs, or would cost, and how well it is predicted."""
    from models import registry
    from service.coded.container import is_coded, unwrap
    from service.coded.content import unpack
    from service.coded.report import report, timed_encode

    data = file.read_bytes()
    if is_coded(data):
        told = report(unpack(unwrap(data, _keys(key_file))), registry.all_models())
    else:
        coded, encode_s = timed_encode(data, registry.default())
        told = report(coded, registry.all_models(), encode_s)
    if not json:
        total = sum(told.bits.values())
        rows = [(name, bits, f"{bits / total:.2%}") for name, bits in told.bits.items()]
        print_table(("part", "bits", "share"), [*rows, ("all", total, "100.00%")])
    _print_metrics(told, json=json)


def _decoded(file: Path) -> Path:
    """Where to decode to if nobody says: never over a file that is there."""
    target = file.with_suffix("")
    if file.suffix != SUFFIX or target.exists():
        raise typer.BadParameter("say by --out where to write the file")
    return target


def _keys(key_file: Path | None) -> FileKeys | None:
    from service.coded.container import FileKeys
    from service.keys.keyfile import KeyFile

    prepare()
    return None if key_file is None else FileKeys(KeyFile(key_file).keyring())


def _print_metrics(told: Report, *, json: bool) -> None:
    if json:
        print_json(told)
        return
    print_facts(
        {
            name.replace("_", " "): f"{value:.4g}" if isinstance(value, float) else value
            for name, value in asdict(told.metrics).items()
        }
    )
