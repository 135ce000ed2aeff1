"""The distance of the Huffman codes from entropy: never below it, and near it."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
from pydicom import dcmread
from pydicom.data import get_testdata_file

from service.bench.entropy import distances


def test_codes_take_a_little_more_than_entropy(tmp_path: Path) -> None:
    for name in ("CT_small.dcm", "MR_small.dcm"):
        shutil.copy(str(get_testdata_file(name)), tmp_path)
    found = distances(tmp_path)
    assert [distance.modality for distance in found] == ["CT", "MR"]
    for distance in found:
        assert distance.entropy == distance.shared, "of one frame"
        assert distance.entropy < distance.coded < 1.2 * distance.entropy


def test_frames_of_one_file_share_a_distribution(tmp_path: Path) -> None:
    dataset = dcmread(str(get_testdata_file("MR_small.dcm")))
    words = dataset.pixel_array
    dataset.NumberOfFrames = 2
    dataset.PixelData = np.stack((words, np.roll(words, 1, axis=0) // 2)).tobytes()
    dataset.save_as(tmp_path / "two.dcm")
    (distance,) = distances(tmp_path)
    assert distance.entropy < min(distance.shared, distance.coded)
