"""Default Huffman tables: sets of them, each for images that are alike.

Images are sorted into sets by which set codes them in the fewest bits, and each set's tables are
then made anew from its images, in turns (Lloyd's algorithm, with code length as the distance).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from codec.choose import best_set, table_costs
from codec.contexts import CONTEXTS
from codec.encoding import count_tokens
from codec.huffman import SYMBOLS, code_lengths
from codec.predictor import Predictor, Tables
from codec.tokens import GROUPINGS, PAIR, QUAD, SINGLE
from models.training.images import Samples
from models.training.ranks import Ranks

SETS = 8
_TURNS = 8
_SINGLE_TOKENS = 80
"""Tokens that a 17-bit symbol can become."""

_FULL_WEIGHT_SAMPLES = 4e4
"""Images larger than about this count less than in proportion, so that small ones, which can send
no tables of their own, have their say."""


@dataclass(frozen=True, slots=True)
class TokenCounts:
    """One image's tokens (CONTEXTS, GROUPINGS, 256), raw bits (CONTEXTS, GROUPINGS), and weight."""

    tokens: NDArray[np.int32]
    raw: NDArray[np.int64]
    weight: float


def count_all(frames: Sequence[Samples], predictor: Predictor, ranks: Ranks) -> list[TokenCounts]:
    """Every frame's tokens, of it by itself and with the frame before.

    Args:
        frames: all, on every rank; each counts its share.
        predictor: to code with.
        ranks: who trains.
    """
    counted = ranks.whole([_count(frame, predictor) for frame in ranks.share(frames)])
    return [counts for of_frame in counted for counts in of_frame]


def _count(frame: Samples, predictor: Predictor) -> list[TokenCounts]:
    weight = 1.0 / float(np.sqrt(1.0 + frame.samples.size / _FULL_WEIGHT_SAMPLES))
    counted = []
    for reference in [None] if frame.reference is None else [None, frame.reference]:
        tokens, raw = count_tokens(frame.samples, frame.span, predictor, reference)
        counted.append(TokenCounts(tokens.astype(np.int32), raw, weight))
    return counted


def default_tables(images: Sequence[TokenCounts]) -> Tables:
    """SETS sets of tables."""
    bits = np.array([_bits_per_token(image) for image in images])
    order = np.argsort(bits, kind="stable")
    belongs = np.empty(len(images), np.int64)
    belongs[order] = np.arange(len(images)) * SETS // max(len(images), 1)
    tables = _tables(images, belongs)
    for _ in range(_TURNS):
        sorted_anew = np.array([_cheapest(image, tables) for image in images])
        if np.array_equal(sorted_anew, belongs):
            break
        belongs = sorted_anew
        tables = _tables(images, belongs)
    return tables


def _bits_per_token(image: TokenCounts) -> float:
    single = image.tokens[:, SINGLE].sum(axis=0).astype(np.float64)
    total = max(single.sum(), 1.0)
    return float((single * np.log2(np.maximum(total / np.maximum(single, 1.0), 1.0))).sum() / total)


def _cheapest(image: TokenCounts, tables: Tables) -> int:
    return best_set(table_costs(image.tokens.astype(np.int64), image.raw, tables))


def _tables(images: Sequence[TokenCounts], belongs: NDArray[np.int64]) -> Tables:
    everything = _summed(images)
    groupings, lengths = [], []
    for number in range(SETS):
        own = [image for image, b in zip(images, belongs, strict=True) if b == number]
        tokens, raw = _summed(own)
        tokens += 0.02 * everything[0]
        raw += 0.02 * everything[1]
        for context in range(CONTEXTS):
            grouping, code = _best_table(tokens[context], raw[context])
            groupings.append(grouping)
            lengths.append(code)
    return Tables(np.array(groupings, np.uint8), np.array(lengths, np.uint8))


def _summed(images: Sequence[TokenCounts]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    tokens = np.zeros((CONTEXTS, GROUPINGS, SYMBOLS))
    raw = np.zeros((CONTEXTS, GROUPINGS))
    for image in images:
        tokens += image.weight * image.tokens
        raw += image.weight * image.raw
    return tokens, raw


def _best_table(
    tokens: NDArray[np.float64], raw: NDArray[np.float64]
) -> tuple[int, NDArray[np.uint8]]:
    """The grouping that codes a context in the fewest bits, and its code lengths."""
    codes = [_lengths(tokens[grouping], grouping) for grouping in range(GROUPINGS)]
    costs = [float(tokens[g] @ codes[g]) + float(raw[g]) for g in range(GROUPINGS)]
    best = int(np.argmin(costs))
    return best, codes[best]


def _lengths(counts: NDArray[np.float64], grouping: int) -> NDArray[np.uint8]:
    """Code lengths for all tokens that can occur, seen in training or not."""
    possible = _possible(grouping)
    total = max(float(counts.sum()), 1.0)
    smoothed = counts + _prior(grouping) * (20.0 + 1e-4 * total)
    scaled = np.where(possible, np.maximum(smoothed * (1e6 / total), 1.0), 0.0)
    return np.asarray(code_lengths(scaled.astype(np.int64)))


def _possible(grouping: int) -> NDArray[np.bool_]:
    possible = np.ones(SYMBOLS, np.bool_)
    if grouping == SINGLE:
        possible[_SINGLE_TOKENS:] = False
    return possible


def _prior(grouping: int) -> NDArray[np.float64]:
    """A distribution that falls with the tokens' symbols, for contexts hardly seen."""
    token = np.arange(SYMBOLS)
    if grouping == SINGLE:
        weight = np.exp2(-token / 8.0)
    elif grouping == PAIR:
        weight = np.exp2(-((token >> 4) + (token & 15)) / 3.0)
    elif grouping == QUAD:
        weight = np.exp2(-((token >> 6) + (token >> 4 & 3) + (token >> 2 & 3) + (token & 3)) / 1.0)
    else:
        weight = np.exp2(-(token >> 2) / 4.0 - (token & 3))
    weight = weight * _possible(grouping)
    return np.asarray(weight / weight.sum())
