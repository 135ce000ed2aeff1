"""Kernels are told exactly, and rounded to what is worth telling."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from codec.bitstream import flush, new_state, padded, write_bits
from codec.errors import StreamError
from codec.fitting import Fitting
from codec.kernel_codes import told_bits
from codec.kernels import Kernels, default_kernels, read_kernels, write_kernels
from codec.lattice import NEIGHBOURHOODS, QUARTERS, Planes, Split
from codec.linear import COEFFICIENT_BITS, complete_kernel
from codec.rounding import Judged, excess, judge, nearest, rounded
from models import registry

PAIRS = 12
UNIT = 1 << COEFFICIENT_BITS


def kernel_of(free: NDArray[np.integer]) -> NDArray[np.int32]:
    return np.asarray(complete_kernel(free.astype(np.int64), PAIRS))


def a_kernel() -> NDArray[np.int32]:
    return kernel_of(np.random.default_rng(3).integers(-60, 60, PAIRS - 1))


class Made:
    """Samples that a kernel predicts but for some noise, as normal equations are made of them."""

    def __init__(self, kernel: NDArray[np.int32], samples: int, noise: float) -> None:
        generator = np.random.default_rng(samples)
        steps = generator.normal(0, 20, (4, samples))
        mixed = generator.normal(0, 1, (PAIRS, 4)) @ steps
        self.pairs = mixed + generator.normal(0, 8, (PAIRS, samples))
        self.wanted = kernel @ self.pairs / UNIT + generator.normal(0, noise, samples)

    @property
    def judged(self) -> Judged:
        rows = np.vstack((self.pairs, self.wanted))
        return judge(np.tril(rows @ rows.T), PAIRS, (float(self.wanted.size), 0.0))

    def energy(self, kernel: NDArray[np.integer] | NDArray[np.floating]) -> float:
        return float(((self.wanted - kernel @ self.pairs / UNIT) ** 2).sum())

    def cost(self, kernel: NDArray[np.int32], expected: NDArray[np.int32]) -> float:
        """Bits that a kernel costs more than the best, telling it included."""
        factor, best, bits = self.judged
        return float(bits * excess(factor, kernel[1:] / UNIT - best)) + told_bits(kernel, expected)


def told(kernels: Kernels, defaults: NDArray[np.int32]) -> NDArray[np.uint8]:
    buffer, state = np.zeros(5000, np.uint8), new_state()
    write_kernels(kernels, defaults, buffer, state)
    return padded(buffer[: flush(buffer, state)].tobytes())


@given(
    st.lists(
        st.tuples(st.integers(0, 7), st.lists(st.integers(-9, 9), min_size=11, max_size=11)),
        min_size=1,
        max_size=16,
    ),
    st.integers(0, 7),
)
def test_kernels_come_back(classes: list[tuple[int, list[int]]], number: int) -> None:
    defaults = default_kernels(registry.default().kernels, 0, 1, is_referenced=False)
    free = [defaults[number, 1:] + (np.array(steps) << shift) for shift, steps in classes]
    kernels = Kernels(number, np.stack([kernel_of(one) for one in free]))
    read = read_kernels(len(classes), defaults, PAIRS, told(kernels, defaults), new_state())
    assert read.default == number
    assert np.array_equal(read.classes, kernels.classes)


def test_kernels_out_of_bounds_are_refused() -> None:
    defaults = default_kernels(registry.default().kernels, 0, 1, is_referenced=False)
    buffer, state = np.zeros(200, np.uint8), new_state()
    for value, bits in ((0, 3), (1, 1), (7, 3), (7, 3), (0b1111110, 7), (0, 7)):
        write_bits(buffer, state, value, bits)
    flush(buffer, state)
    with pytest.raises(StreamError, match="out of bounds"):
        read_kernels(1, defaults, PAIRS, padded(buffer.tobytes()), new_state())


def test_excess_is_what_a_kernel_leaves_more_than_the_best() -> None:
    made = Made(a_kernel(), 500, 5.0)
    factor, best, _ = made.judged
    first = 0.5 - best.sum()
    least = made.energy(np.concatenate(([first], best)) * UNIT)
    other = a_kernel() + np.array([-8, 8, *[0] * (PAIRS - 2)])
    more = excess(factor, other[1:] / UNIT - best)
    assert more == pytest.approx(made.energy(other) - least, rel=0.02)


def test_many_samples_have_their_kernel_told_exactly() -> None:
    kernel = a_kernel()
    made = Made(kernel, 200_000, 0.5)
    assert np.array_equal(rounded(made.judged, PAIRS, a_kernel() * 0), kernel)


@pytest.mark.parametrize("samples", [60, 256, 1024, 20_000])
def test_rounding_never_costs_more_than_telling_the_best_kernel(samples: int) -> None:
    made, expected = Made(a_kernel(), samples, 6.0), kernel_of(np.full(PAIRS - 1, 10))
    _, best, _ = made.judged
    exact = kernel_of(np.rint(best * UNIT))
    chosen = rounded(made.judged, PAIRS, expected)
    assert made.cost(chosen, expected) < made.cost(exact, expected)


def test_few_noisy_samples_are_not_worth_many_bits() -> None:
    expected = kernel_of(np.full(PAIRS - 1, 10))
    few, many = (
        told_bits(rounded(made.judged, PAIRS, expected), expected)
        for made in (Made(a_kernel(), 100, 60.0), Made(a_kernel(), 100_000, 60.0))
    )
    assert few < 0.5 * many


def test_the_nearest_default_is_the_one_that_leaves_least() -> None:
    kernels = np.stack([kernel_of(np.full(PAIRS - 1, step)) for step in (-9, 0, 9, 18)])
    for number, kernel in enumerate(kernels):
        made = Made(kernel, 300, 3.0)
        assert nearest(made.judged, kernels) == number


def test_phases_of_few_samples_have_the_first_default() -> None:
    samples = np.random.default_rng(1).integers(0, 999, (30, 30), dtype=np.int32)
    defaults, planes = registry.default().kernels, Planes((30, 30), QUARTERS)
    planes.put(0, QUARTERS.take(samples, 0))
    target = np.ascontiguousarray(QUARTERS.take(samples, 1))
    kernels = Fitting(samples, [Split.BOTH, Split.BOTH], defaults).kernels(planes, 0, 1, target)
    pairs = NEIGHBOURHOODS[1].shape[1] // 2
    assert kernels.default == 0
    assert np.array_equal(kernels.classes, defaults[0, 0, 0, :1, :pairs])
