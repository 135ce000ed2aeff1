"""The grayscale frames of a folder of DICOM files, for benchmarks and training."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError
from pydicom.pixels.utils import pixel_array

from codec import Hints

_UNDECODABLE = (AttributeError, NotImplementedError, RuntimeError, ValueError)
"""What pydicom raises for pixel data that is missing, damaged or without a decoder."""

Words = NDArray[np.uint8] | NDArray[np.uint16]


@dataclass(frozen=True, slots=True)
class GrayscaleImage:
    """The frames of one file.

    Attributes:
        file: its name within the folder.
        sha256: of the file, hexadecimal.
        modality: Modality (0008,0060).
        bits_stored: Bits Stored (0028,0101).
        frames: allocated words, (frames, rows, columns).
        hints: what the dataset says of them.
        series: Series Instance UID (0020,000E), to stack frames of one series.
    """

    file: str
    sha256: str
    modality: str
    bits_stored: int
    frames: Words
    hints: Hints
    series: str


def grayscale_images(folder: Path) -> Iterator[GrayscaleImage]:
    """All 8- and 16-bit grayscale images of a folder, by name; other files are passed over."""
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        try:
            dataset = dcmread(path)
        except InvalidDicomError:
            continue
        if _is_grayscale(dataset) and (image := _image(path, folder, dataset)) is not None:
            yield image


def _is_grayscale(dataset: Dataset) -> bool:
    return (
        "PixelData" in dataset
        and dataset.get("SamplesPerPixel") == 1
        and dataset.get("BitsAllocated") in (8, 16)
        and "TransferSyntaxUID" in dataset.file_meta
    )


def _image(path: Path, folder: Path, dataset: Dataset) -> GrayscaleImage | None:
    """The image, or None if its pixel data cannot be decoded here or is cut short."""
    try:
        stored = np.asarray(pixel_array(dataset, raw=True))
    except _UNDECODABLE:
        return None
    stored = stored.reshape(-1, int(dataset.Rows), int(dataset.Columns))
    frames: Words = (
        stored.astype(np.uint16) if dataset.BitsAllocated == 16 else stored.astype(np.uint8)
    )
    hints = Hints(
        signed=dataset.PixelRepresentation == 1,
        bits_stored=dataset.BitsStored,
        high_bit=dataset.HighBit,
        padding_value=_padding(dataset),
    )
    return GrayscaleImage(
        str(path.relative_to(folder)),
        sha256(path.read_bytes()).hexdigest(),
        str(dataset.get("Modality", "")),
        int(dataset.BitsStored),
        frames,
        hints,
        str(dataset.get("SeriesInstanceUID", "")),
    )


def _padding(dataset: Dataset) -> int | None:
    value = dataset.get("PixelPaddingValue")
    return None if value is None else int(value) & ((1 << int(dataset.BitsAllocated)) - 1)
