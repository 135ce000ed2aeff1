"""The growth benchmark measures objects of growing size, and its fit tells linear from not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from service.bench.growth import (
    GrowthOptions,
    Point,
    bench_growth,
    exponent,
    single,
    stacked,
    write_json,
)
from service.bench.growth_plot import exponents, growth_table, plot_growth


@pytest.fixture(scope="module")
def points() -> list[Point]:
    return bench_growth(GrowthOptions(largest=256, frames=10))


def test_frames_grow_and_then_their_number(points: list[Point]) -> None:
    assert [(point.side, point.frames) for point in points] == [
        (64, 1),
        (256, 1),
        (128, 1),
        (128, 10),
    ]
    assert [point.side for point in single(points)] == [64, 256]
    assert [point.frames for point in stacked(points)] == [1, 10]
    assert all(point.bytes > 0 < min(point.encode_s, point.decode_s) for point in points)


def test_points_are_written_drawn_and_told(points: list[Point], tmp_path: Path) -> None:
    write_json(points, tmp_path / "growth.json")
    assert [row["side"] for row in json.loads((tmp_path / "growth.json").read_text())] == [
        point.side for point in points
    ]
    pytest.importorskip("matplotlib", reason="matplotlib: pip install radiolith[bench]")
    plot_growth(points, tmp_path / "growth.svg")
    assert "frames" in (tmp_path / "growth.svg").read_text()
    assert growth_table(points).row_count == len(points)
    assert len(exponents(points)) == 4


@pytest.mark.parametrize("power", [1.0, 2.0])
def test_the_exponent_is_that_of_the_times(power: float) -> None:
    made = [Point(side, 1, 1, float(side**2) ** power, 1.0) for side in (64, 256, 512)]
    assert exponent(made, lambda point: point.encode_s) == pytest.approx(power)
    assert exponent(made, lambda point: point.decode_s) == pytest.approx(0)


@pytest.mark.faults
def test_time_grows_linearly_with_pixels_and_with_frames() -> None:
    points = bench_growth(GrowthOptions(largest=2048, frames=100))
    large = [point for point in points if point.pixels >= 256 * 256 or point.side == 128]
    assert {way: told for way, told in exponents(large).items() if not 0.7 < told < 1.2} == {}
