"""Saved cases of the fuzzer, and new ones made of them, never fail (``make fuzz`` for more)."""

from __future__ import annotations

import random
import warnings

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz.blind import mutated
from tests.fuzz.target import Target
from tests.fuzz.targets import ALL, saved

_OF_EACH = 60
"""New cases of each target; those of the slow ones take some milliseconds."""


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("target", ALL.values(), ids=ALL)
def test_saved_cases_do_not_fail(target: Target) -> None:
    for case in saved(target):
        target.run(case)


@pytest.mark.parametrize("target", ALL.values(), ids=ALL)
@settings(max_examples=1)
@given(seed=st.integers(0, 2**32))
def test_cases_made_of_saved_ones_do_not_fail(target: Target, seed: int) -> None:
    draw, cases = random.Random(seed), saved(target)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for _ in range(_OF_EACH):
            case = mutated(draw.choice(cases), draw)
            try:
                target.run(case)
            except Exception as fault:
                fault.add_note(f"the case: {case.hex()}")
                raise
