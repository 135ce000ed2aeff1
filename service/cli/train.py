"""`radiolith train`: train a model on files of one's own."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from service.cli.options import Json
from service.cli.output import console, errors, print_json

if TYPE_CHECKING:
    from collections.abc import Iterator

    from models.training import TrainingImage, TrainOptions


def train(
    folders: Annotated[
        list[Path], typer.Argument(help="DICOM files to learn from.", exists=True, file_okay=False)
    ],
    out: Annotated[Path, typer.Option(help="Where the model goes; an interrupted run goes on.")],
    name: Annotated[str, typer.Option(help="The model's name.")],
    epochs: Annotated[int, typer.Option(help="Passes over the images.", min=1)] = 16,
    loss: Annotated[
        Literal["code-length", "mse"], typer.Option(help="What is made small.")
    ] = "code-length",
    device: Annotated[
        Literal["auto", "cpu", "cuda"], typer.Option(help="auto: a GPU where there is one.")
    ] = "auto",
    threads: Annotated[int, typer.Option(help="Of each process.", min=1)] = 1,
    json: Json = False,
) -> None:
    """Train the codec's predictor. The same images, options and machine give the same model.

    `radiolith bench training` draws the log in the folder. On several GPUs or machines:
    torchrun ... --no-python radiolith train ...
    """
    from models.training import Loss, TrainOptions

    images = [image for folder in folders for image in _images(folder)]
    progress = (lambda line: None) if json else (lambda line: errors.print(line, markup=False))
    options = TrainOptions(images, out, name, threads=threads, device=device, progress=progress)
    schedule = replace(options.schedule, epochs=epochs, loss=Loss(loss))
    _train(replace(options, schedule=schedule), json=json)


def _train(options: TrainOptions, *, json: bool) -> None:
    from models.training import TrainingError
    from models.training import train as learn

    try:
        trained = learn(options)
    except TrainingError as error:
        raise typer.BadParameter(str(error)) from error
    if trained is None:
        return
    if json:
        print_json(trained)
        return
    console.print(f"held-back frames: {trained.bits_per_pixel:.3f} bits per pixel")
    console.print(f"{trained.weights}; for models/MANIFEST.toml:\n{trained.entry}", markup=False)


def _images(folder: Path) -> Iterator[TrainingImage]:
    from models.training import TrainingImage
    from service.images import grayscale_images

    for image in grayscale_images(folder):
        for number, words in enumerate(image.frames):
            yield TrainingImage(
                name=f"{image.file}:{number}",
                sha256=image.sha256,
                group=image.series,
                words=words,
                hints=image.hints,
            )
