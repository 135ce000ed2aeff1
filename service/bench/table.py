"""Benchmark rows as a table: bits per pixel overall and by kind of image, and speeds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from rich.box import SIMPLE_HEAD
from rich.table import Table

from service.bench.codec import Row

_X_RAY = ("CR", "DX", "MG", "XA", "RF", "RTIMAGE")
_SMALL = 128
GROUPS: Final[Mapping[str, Callable[[Row], bool]]] = {
    "MR": lambda row: row.modality == "MR",
    "CT": lambda row: row.modality == "CT",
    "X-ray": lambda row: row.modality in _X_RAY,
    "small": lambda row: max(row.rows, row.columns) <= _SMALL,
    "large": lambda row: max(row.rows, row.columns) > _SMALL,
}


def pixels(row: Row) -> int:
    """Samples of all frames of a row's file."""
    return row.rows * row.columns * row.frames


def pooled(rows: Sequence[Row]) -> float | None:
    """All bits over all pixels, or None without rows."""
    total = sum(pixels(row) for row in rows)
    return 8 * sum(row.bytes for row in rows) / total if total else None


def mean(rows: Sequence[Row]) -> float | None:
    """The mean over files of bits per pixel, or None without rows."""
    return sum(8 * row.bytes / pixels(row) for row in rows) / len(rows) if rows else None


def pooled_table(rows: Sequence[Row]) -> Table:
    """One line for each codec: pooled and mean bits per pixel, speeds, pooled by kind of image.

    Small frames are those of up to 128 x 128; speeds are in MB of raw 16-bit samples a second.
    """
    files = len({row.file for row in rows})
    title = f"{files} files: bits per pixel; MB (16-bit samples) per CPU second"
    table = Table(title=title, box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for name in ("codec", "pooled", "mean", "enc", "dec", "exact", *GROUPS):
        table.add_column(name, justify="left" if name == "codec" else "right", no_wrap=True)
    for codec in dict.fromkeys(row.codec for row in rows):
        table.add_row(*_line(codec, [row for row in rows if row.codec == codec]))
    return table


def _line(codec: str, rows: Sequence[Row]) -> list[str]:
    groups = (pooled([row for row in rows if belongs(row)]) for belongs in GROUPS.values())
    return [
        codec,
        _number(pooled(rows)),
        _number(mean(rows)),
        _speed(rows, sum(row.encode_s for row in rows)),
        _speed(rows, sum(row.decode_s for row in rows)),
        "yes" if all(row.exact for row in rows) else "NO",
        *(_number(value) for value in groups),
    ]


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _speed(rows: Sequence[Row], seconds: float) -> str:
    megabytes = 2e-6 * sum(pixels(row) for row in rows)
    return f"{megabytes / seconds:.3g}" if seconds else "-"
