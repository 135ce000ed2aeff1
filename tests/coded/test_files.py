"""`radiolith codec`: every file comes back bit for bit, and what it costs adds up."""

from __future__ import annotations

import json
import subprocess
import sys
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pydicom import dcmread
from pydicom.data import get_testdata_file

from models import registry
from service.coded.container import FileKeys, unwrap, wrap
from service.coded.content import decode_file, encode_file, unpack
from service.coded.pictures import NoPicture
from service.coded.report import inspect_frames, report
from service.errors import Altered, Truncated, Undecodable, WrongKey
from service.keys.keyfile import KeyFile


def words(dtype: type[np.unsignedinteger], rows: int = 70, columns: int = 90) -> np.ndarray:
    generator = np.random.default_rng(3)
    walk = np.cumsum(generator.normal(0, 3, (rows, columns)), axis=1)
    made: np.ndarray = (walk - walk.min() + 1).clip(0, 250).astype(dtype)
    return made


def saved(array: np.ndarray, kind: str, **how: object) -> bytes:
    out = BytesIO()
    Image.fromarray(array).save(out, kind, **how)
    return out.getvalue()


def pgm(array: np.ndarray, most: int) -> bytes:
    rows, columns = array.shape
    header = f"P5\n# made\n{columns} {rows}\n{most}\n".encode()
    return header + array.astype(array.dtype.newbyteorder(">")).tobytes()


BYTES, SHORTS = words(np.uint8), words(np.uint16)
FILES = {
    "png-8": saved(BYTES, "PNG"),
    "png-16": saved(SHORTS, "PNG"),
    "tiff-8": saved(BYTES, "TIFF"),
    "tiff-16": saved(SHORTS, "TIFF"),
    "pgm-8": pgm(BYTES, 255),
    "pgm-16": pgm(SHORTS, 4095) + b"what follows",
}


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> FileKeys:
    return FileKeys(KeyFile.create(tmp_path_factory.mktemp("keys") / "key").keyring())


@pytest.mark.parametrize("name", FILES)
def test_samples_go_through_the_codec_and_the_file_comes_back(name: str, keys: FileKeys) -> None:
    coded = encode_file(FILES[name], registry.default())
    assert coded.streams
    file = wrap(coded.pack(), keys)
    assert len(file) < len(FILES[name]) + 600
    assert decode_file(unpack(unwrap(file, keys)), registry.all_models()) == FILES[name]


@pytest.mark.parametrize(
    "data",
    [
        saved(SHORTS, "TIFF", compression="tiff_lzw"),
        FILES["png-8"][:-5] + b"\0" * 5,
        saved(BYTES, "PNG", compress_level=0)[:-12] + b"\0" * 12,
    ],
    ids=["compressed TIFF", "PNG with another end", "PNG that ends in noughts"],
)
def test_what_cannot_be_made_again_is_kept(data: bytes) -> None:
    coded = encode_file(data, registry.default())
    assert decode_file(unpack(coded.pack()), registry.all_models()) == data


@pytest.mark.parametrize("name", ["CT_small.dcm", "MR_small.dcm", "JPEG2000.dcm"])
def test_dicom_files_come_back(name: str) -> None:
    data = Path(str(get_testdata_file(name))).read_bytes()
    coded = encode_file(data, registry.default())
    assert bool(coded.streams) is (name != "JPEG2000.dcm")
    assert decode_file(unpack(coded.pack()), registry.all_models()) == data


def test_several_frames_come_back() -> None:
    dataset = dcmread(str(get_testdata_file("CT_small.dcm")))
    dataset.NumberOfFrames, dataset.PixelData = 3, 3 * dataset.PixelData
    out = BytesIO()
    dataset.save_as(out)
    coded = encode_file(out.getvalue(), registry.default())
    assert [stream.is_dependent for stream in coded.streams] == [False, True, True]
    assert decode_file(unpack(coded.pack()), registry.all_models()) == out.getvalue()
    assert len(inspect_frames(coded, registry.all_models())) == 3


@pytest.mark.parametrize(
    "data",
    [
        saved(np.zeros((8, 8, 3), np.uint8), "PNG"),
        saved(np.zeros((8, 8, 3), np.uint8), "TIFF"),
        b"P6 1 1 255 abc",
        b"P5 10 10 255 too short",
        b"plainly no picture at all",
        FILES["png-8"][:60],
    ],
    ids=["colour PNG", "colour TIFF", "colour PNM", "short PGM", "text", "cut PNG"],
)
def test_other_files_are_refused(data: bytes) -> None:
    with pytest.raises(NoPicture):
        encode_file(data, registry.default())


def test_a_sealed_file_shows_what_was_done_to_it(keys: FileKeys, tmp_path: Path) -> None:
    file = wrap(encode_file(FILES["pgm-8"], registry.default()).pack(), keys)
    with pytest.raises(Altered):
        unwrap(file[:-1] + bytes([file[-1] ^ 1]), keys)
    with pytest.raises(Truncated):
        unwrap(file[:-1], keys)
    with pytest.raises(WrongKey):
        unwrap(file, FileKeys(KeyFile.create(tmp_path / "other").keyring()))
    with pytest.raises(WrongKey, match="--key-file"):
        unwrap(file, None)
    plain = encode_file(FILES["pgm-8"], registry.default()).pack()
    for damaged in (plain[:-1], plain.replace(b'"shape"', b'"shope"'), b"", plain[:3]):
        with pytest.raises((Undecodable, Truncated)):
            decode_file(unpack(damaged), registry.all_models())


@pytest.mark.parametrize("name", ["png-16", "pgm-8"])
def test_the_parts_of_a_stream_add_up(name: str) -> None:
    coded = encode_file(FILES[name], registry.default())
    told = report(coded, registry.all_models())
    assert sum(told.bits.values()) == 8 * len(coded.pack())
    assert 0 <= told.bits["padding"] < 8
    assert told.bits["level 0, residuals"] > told.bits["level 1, residuals"] > 0
    assert told.metrics.mse is not None
    assert 0 < told.metrics.mse < 100


def test_residuals_are_small_where_the_scale_is() -> None:
    random = np.random.default_rng(1)
    image = np.hstack(
        [random.integers(low, high, (64, 64)) for low, high in ((499, 502), (0, 1000))]
    )
    (found,) = inspect_frames(
        encode_file(pgm(image.astype(np.uint16), 1023), registry.default()),
        registry.all_models(),
    )
    assert found.residuals.shape == found.scales.shape == image.shape
    assert np.nanmean(np.abs(found.residuals[:, :56])) < 1.2
    assert np.nanmean(found.scales[:, :56]) + 2 < np.nanmean(found.scales[:, 72:])


def radiolith(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "service.cli.main", "codec", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_command(tmp_path: Path) -> None:
    file, key, back = tmp_path / "a.png", tmp_path / "key", tmp_path / "b.png"
    file.write_bytes(FILES["png-16"])
    KeyFile.create(key)
    assert radiolith("encode", file).returncode == 64
    done = radiolith("encode", file, "--key-file", key, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["metrics"]["coding"] == "frames"
    sealed = tmp_path / "a.png.rlc"
    assert "level 0, residuals" in radiolith("inspect", sealed, "--key-file", key).stdout
    assert radiolith("decode", sealed, "--out", back).returncode == 84
    assert radiolith("decode", sealed, "--key-file", key).returncode == 64, (
        "there is a file already"
    )
    file.unlink()
    assert radiolith("decode", sealed, "--key-file", key).returncode == 0
    assert file.read_bytes() == FILES["png-16"]
    other = sealed.rename(tmp_path / "a")
    assert radiolith("decode", other, "--key-file", key).returncode == 64, "it tells no name"
    sealed = other.rename(sealed)
    assert radiolith("decode", sealed, "--out", back, "--key-file", key).returncode == 0
    assert back.read_bytes() == FILES["png-16"]
