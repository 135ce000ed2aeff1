"""pydicom's ``pixel_array`` of stored objects."""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import numpy as np
import pydicom
import pydicom.pixels
import pytest
from pydicom.pixels.decoders import base
from pydicom.pixels.utils import iter_pixels, pixel_array

from dicom.syntax import RADIOLITH_SYNTAX
from models import registry
from service import pixel_plugin
from service.errors import Altered, Undecodable
from tests.vault.objects import KEYS, content_of, image, seal, smooth


@pytest.fixture(autouse=True)
def registered() -> Iterator[None]:
    pixel_plugin.register(KEYS, registry.all_models())
    yield
    base._PIXEL_DATA_DECODERS.pop(pydicom.uid.UID(RADIOLITH_SYNTAX))


def stored(folder: Path, dataset: bytes, frames: bool = True) -> Path:
    path = folder / "object.dcm"
    path.write_bytes(seal(content_of(dataset), frames).data)
    return path


@pytest.mark.parametrize("frames", [True, False])
@pytest.mark.parametrize("shape", [(1, 9, 14), (4, 8, 8)])
@pytest.mark.parametrize("word", ["<u2", "u1"])
def test_pixel_array_of_grayscale(
    tmp_path: Path, frames: bool, shape: tuple[int, int, int], word: str
) -> None:
    words = smooth(*shape).astype(word)
    dataset = pydicom.dcmread(stored(tmp_path, image(words), frames))
    assert np.array_equal(dataset.pixel_array, words if shape[0] > 1 else words[0])


def test_pixel_array_of_colour(tmp_path: Path) -> None:
    rgb = np.arange(2 * 4 * 5 * 3, dtype=np.uint8).reshape(2, 4, 5, 3)
    plain = image(rgb.reshape(2, 4, 15), samples=3).replace(
        b"\x28\0\x11\0US\2\0\x0f\0", b"\x28\0\x11\0US\2\0\x05\0"
    )
    dataset = pydicom.dcmread(stored(tmp_path, plain))
    assert np.array_equal(dataset.pixel_array, rgb)


def test_one_frame_and_frames_one_by_one(tmp_path: Path) -> None:
    words = smooth(5, 6, 7)
    dataset = pydicom.dcmread(stored(tmp_path, image(words)))
    assert np.array_equal(pixel_array(dataset, index=3), words[3])
    assert np.array_equal(list(iter_pixels(dataset)), words)
    assert np.array_equal(list(iter_pixels(dataset, indices=[4, 0])), words[[4, 0]])


def test_an_object_in_memory(tmp_path: Path) -> None:
    words = smooth(2, 6, 7)
    data = stored(tmp_path, image(words)).read_bytes()
    assert np.array_equal(pydicom.dcmread(BytesIO(data)).pixel_array, words)


def test_an_altered_object_has_no_pixel_array(tmp_path: Path) -> None:
    path = stored(tmp_path, image(smooth(2, 6, 7)))
    data = bytearray(path.read_bytes())
    data[-20] ^= 1
    path.write_bytes(data)
    with pytest.raises(Altered, match="frame 2"):
        _ = pydicom.dcmread(path).pixel_array


def test_a_dataset_without_its_file_is_undecodable(tmp_path: Path) -> None:
    path = stored(tmp_path, image(smooth(2, 6, 7)))
    dataset = pydicom.dcmread(path)
    _ = dataset.PixelData
    path.unlink()
    with pytest.raises(Undecodable, match="file"):
        _ = dataset.pixel_array


def test_pydicom_still_has_no_public_registration() -> None:
    """When this fails, register in the public way and drop the use of the private table."""
    private = base._PIXEL_DATA_DECODERS
    assert all(len(entry) == 2 and hasattr(entry[0], "as_array") for entry in private.values())
    public = {name.lower() for module in (pydicom.pixels, base) for name in vars(module)}
    assert not {name for name in public if "register" in name or "add_decoder" in name}
