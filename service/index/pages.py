"""Long lists in pieces that fit one statement."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Final, TypeVar

T = TypeVar("T")

PAGE: Final = 500
"""Values of one statement: SQLite takes 32,766 parameters, and older ones 999."""


def pages(values: Iterable[T], size: int = PAGE) -> Iterator[Sequence[T]]:
    """Cut values into lists of at most ``size``."""
    rest = iter(values)
    while page := list(islice(rest, size)):
        yield page
