"""How verbs print: a rich table for people, one JSON document for scripts."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime
from enum import Enum
from itertools import count
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

console = Console(highlight=False, soft_wrap=True)
errors = Console(stderr=True, highlight=False, soft_wrap=True)


def plain(value: object) -> Any:
    """Turn what the typed functions return into JSON's types: bytes as hex, sets sorted."""
    if is_dataclass(value) and not isinstance(value, type):
        return {item.name: plain(getattr(value, item.name)) for item in fields(value)}
    if isinstance(value, Mapping):
        return {str(plain(name)): plain(item) for name, item in value.items()}
    if isinstance(value, frozenset | set):
        return sorted(plain(item) for item in value)
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, Enum):
        return value.value
    return str(value) if isinstance(value, Path) else value


def print_json(value: object) -> None:
    """Print one JSON document on standard output."""
    print(json.dumps(plain(value), ensure_ascii=False))  # noqa: T201 - scripts read it


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]], title: str = "") -> None:
    """Print rows under their headings; numbers to the right."""
    table = Table(title=title or None, title_justify="left")
    kept = [[*row] for row in rows]
    for number, heading in enumerate(columns):
        right = bool(kept) and all(isinstance(row[number], int | float) for row in kept)
        table.add_column(heading, justify="right" if right else "left", overflow="fold")
    for row in kept:
        table.add_row(*(text(item) for item in row))
    console.print(table)


def print_facts(facts: Mapping[str, object]) -> None:
    """Print names and values, one pair a line."""
    width = max((len(name) for name in facts), default=0)
    for name, value in facts.items():
        console.print(f"{name:<{width}}  {text(value)}", markup=False)


def text(value: object) -> str:
    """Say a value in a table's cell."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, bytes):
        return value.hex()
    return str(value)


@contextmanager
def progress(what: str, *, quiet: bool) -> Iterator[Callable[[int, int], None]]:
    """Show a bar on a terminal's standard error; give what takes the steps done and their total."""
    with Progress(
        TextColumn(what),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=errors,
        disable=quiet or not errors.is_terminal,
        transient=True,
    ) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total or None)


@contextmanager
def counter(what: str, *, quiet: bool) -> Iterator[Callable[[object], None]]:
    """Count steps whose total isn't known beforehand; give what is called for each."""
    steps = count(1)
    with progress(what, quiet=quiet) as show:
        yield lambda _: show(next(steps), 0)


def moment(microseconds: int | None) -> str:
    """Say a UTC time that is kept as microseconds since 1970."""
    if microseconds is None:
        return "-"
    return datetime.fromtimestamp(microseconds / 1e6, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
