"""Which frequent value becomes a frame's clip value."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from codec.analyse import CLIP_SHARE, SPIKE_HEIGHT, Hints, analyse

SIDE = 64
MASK = 700


def _noise() -> NDArray[np.uint16]:
    """Values around 1000, none of them frequent."""
    generator = np.random.default_rng(5)
    return np.rint(generator.normal(1000, 100, (SIDE, SIDE))).astype(np.uint16)


def _clip(words: NDArray[np.uint16]) -> int | None:
    """The clip value as a word."""
    plan, _ = analyse(words, Hints())
    if plan.span.clip is None:
        return None
    value = plan.span.clip if plan.values is None else int(plan.values[plan.span.clip])
    return value * plan.step + plan.minimum


def test_noise_has_none() -> None:
    assert _clip(_noise()) is None


@pytest.mark.parametrize("level", [0, 65535])
def test_an_end_where_values_pile_up(level: int) -> None:
    words = _noise()
    words[:8] = level
    assert _clip(words) == level


@pytest.mark.parametrize("scale", [1, 3])
def test_a_masked_background_within_the_range(scale: int) -> None:
    words = _noise() * np.uint16(scale)
    words[:, : SIDE // 2] = MASK * scale
    assert _clip(words) == MASK * scale


def test_a_spike_before_an_end() -> None:
    words = _noise()
    words[:4] = 0
    words[8:16] = MASK
    assert _clip(words) == MASK


def test_a_broad_peak_is_none() -> None:
    generator = np.random.default_rng(6)
    words = np.rint(generator.normal(1000, 2, (SIDE, SIDE))).astype(np.uint16)
    counts = np.unique(words, return_counts=True)[1]
    assert counts.max() > 0.15 * words.size
    assert counts.max() < SPIKE_HEIGHT * counts.mean()
    assert _clip(words) is None


def _magnitudes() -> NDArray[np.uint16]:
    """Of faint noise, as in an empty part of an MR image."""
    generator = np.random.default_rng(7)
    real, imaginary = generator.normal(0, 1.2, (2, SIDE, SIDE))
    magnitudes: NDArray[np.float64] = np.rint(np.hypot(real, imaginary))
    return magnitudes.astype(np.uint16)


def test_an_end_below_the_values_beside_it_is_none() -> None:
    words = _magnitudes()
    assert np.mean(words == 0) > CLIP_SHARE
    assert _clip(words) is None


def test_the_end_where_values_pile_up_though_the_other_has_more() -> None:
    words = _magnitudes()
    words[:2], words[2] = 1000, np.arange(900, 900 + SIDE)
    assert np.sum(words == 0) > np.sum(words == 1000)
    assert _clip(words) == 1000
