"""Default Huffman tables: from what the training images' contexts hold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from codec.contexts import CONTEXTS
from codec.huffman import SYMBOLS, code_lengths
from codec.learned import count_tokens
from codec.predictor import Predictor, Tables
from codec.tokens import GROUPINGS, PAIR, QUAD, SINGLE
from models.training.images import Samples

_SINGLE_TOKENS = 80
"""Tokens that a 17-bit symbol can become."""

_FULL_WEIGHT_BITS = 4e4
"""Images weigh alike from here on: a context counts as if each image had at most this many bits."""

_CLOSE = 1.3
"""Tables of other groupings are kept where they cost at most this much more than the best."""


@dataclass(frozen=True, slots=True)
class TokenCounts:
    """Tokens (CONTEXTS, GROUPINGS, 256) and raw bits (CONTEXTS, GROUPINGS), over all images."""

    tokens: NDArray[np.float64]
    raw: NDArray[np.float64]


def count_all(frames: Sequence[Samples], predictor: Predictor) -> TokenCounts:
    """Add up all frames' tokens; large frames count less than in proportion."""
    total = TokenCounts(np.zeros((CONTEXTS, GROUPINGS, SYMBOLS)), np.zeros((CONTEXTS, GROUPINGS)))
    for frame in frames:
        tokens, raw = count_tokens(frame.samples, frame.span, predictor)
        share = 1.0 / np.sqrt(1.0 + frame.samples.size / _FULL_WEIGHT_BITS)
        total.tokens[:] += share * tokens
        total.raw[:] += share * raw
    return total


def default_tables(counts: TokenCounts) -> Tables:
    """The best table of each context, then tables of other groupings that come close to it."""
    groupings, lengths = [], []
    others: list[tuple[int, NDArray[np.uint8]]] = []
    for context in range(CONTEXTS):
        built = {g: _lengths(counts.tokens[context, g], g) for g in range(GROUPINGS)}
        cost = {
            g: float(counts.tokens[context, g] @ table) + float(counts.raw[context, g])
            for g, table in built.items()
        }
        best = min(cost, key=lambda g: cost[g])
        groupings.append(best)
        lengths.append(built[best])
        others += [(g, built[g]) for g in built if g != best and cost[g] < _CLOSE * cost[best]]
    for grouping, table in others[: SYMBOLS - CONTEXTS]:
        groupings.append(grouping)
        lengths.append(table)
    return Tables(np.array(groupings, np.uint8), np.array(lengths, np.uint8))


def _lengths(counts: NDArray[np.float64], grouping: int) -> NDArray[np.uint8]:
    """Code lengths for all tokens that can occur, seen in training or not."""
    possible = _possible(grouping)
    total = max(float(counts.sum()), 1.0)
    smoothed = np.where(possible, counts + _prior(grouping) * (20.0 + 1e-4 * total), 0.0)
    return np.asarray(code_lengths(np.maximum(smoothed * (1e6 / total), possible).astype(np.int64)))


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
