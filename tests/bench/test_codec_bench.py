"""The codec benchmark measures every codec on real files, and its table says what it measured."""

from __future__ import annotations

import io
import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage, generate_uid
from rich.console import Console

from service.bench import BenchOptions, Row, bench_codec, pooled_table
from service.bench.table import mean, pooled


def write_image(path: Path, words: np.ndarray, series: str, signed: bool) -> None:
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID = MRImageStorage
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID = generate_uid()
    dataset.SeriesInstanceUID, dataset.Modality = series, "MR"
    dataset.Rows, dataset.Columns = words.shape
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated = dataset.BitsStored = 16
    dataset.HighBit, dataset.PixelRepresentation = 15, int(signed)
    dataset.PixelData = words.tobytes()
    dataset.save_as(path, enforce_file_format=True)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("images")
    generator = np.random.default_rng(0)
    series = generate_uid()
    for number in range(3):
        walk = np.cumsum(generator.normal(0, 3, (40, 36)), axis=1)
        signed = number == 2
        words = (walk - (0 if signed else walk.min())).astype(np.int16).view(np.uint16)
        write_image(folder / f"{number}.dcm", words, series, signed)
    (folder / "notes.txt").write_text("not DICOM")
    return folder


def test_our_codec_alone(folder: Path, tmp_path: Path) -> None:
    seen: list[str] = []
    out = tmp_path / "rows.json"
    options = BenchOptions(folder, out, with_peers=False, progress=seen.append)
    rows = bench_codec(options)
    assert seen == ["0.dcm", "1.dcm", "2.dcm"]
    assert [row.codec for row in rows] == ["radiolith"] * 3
    assert all(row.exact and row.frames == 1 for row in rows)
    assert json.loads(out.read_text()) == [asdict(row) for row in rows]


def test_peers_are_exact_too(folder: Path) -> None:
    pytest.importorskip("imagecodecs", reason="peer codecs are an optional extra")
    rows = bench_codec(BenchOptions(folder))
    assert {row.codec for row in rows} >= {"radiolith", "jpegls", "jxl-e7", "htj2k", "zstd-19"}
    assert all(row.exact for row in rows)


def test_series_are_stacked_where_files_are_alike(folder: Path) -> None:
    rows = bench_codec(BenchOptions(folder, stack=True, with_peers=False))
    assert [row.frames for row in rows] == [2, 1]


def test_pooled_and_mean_bits_per_pixel() -> None:
    small = Row("a", "MR", 10, 10, 1, 12, "x", 100, 1.0, 1.0, True)
    large = Row("b", "CT", 10, 10, 3, 12, "x", 150, 1.0, 1.0, True)
    assert pooled([small, large]) == 5.0
    assert mean([small, large]) == 6.0
    text = io.StringIO()
    Console(file=text, width=80).print(pooled_table([small, large]))
    assert "5.000" in text.getvalue()
    assert "8.000" in text.getvalue()
