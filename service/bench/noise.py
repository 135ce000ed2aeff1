"""How near the codecs come to the entropy of pure noise, which no lossless codec gets below.

Magnitude images are the length of a complex signal with Gaussian noise in both parts: Rice's
distribution (Gudbjartsson and Patz, Magn. Reson. Med. 34, 1995), Rayleigh's where there is no
signal. Made images of one such distribution have a known entropy; what a codec takes beyond it is
all that a better one could save on noise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from rich.box import SIMPLE_HEAD
from rich.table import Table

from codec import Hints
from service.bench.peers import Measured, Radiolith, peers
from service.images import Words

SIDE: Final = 512
_STEPS: Final = 64
"""Of the integral over each value: with four times as many the entropies differ by less than 1e-5
bits."""


@dataclass(frozen=True, slots=True)
class Noise:
    """What an image of noise is made of.

    Attributes:
        name: for people.
        signal: the length of the complex signal without noise, in sample steps.
        sigma: of the noise in each part.
    """

    name: str
    signal: float
    sigma: float


KINDS: Final = (
    Noise("background", 0, 150),
    Noise("background", 0, 5),
    Noise("signal of 8 sigma", 160, 20),
    Noise("signal of 8 sigma", 16, 2),
)


@dataclass(frozen=True, slots=True)
class Result:
    """Bits per pixel: the entropy of a kind of noise, and what each codec takes."""

    noise: Noise
    entropy: float
    taken: dict[str, float]


def measure() -> list[Result]:
    """Code a made image of each kind with our codec and the peers.

    Raises:
        NotInstalled: peers are not installed.
    """
    codecs: list[Measured] = [Radiolith(), *peers()]
    return [
        Result(noise, entropy(noise), {codec.name: _taken(codec, image) for codec in codecs})
        for noise, image in ((noise, draw(noise)) for noise in KINDS)
    ]


def draw(noise: Noise, seed: int = 1) -> Words:
    """An image of the noise, (SIDE, SIDE)."""
    generator = np.random.default_rng(seed)
    real, imaginary = generator.normal(0, noise.sigma, (2, SIDE, SIDE))
    image: NDArray[np.uint16] = np.rint(np.hypot(real + noise.signal, imaginary)).astype(np.uint16)
    return image


def entropy(noise: Noise) -> float:
    """Bits per pixel of the noise, rounded to whole values: Rice's density, integrated by value."""
    values = np.arange(int(noise.signal + 12 * noise.sigma) + 2)
    middles = (np.arange(_STEPS) + 0.5) / _STEPS - 0.5
    masses = _density(np.add.outer(values, middles), noise).mean(axis=1)
    occurring = masses[masses > 0]
    return float(-(occurring * np.log2(occurring)).sum() / occurring.sum())


def _density(lengths: NDArray[np.float64], noise: Noise) -> NDArray[np.float64]:
    variance = noise.sigma**2
    lengths = np.maximum(lengths, 0)
    falling = np.exp(-(lengths**2 + noise.signal**2) / (2 * variance))
    density: NDArray[np.float64] = (
        lengths / variance * falling * np.i0(lengths * noise.signal / variance)
    )
    return density


def _taken(codec: Measured, image: Words) -> float:
    return 8 * sum(len(stream) for stream in codec.encode_all([image], Hints())) / image.size


def noise_table(results: Sequence[Result]) -> Table:
    """What each codec takes beyond the entropy, in percent."""
    kinds = (f"{result.noise.name}, sigma {result.noise.sigma:g}" for result in results)
    table = Table("codec", *kinds, box=SIMPLE_HEAD)
    table.add_row("entropy", *(f"{result.entropy:.3f}" for result in results))
    for codec in results[0].taken:
        beyond = (result.taken[codec] / result.entropy - 1 for result in results)
        table.add_row(codec, *(f"{100 * share:+.1f}%" for share in beyond))
    return table
