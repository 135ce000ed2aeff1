"""The log of a training as a table and a plot: bits per pixel and squared errors by epoch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from rich.box import SIMPLE_HEAD
from rich.table import Table

from service.bench.figures import new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from models.training.record import Log

_PANELS: Final[Mapping[str, tuple[str, str]]] = {
    "bits per pixel": ("bits", "held_back"),
    "mean squared error, relative to local activity": ("mse", "held_back_mse"),
}
"""What each panel shows: of training samples, dotted, and of held-back ones."""


def training_table(log: Log) -> Table:
    """One line for each phase: what its last epoch came to."""
    title = None if log.bits_per_pixel is None else _title(log.bits_per_pixel)
    table = Table(title=title, box=SIMPLE_HEAD, pad_edge=False)
    shown = [name for names in _shown(log).values() for name in names]
    for heading in ("phase", "epochs", *(name.replace("_", " ") for name in shown)):
        table.add_column(heading, justify="right")
    last = {line["phase"]: line for line in log.epochs}
    for phase, line in last.items():
        values = (f"{line[name]:.4g}" for name in shown)
        table.add_row(f"{phase:g}", f"{line['epoch'] + 1:g}", *values)
    return table


def plot_training(log: Log, path: Path) -> None:
    """Draw a log to a PNG, SVG or PDF file, as its name ends."""
    shown = _shown(log)
    figure = new_figure(5 * len(shown), 4)
    panels = figure.subplots(1, len(shown), squeeze=False)[0]
    for axes, (title, names) in zip(panels, shown.items(), strict=True):
        _draw(axes, log.epochs, names)
        axes.set_title(title)
    if log.bits_per_pixel is not None:
        figure.suptitle(_title(log.bits_per_pixel))
    figure.savefig(path)


def _shown(log: Log) -> Mapping[str, tuple[str, str]]:
    """The panels that all lines of the log have values for."""
    return {
        title: names
        for title, names in _PANELS.items()
        if all(name in line for line in log.epochs for name in names)
    }


def _title(bits_per_pixel: float) -> str:
    return f"held-back frames: {bits_per_pixel:.3f} bits per pixel"


def _draw(axes: Axes, lines: Sequence[Mapping[str, float]], names: tuple[str, str]) -> None:
    for number, phase in enumerate(sorted({line["phase"] for line in lines})):
        own = [line for line in lines if line["phase"] == phase]
        epochs = [line["epoch"] + 1 for line in own]
        for name, style in zip(names, (":", "-"), strict=True):
            label = f"phase {phase:g}, held back" if style == "-" else None
            axes.plot(epochs, [line[name] for line in own], style, color=f"C{number}", label=label)
    axes.set_xlabel("epoch (dotted: training samples)")
    axes.grid(visible=True, alpha=0.3)
    axes.legend(fontsize="small")
