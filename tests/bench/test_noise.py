"""The entropy of noise: as drawn samples have it, and below what our codec takes."""

from __future__ import annotations

import numpy as np
import pytest

from codec import Hints, encode_frame
from models import registry
from service.bench.noise import KINDS, Noise, draw, entropy


@pytest.mark.parametrize("noise", KINDS)
def test_entropy_is_that_of_drawn_samples(noise: Noise) -> None:
    counts = np.bincount(np.concatenate([draw(noise, seed).reshape(-1) for seed in range(8)]))
    shares = counts[counts > 0] / counts.sum()
    # Of so many samples the empirical entropy is low by about half a nat for each value and sample.
    bias = len(shares) / (2 * counts.sum() * np.log(2))
    assert -(shares * np.log2(shares)).sum() + bias == pytest.approx(entropy(noise), abs=0.01)


@pytest.mark.parametrize("noise", KINDS)
def test_our_codec_comes_near_it(noise: Noise) -> None:
    image = draw(noise)
    taken = 8 * len(encode_frame(image, registry.default(), Hints())) / image.size
    assert entropy(noise) < taken < 1.04 * entropy(noise)
