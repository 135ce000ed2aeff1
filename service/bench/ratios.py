"""Our codec against its peers in one run: ratios of bytes, files that lose, ratios of speed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from rich.box import SIMPLE_HEAD
from rich.table import Table

from service.bench.codec import Row
from service.bench.table import GROUPS, mean, pixels, pooled

OURS: Final = "radiolith"
REFERENCE: Final = "jxl-e7"
"""JPEG XL at effort 7, whose speed ours is a ratio to."""

ALLOWED_SHARE: Final = 0.02
ALLOWED_BYTES: Final = 64
"""A file loses that takes this share and these bytes more than its smallest peer."""


@dataclass(frozen=True, slots=True)
class Excess:
    """A file that loses to a peer."""

    file: str
    peer: str
    bytes: int
    peer_bytes: int


@dataclass(frozen=True, slots=True)
class Ratios:
    """Ours over theirs: below 1 ours is smaller; of speeds, above 1 ours is faster.

    Attributes:
        peer: the single peer codec with the fewest bits per pixel, pooled over all files.
        pooled: bits per pixel, pooled.
        mean: bits per pixel, mean over files.
        groups: pooled, by kind of image; groups without files are not there.
        over: the files that lose to the smallest peer.
        encode_speed: relative to REFERENCE, where it was measured.
        decode_speed: likewise.
    """

    peer: str
    pooled: float
    mean: float
    groups: Mapping[str, float]
    over: tuple[Excess, ...]
    encode_speed: float | None
    decode_speed: float | None


def ratios(rows: Sequence[Row]) -> Ratios | None:
    """Compare; None where the rows are not of ours and at least one peer."""
    by_codec: dict[str, list[Row]] = {}
    for row in rows:
        by_codec.setdefault(row.codec, []).append(row)
    ours = by_codec.pop(OURS, [])
    if not ours or not by_codec:
        return None
    peer = min(by_codec, key=lambda name: pooled(by_codec[name]) or 0.0)
    theirs, reference = by_codec[peer], by_codec.get(REFERENCE, [])
    return Ratios(
        peer,
        _over(pooled(ours), pooled(theirs)),
        _over(mean(ours), mean(theirs)),
        _groups(ours, theirs),
        _losing(ours, by_codec),
        _speed(ours, reference, lambda row: row.encode_s),
        _speed(ours, reference, lambda row: row.decode_s),
    )


def ratios_table(found: Ratios) -> Table:
    """Say them, one a line."""
    title = f"{OURS} / {found.peer}, the best single peer: bits per pixel"
    table = Table(title=title, box=SIMPLE_HEAD, pad_edge=False, show_header=False)
    table.add_column("what")
    table.add_column("ratio", justify="right")
    lines = {"pooled": found.pooled, "mean": found.mean, **found.groups}
    lines |= {
        f"{way} speed / {REFERENCE}": ratio
        for way, ratio in (("encode", found.encode_speed), ("decode", found.decode_speed))
        if ratio is not None
    }
    for name, ratio in lines.items():
        table.add_row(name, f"{ratio:.3f}")
    return table


def excess_lines(found: Ratios) -> list[str]:
    """Name the files that lose, the worst first."""
    allowed = f"{ALLOWED_SHARE:.0%} + {ALLOWED_BYTES} bytes above the smallest peer"
    worst = sorted(found.over, key=lambda over: over.peer_bytes / over.bytes)
    return [
        f"{len(worst)} files more than {allowed}" + (":" if worst else ""),
        *(
            f"  {over.file}: {over.bytes:,} bytes, {over.peer} {over.peer_bytes:,} "
            f"({over.bytes / over.peer_bytes:.3f})"
            for over in worst
        ),
    ]


def _over(ours: float | None, theirs: float | None) -> float:
    return ours / theirs if ours and theirs else float("nan")


def _groups(ours: Sequence[Row], theirs: Sequence[Row]) -> dict[str, float]:
    return {
        name: _over(pooled([*filter(belongs, ours)]), pooled([*filter(belongs, theirs)]))
        for name, belongs in GROUPS.items()
        if any(map(belongs, ours))
    }


def _losing(ours: Sequence[Row], peers: Mapping[str, Sequence[Row]]) -> tuple[Excess, ...]:
    smallest: dict[str, Row] = {}
    for row in (row for rows in peers.values() for row in rows):
        best = smallest.setdefault(row.file, row)
        if row.bytes < best.bytes:
            smallest[row.file] = row
    return tuple(
        Excess(row.file, peer.codec, row.bytes, peer.bytes)
        for row in ours
        if (peer := smallest.get(row.file)) is not None
        and row.bytes > (1 + ALLOWED_SHARE) * peer.bytes + ALLOWED_BYTES
    )


def _speed(
    ours: Sequence[Row], theirs: Sequence[Row], seconds: Callable[[Row], float]
) -> float | None:
    rates = [
        sum(map(pixels, rows)) / total if (total := sum(map(seconds, rows))) else None
        for rows in (ours, theirs)
    ]
    return rates[0] / rates[1] if rates[0] and rates[1] else None
