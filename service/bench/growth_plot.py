"""What :mod:`service.bench.growth` measured, as a table and as a plot with logarithmic axes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from rich.box import SIMPLE_HEAD
from rich.table import Table

from service.bench.figures import new_figure
from service.bench.growth import Point, exponent, single, stacked

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WAYS: Final[Mapping[str, Callable[[Point], float]]] = {
    "encode": lambda point: point.encode_s,
    "decode": lambda point: point.decode_s,
}


def growth_table(points: Sequence[Point]) -> Table:
    """One line for each object: CPU seconds, and nanoseconds for each pixel."""
    told = ", ".join(f"{name} {value:.2f}" for name, value in exponents(points).items())
    title = f"time ~ pixels ** exponent: {told}" if told else None
    table = Table(title=title, box=SIMPLE_HEAD, pad_edge=False)
    for name in ("frames", "side", "bits/pixel", "encode s", "ns/pixel", "decode s", "ns/pixel"):
        table.add_column(name, justify="right")
    for point in points:
        table.add_row(
            str(point.frames),
            str(point.side),
            f"{8 * point.bytes / point.pixels:.3f}",
            *(text for seconds in WAYS.values() for text in _times(seconds(point), point.pixels)),
        )
    return table


def exponents(points: Sequence[Point]) -> dict[str, float]:
    """The exponent of each way, over pixels of one frame and over frames, where there are two."""
    series = {"by pixels": single(points), "by frames": stacked(points)}
    return {
        f"{way} {name}": exponent(chosen, seconds)
        for name, chosen in series.items()
        if len(chosen) > 1
        for way, seconds in WAYS.items()
    }


def plot_growth(points: Sequence[Point], path: Path) -> None:
    """Draw the points to a PNG, SVG or PDF file, as its name ends."""
    figure = new_figure(10, 4)
    left, right = figure.subplots(1, 2, sharey=True)
    _draw(left, single(points), "pixels of one frame", [p.pixels for p in single(points)])
    _draw(right, stacked(points), "frames", [p.frames for p in stacked(points)])
    left.set_ylabel("CPU seconds")
    figure.savefig(path)


def _draw(axes: Axes, points: Sequence[Point], label: str, places: Sequence[int]) -> None:
    for name, seconds in WAYS.items():
        axes.loglog(places, [seconds(point) for point in points], marker="o", label=name)
    if points:
        linear = [points[-1].encode_s * place / places[-1] for place in places]
        axes.loglog(places, linear, color="grey", linestyle=":", label="linear")
    axes.set_xlabel(label)
    axes.grid(visible=True, which="major", alpha=0.3)
    axes.legend()


def _times(seconds: float, pixels: int) -> tuple[str, str]:
    return f"{seconds:.3g}", f"{seconds / pixels * 1e9:.3g}"
