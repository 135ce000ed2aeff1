"""`radiolith train`: train a model on files of one's own."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from service.cli.options import Json
from service.cli.output import console, errors, print_json

if TYPE_CHECKING:
    from collections.abc import Iterator

    from models.training.images import TrainingImage


def train(
    folders: Annotated[
        list[Path], typer.Argument(help="DICOM files to learn from.", exists=True, file_okay=False)
    ],
    out: Annotated[Path, typer.Option(help="Where the model goes; an interrupted run goes on.")],
    name: Annotated[str, typer.Option(help="The model's name.")],
    epochs: Annotated[int | None, typer.Option(help="Passes over the images.", min=1)] = None,
    threads: Annotated[int, typer.Option(min=1)] = 1,
    json: Json = False,
) -> None:
    """Train the codec's predictor. The same images, seed and machine give the same model."""
    from models.training.train import TrainOptions
    from models.training.train import train as learn

    images = [image for folder in folders for image in _images(folder)]
    progress = (lambda line: None) if json else (lambda line: errors.print(line, markup=False))
    options = TrainOptions(images, out, name, threads=threads, progress=progress)
    if epochs is not None:
        options = replace(options, schedule=replace(options.schedule, epochs=epochs))
    trained = learn(options)
    if json:
        print_json(trained)
    else:
        console.print(
            f"{trained.weights}; for models/MANIFEST.toml:\n{trained.entry}", markup=False
        )


def _images(folder: Path) -> Iterator[TrainingImage]:
    from models.training.images import TrainingImage
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
