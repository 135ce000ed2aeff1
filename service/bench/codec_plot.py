"""What :mod:`service.bench.codec` measured, as pictures: sizes, speeds, and maps of one image."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from codec.inspect import Inspection, inspect_frame
from models import registry
from service.bench.codec import Row
from service.bench.figures import new_figure
from service.bench.ratios import OURS
from service.bench.table import GROUPS, pixels, pooled
from service.coded.pictures import NoPicture, Picture, read_picture

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage

SPEEDS: Final = "codec-speed.svg"
KINDS: Final = "codec-kinds.svg"
MAPS: Final = "codec-maps.png"

_COLOURS: Final = 160
_WAYS: Final[dict[str, Callable[[Row], float]]] = {
    "encode": lambda row: row.encode_s,
    "decode": lambda row: row.decode_s,
}
_MIDDLE: Final = 256
"""The maps show no more rows and columns than this, from the image's middle."""


def plot_speeds(rows: Sequence[Row], folder: Path) -> Path:
    """Draw bits per pixel, pooled, against MB of 16-bit samples a second, both ways."""
    figure = new_figure(9, 4)
    for axes, (way, seconds) in zip(figure.subplots(1, 2, sharey=True), _WAYS.items(), strict=True):
        for codec, own in _by_codec(rows).items():
            speed = 2e-6 * sum(map(pixels, own)) / max(sum(map(seconds, own)), 1e-9)
            _point(axes, codec, speed, pooled(own) or 0.0)
        axes.set_xscale("log")
        axes.set_xlabel(f"{way}: MB a second, one core")
        axes.grid(visible=True, alpha=0.3)
        axes.margins(x=0.15, y=0.1)
    figure.axes[0].set_ylabel("bits per pixel")
    return _saved(figure, folder / SPEEDS)


def plot_kinds(rows: Sequence[Row], folder: Path) -> Path:
    """Draw bits per pixel, pooled, for each kind of image, a bar for each codec."""
    figure = new_figure(9, 4)
    axes = figure.subplots()
    kinds = [name for name, belongs in GROUPS.items() if any(map(belongs, rows))]
    codecs = _by_codec(rows)
    width = 0.8 / max(len(codecs), 1)
    for number, (codec, own) in enumerate(codecs.items()):
        heights = [pooled([*filter(GROUPS[kind], own)]) or 0.0 for kind in kinds]
        places = np.arange(len(kinds)) + (number - (len(codecs) - 1) / 2) * width
        axes.bar(places, heights, width, label=codec, color=_colour(codec, number))
    names = {"small": "up to 128 x 128", "large": "larger"}
    axes.set_xticks(range(len(kinds)), [names.get(kind, kind) for kind in kinds])
    axes.set_ylabel("bits per pixel")
    axes.legend(ncols=2, fontsize="small")
    return _saved(figure, folder / KINDS)


def plot_maps(image: Path, folder: Path) -> Path:
    """Draw the middle of a file's first frame, its residuals, and the scales told for them.

    Raises:
        NoPicture: the file is no grayscale picture, or not coded by the learned codec.
    """
    picture = read_picture(image.read_bytes())
    found = _inspected(picture)
    figure = new_figure(9.6, 3)
    left, middle, right = figure.subplots(1, 3)
    words, residuals = _values(picture, found), np.nan_to_num(found.residuals)
    low, high = np.percentile(words, (1, 99.5))
    most = max(float(np.percentile(np.abs(residuals), 98)), 1.0)
    _draw(left, "image", words, ("gray", 48), (low, max(high, low + 1)))
    drawn = _draw(middle, "residual", residuals, ("RdBu", 21), (-most, most))
    figure.colorbar(drawn, ax=middle, shrink=0.8)
    drawn = _draw(right, "scale, octaves", found.scales, ("viridis", 24), (None, None))
    figure.colorbar(drawn, ax=right, shrink=0.8)
    return _shrunk(_saved(figure, folder / MAPS))


def _inspected(picture: Picture) -> Inspection:
    from codec import encode_frame

    if not picture.frames:
        raise NoPicture("Pixel Data that is not native grayscale")
    words, predictor = picture.frames[0], registry.default()
    stream = encode_frame(words, predictor, picture.hints)
    shape = (words.shape[0], words.shape[1])
    found = inspect_frame(stream, shape, words.dtype, {predictor.digest: predictor})
    if not found.residuals.size:
        raise NoPicture(f"a frame that is kept by another method: {found.method}")
    return found


def _values(picture: Picture, found: Inspection) -> NDArray[np.float64]:
    words = found.words
    values = words.view(f"i{words.itemsize}") if picture.hints.signed else words
    return values.astype(np.float64)


def _middle(image: NDArray[np.float64]) -> NDArray[np.float64]:
    rows, columns = (max(0, (side - _MIDDLE) // 2) for side in image.shape)
    return image[rows : rows + _MIDDLE, columns : columns + _MIDDLE]


def _by_codec(rows: Sequence[Row]) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(row.codec, []).append(row)
    return found


def _point(axes: Axes, codec: str, speed: float, size: float) -> None:
    ours = codec == OURS
    axes.scatter([speed], [size], s=60 if ours else 30, color="C3" if ours else "C0")
    place = (5, -12 if ours else 4)
    axes.annotate(codec, (speed, size), place, textcoords="offset points", fontsize="small")


def _colour(codec: str, number: int) -> str | tuple[float, float, float]:
    from matplotlib import colormaps

    return "C3" if codec == OURS else colormaps["Blues"](0.3 + 0.09 * number)[:3]


def _draw(
    axes: Axes,
    title: str,
    image: NDArray[np.float64],
    colours: tuple[str, int],
    ends: tuple[float | None, float | None],
) -> AxesImage:
    """Draw an image's middle in so many colours of a map."""
    from matplotlib import colormaps

    name, count = colours
    axes.set_title(title)
    axes.set_axis_off()
    few = colormaps[name].resampled(count)
    low, high = ends
    return axes.imshow(_middle(image), cmap=few, vmin=low, vmax=high, interpolation="nearest")


def _shrunk(path: Path) -> Path:
    """Keep fewer colours of a picture that is mostly noise: a third of the bytes."""
    with Image.open(path) as drawn:
        fewer = drawn.convert("RGB").quantize(_COLOURS, Image.Quantize.MAXCOVERAGE)
        fewer.save(path, optimize=True)
    return path


def _saved(figure: Figure, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path)
    return path
