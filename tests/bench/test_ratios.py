"""Ratios to the peers, files that lose, and the pictures of a run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pydicom.data import get_testdata_file

from service.bench.codec import Row
from service.bench.ratios import Excess, excess_lines, ratios


def row(file: str, codec: str, size: int, encode_s: float = 1.0, modality: str = "MR") -> Row:
    return Row(file, modality, 100, 100, 1, 12, codec, size, encode_s, encode_s / 2, True)


def test_ratios_to_the_best_single_peer() -> None:
    rows = [
        row("a", "radiolith", 900, 4.0),
        row("b", "radiolith", 2100, 4.0, "CT"),
        row("a", "jpegls", 1000),
        row("b", "jpegls", 2600, 1.0, "CT"),
        row("a", "jxl-e7", 1200, 2.0),
        row("b", "jxl-e7", 2000, 2.0, "CT"),
    ]
    found = ratios(rows)
    assert found is not None
    assert found.peer == "jxl-e7"
    assert found.pooled == pytest.approx(3000 / 3200)
    assert found.groups == {
        "MR": pytest.approx(0.75),
        "CT": pytest.approx(1.05),
        "small": pytest.approx(3000 / 3200),
    }
    assert found.encode_speed == pytest.approx(0.5)
    assert found.decode_speed == pytest.approx(0.5)


@pytest.mark.parametrize(("size", "loses"), [(1084, False), (1085, True)])
def test_a_file_loses_by_more_than_a_share_and_some_bytes(size: int, loses: bool) -> None:
    rows = [row("a", "radiolith", size), row("a", "j2k", 2000), row("a", "jpegls", 1000)]
    found = ratios(rows)
    assert found is not None
    assert found.over == ((Excess("a", "jpegls", 1085, 1000),) if loses else ())
    assert ("a: 1,085 bytes" in "\n".join(excess_lines(found))) is loses


def test_without_peers_there_is_nothing_to_compare() -> None:
    assert ratios([row("a", "radiolith", 10)]) is None


def test_pictures_of_a_run(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="an optional extra")
    from service.bench.codec_plot import KINDS, MAPS, SPEEDS, plot_kinds, plot_maps, plot_speeds

    rows = [row(file, codec, 900) for file in "ab" for codec in ("radiolith", "jpegls")]
    for plot, name in ((plot_speeds, SPEEDS), (plot_kinds, KINDS)):
        drawn_to = plot(rows, tmp_path / "new")
        assert drawn_to == tmp_path / "new" / name
        assert "<svg" in drawn_to.read_text()
    maps = plot_maps(Path(str(get_testdata_file("CT_small.dcm"))), tmp_path)
    assert maps.name == MAPS
    with Image.open(maps) as drawn:
        assert np.asarray(drawn).std() > 10
