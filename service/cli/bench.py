"""`radiolith bench`: measure our codec beside its peers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from service.cli.output import console, errors

if TYPE_CHECKING:
    from service.bench.codec import Row

app = typer.Typer(help="Measure, on files of your own.", no_args_is_help=True)


def _see_that_figures_can_be_drawn(plot: Path | None) -> None:
    if plot is not None:
        from service.bench.figures import require_matplotlib

        require_matplotlib()


@app.callback()
def bench() -> None:
    """Measure, on files of your own."""


@app.command()
def codec(
    folder: Annotated[Path, typer.Argument(help="DICOM files.", exists=True, file_okay=False)],
    json: Annotated[Path | None, typer.Option("--json", help="Write the rows here.")] = None,
    stack: Annotated[
        bool, typer.Option("--stack", help="Code the files of a series as one object.")
    ] = False,
    peers: Annotated[bool, typer.Option(help="Measure the peer codecs too.")] = True,
    runs: Annotated[
        int, typer.Option(help="Time each call so often; the least counts.", min=1)
    ] = 1,
    plot: Annotated[Path | None, typer.Option("--plot", help="Draw to this folder.")] = None,
    image: Annotated[
        Path | None, typer.Option("--image", help="With --plot: draw this file's residuals.")
    ] = None,
) -> None:
    """Code every grayscale file with every codec installed: bytes, CPU seconds, exactness."""
    _see_that_figures_can_be_drawn(plot)
    from service.bench.codec import BenchOptions, bench_codec
    from service.bench.ratios import excess_lines, ratios, ratios_table
    from service.bench.table import pooled_table

    def progress(file: str) -> None:
        if errors.is_terminal:
            errors.print(file, markup=False)

    rows = bench_codec(BenchOptions(folder, json, stack, peers, runs, progress))
    console.print(pooled_table(rows))
    if (found := ratios(rows)) is not None:
        console.print(ratios_table(found))
        console.print("\n".join(excess_lines(found)), markup=False)
    if plot is not None:
        _plot(rows, plot, image)


def _plot(rows: Sequence[Row], folder: Path, image: Path | None) -> None:
    from service.bench.codec_plot import plot_kinds, plot_maps, plot_speeds

    plot_speeds(rows, folder)
    plot_kinds(rows, folder)
    if image is not None:
        plot_maps(image, folder)


@app.command()
def growth(
    plot: Annotated[
        Path | None, typer.Option("--plot", help="Draw to this PNG, SVG or PDF file.")
    ] = None,
    json: Annotated[Path | None, typer.Option("--json", help="Write the points here.")] = None,
    largest: Annotated[int, typer.Option(help="Rows of the largest frame.", min=64)] = 4096,
    frames: Annotated[int, typer.Option(help="Most frames of one object.", min=1)] = 1000,
) -> None:
    """Code made images of growing size and number: does time grow linearly?"""
    _see_that_figures_can_be_drawn(plot)
    from service.bench.growth import GrowthOptions, bench_growth, write_json
    from service.bench.growth_plot import growth_table, plot_growth

    def progress(what: str) -> None:
        if errors.is_terminal:
            errors.print(what, markup=False)

    points = bench_growth(GrowthOptions(largest, frames, progress))
    if json is not None:
        write_json(points, json)
    if plot is not None:
        plot_growth(points, plot)
    console.print(growth_table(points))


@app.command()
def entropy(
    folder: Annotated[Path, typer.Argument(help="DICOM files.", exists=True, file_okay=False)],
) -> None:
    """Compare what the Huffman codes take with the entropy of what they code."""
    from service.bench.entropy import distances, entropy_table

    console.print(entropy_table(distances(folder)))


@app.command()
def noise() -> None:
    """Compare what the codecs take on made noise with its entropy: no files are needed."""
    from service.bench.noise import measure, noise_table

    console.print("beyond the entropy, in bits per pixel, of magnitude images of noise alone")
    console.print(noise_table(measure()))


@app.command()
def training(
    log: Annotated[
        Path, typer.Argument(help="log.jsonl of a training's folder.", exists=True, dir_okay=False)
    ],
    plot: Annotated[
        Path | None, typer.Option("--plot", help="Draw to this PNG, SVG or PDF file.")
    ] = None,
) -> None:
    """Show how far a training came: bits per pixel and squared errors, epoch by epoch."""
    _see_that_figures_can_be_drawn(plot)
    from models.training import TrainingError
    from models.training.record import read_log
    from service.bench.training_plot import plot_training, training_table

    try:
        found = read_log(log)
    except TrainingError as error:
        raise typer.BadParameter(str(error)) from error
    console.print(training_table(found))
    if plot is not None:
        plot_training(found, plot)
