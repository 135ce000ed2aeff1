"""Encoded datasets that are read by ranges, so that none has to be in memory as a whole."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

from service.errors import Undecodable
from service.sealing.parts import Buffer


class Source(Protocol):
    """Bytes to take slices of; ``bytes`` and ``memoryview`` are sources too."""

    def __len__(self) -> int: ...

    def __getitem__(self, where: slice, /) -> Buffer: ...


class Pieces:
    """Bytes that lie in pieces of one size, the last one shorter. The last piece read is kept.

    Args:
        length: bytes in all.
        size: bytes of each piece but the last.
        load: gives piece ``number``, from 0.
    """

    def __init__(self, length: int, size: int, load: Callable[[int], Buffer]) -> None:
        self._length = length
        self._size = size
        self._load = load
        self._kept: tuple[int, Buffer] = (-1, b"")

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, where: slice, /) -> Buffer:
        start, stop, _ = where.indices(self._length)
        return _joined(list(self._parts(start, stop)))

    def _parts(self, start: int, stop: int) -> Iterator[Buffer]:
        while start < stop:
            number, offset = divmod(start, self._size)
            piece = memoryview(self._piece(number))[offset : offset + stop - start]
            start += len(piece)
            yield piece

    def _piece(self, number: int) -> Buffer:
        if number != self._kept[0]:
            self._kept = (number, self._load(number))
            if len(self._kept[1]) != min(self._size, self._length - number * self._size):
                raise Undecodable(f"piece {number + 1} of a dataset has another length")
        return self._kept[1]


class Joined:
    """Sources one after the other."""

    def __init__(self, sources: Sequence[Source]) -> None:
        self._sources = sources

    def __len__(self) -> int:
        return sum(len(source) for source in self._sources)

    def __getitem__(self, where: slice, /) -> Buffer:
        start, stop, _ = where.indices(len(self))
        parts: list[Buffer] = []
        for source in self._sources:
            if start < min(stop, len(source)):
                parts.append(source[max(start, 0) : stop])
            start, stop = max(start - len(source), 0), stop - len(source)
        return _joined(parts)


def ranges(source: Source, size: int, start: int = 0, stop: int | None = None) -> Iterator[Buffer]:
    """Read a source, or a stretch of it, in pieces of ``size`` bytes."""
    end = len(source) if stop is None else stop
    for offset in range(start, end, size):
        yield source[offset : min(offset + size, end)]


def _joined(parts: list[Buffer]) -> Buffer:
    return parts[0] if len(parts) == 1 else b"".join(parts)
