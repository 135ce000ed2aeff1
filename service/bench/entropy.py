"""What the Huffman codes take beyond the empirical entropy of what they code.

For each context of a frame: the entropy of its tokens as they are distributed in that frame, with
their raw bits, is the least that any code could take that knows only the context. Tables that are
the model's, and codes of whole bits, take more.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
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
from service.images import grayscale_images


@dataclass(frozen=True, slots=True)
class Distance:
    """The tokens of one file's frames, each frame by itself.

    Attributes:
        modality: of the file.
        entropy: bits, by each frame's own distribution in each context.
        coded: bits that the tables take, without telling them.
    """

    modality: str
    entropy: float
    coded: int


def distances(folder: Path) -> list[Distance]:
    """One for each grayscale file under a folder whose frames are not constant."""
    found = []
    predictor = registry.default()
    for image in grayscale_images(folder):
        pairs = []
        for words in image.frames:
            plan, samples = analyse(words, image.hints)
            if plan.span.limit:
                pairs.append(_frame(*count_tokens(samples, plan.span, predictor), predictor))
        if pairs:
            entropies, coded = zip(*pairs, strict=True)
            found.append(Distance(image.modality, sum(entropies), sum(coded)))
    return found


def _frame(
    tokens: NDArray[np.int64], raw: NDArray[np.int64], predictor: Predictor
) -> tuple[float, int]:
    choice = choose(tokens, raw, predictor.tables)
    contexts = np.arange(len(choice.groupings))
    used = tokens[contexts, choice.groupings]
    told = int(raw[contexts, choice.groupings].sum())
    return sum(_entropy(counts) for counts in used) + told, choice.bits


def _entropy(counts: NDArray[np.int64]) -> float:
    """Bits of all tokens under the best code of fractional bits."""
    occurring = counts[counts > 0].astype(np.float64)
    return float((occurring * np.log2(occurring.sum() / occurring)).sum())


def entropy_table(found: Sequence[Distance]) -> Table:
    """By modality, and over all."""
    table = Table("modality", "entropy, bits", "coded, bits", "more", box=SIMPLE_HEAD)
    for modality in sorted({distance.modality for distance in found}):
        _add(table, modality, (d for d in found if d.modality == modality))
    _add(table, "all", found)
    return table


def _add(table: Table, name: str, found: Iterable[Distance]) -> None:
    some = list(found)
    entropy, coded = sum(d.entropy for d in some), sum(d.coded for d in some)
    share = coded / entropy - 1 if entropy else 0.0
    table.add_row(name, f"{entropy:,.0f}", f"{coded:,}", f"{100 * share:.2f}%")
