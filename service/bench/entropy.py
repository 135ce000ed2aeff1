"""What the Huffman codes take beyond the empirical entropy of what they code.

For each context of a frame: the entropy of its tokens as they are distributed in that frame, with
their raw bits, is the least that any code could take that knows only the context. Tables that are
the model's, and codes of whole bits, take more. Of a frame with few tokens that least is out of any
code's reach, for it counts the distribution as known: so it is told for whole files too, the frames
of an object together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.box import SIMPLE_HEAD
from rich.table import Table

from codec.analyse import analyse
from codec.choose import choose
from codec.encoding import count_tokens
from codec.predictor import Predictor
from models import registry
from service.images import GrayscaleImage, grayscale_images


@dataclass(frozen=True, slots=True)
class Distance:
    """The tokens of one file's frames, each frame by itself.

    Attributes:
        modality: of the file.
        entropy: bits, by each frame's own distribution in each context.
        shared: bits, by the distribution over all of the file's frames.
        coded: bits that the tables take, without telling them.
    """

    modality: str
    entropy: float
    shared: float
    coded: int


def distances(folder: Path) -> list[Distance]:
    """One for each grayscale file under a folder whose frames are not constant."""
    predictor = registry.default()
    images = ((image.modality, _frames(image, predictor)) for image in grayscale_images(folder))
    return [_distance(modality, frames) for modality, frames in images if frames]


@dataclass(frozen=True, slots=True)
class _Frame:
    """One frame's tokens in the groupings chosen, (CONTEXTS, GROUPINGS, 256), and raw bits."""

    tokens: NDArray[np.int64]
    raw: int
    coded: int


def _frames(image: GrayscaleImage, predictor: Predictor) -> list[_Frame]:
    """Those that are not constant."""
    analysed = (analyse(words, image.hints) for words in image.frames)
    return [
        _frame(*count_tokens(samples, plan.span, predictor), predictor)
        for plan, samples in analysed
        if plan.span.limit
    ]


def _frame(tokens: NDArray[np.int64], raw: NDArray[np.int64], predictor: Predictor) -> _Frame:
    choice = choose(tokens, raw, predictor.tables)
    contexts = np.arange(len(choice.groupings))
    used = np.zeros_like(tokens)
    used[contexts, choice.groupings] = tokens[contexts, choice.groupings]
    return _Frame(used, int(raw[contexts, choice.groupings].sum()), choice.bits)


def _distance(modality: str, frames: Sequence[_Frame]) -> Distance:
    raw = sum(frame.raw for frame in frames)
    return Distance(
        modality,
        raw + sum(_entropy(frame.tokens) for frame in frames),
        raw + _entropy(np.sum([frame.tokens for frame in frames], axis=0)),
        sum(frame.coded for frame in frames),
    )


def _entropy(tokens: NDArray[np.int64]) -> float:
    """Bits of all tokens under the best codes of fractional bits, one for each context."""
    distributions = tokens.reshape(-1, tokens.shape[-1])
    return sum(_least(counts) for counts in distributions if counts.any())


def _least(counts: NDArray[np.int64]) -> float:
    """Bits of all tokens under the best code of fractional bits."""
    occurring = counts[counts > 0].astype(np.float64)
    return float((occurring * np.log2(occurring.sum() / occurring)).sum())


def entropy_table(found: Sequence[Distance]) -> Table:
    """By modality, and over all."""
    columns = (
        "modality",
        "entropy by frame",
        "by file",
        "coded, bits",
        "more",
        "more than by file",
    )
    table = Table(*columns, box=SIMPLE_HEAD)
    for modality in sorted({distance.modality for distance in found}):
        _add(table, modality, [d for d in found if d.modality == modality])
    _add(table, "all", found)
    return table


def _add(table: Table, name: str, some: Sequence[Distance]) -> None:
    coded = sum(d.coded for d in some)
    entropies = (sum(d.entropy for d in some), sum(d.shared for d in some))
    bits = (f"{entropy:,.0f}" for entropy in entropies)
    shares = (f"{100 * (coded / entropy - 1 if entropy else 0):.2f}%" for entropy in entropies)
    table.add_row(name, *bits, f"{coded:,}", *shares)
