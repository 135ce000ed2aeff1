"""``pixel_array`` of pydicom for stored objects, where their keyring is at hand.

    service.pixel_plugin.register(keys, models.registry.all_models())
    pydicom.dcmread("objects/ab/cd/abcd….dcm").pixel_array

pydicom 3.0 has no public way to add a decoder for a private transfer syntax: its table of decoders
is private. That dependence is kept in :func:`register` and :class:`ObjectDecoder`;
tests/vault/test_pixel_plugin.py tells when pydicom offers another way.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.pixels.decoders import base
from pydicom.uid import (
    UID,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    register_transfer_syntax,
)

from codec import Predictor
from dicom.syntax import RADIOLITH_SYNTAX, encoding
from service.errors import Undecodable
from service.keys.keystore import Keys
from service.sealing.reader import ObjectReader

_PIXEL_GROUP = 0x0028
_PROCESSING = {"raw", "as_rgb", "force_rgb", "force_ybr", "correct_unused_bits"}
"""Options that pydicom's decoder of native Pixel Data gets too; the others describe the source."""


def register(keys: Keys, predictors: Mapping[bytes, Predictor]) -> None:
    """Let pydicom decode objects of this process' archive; a second call replaces the first.

    Args:
        keys: the keyring that the objects are sealed under.
        predictors: the models, by digest (``models.registry.all_models()``).
    """
    register_transfer_syntax(RADIOLITH_SYNTAX, implicit_vr=False, little_endian=True)
    decoder = ObjectDecoder(keys, predictors)
    base._PIXEL_DATA_DECODERS[UID(RADIOLITH_SYNTAX)] = (decoder, "3.0")  # type: ignore[assignment]


class ObjectDecoder:
    """Decodes the Pixel Data of objects that pydicom has read from a file.

    Only objects with Pixel Data have a ``pixel_array``: what was received compressed is kept
    whole, in private elements; ``radiolith export`` gives it back.
    """

    is_available = True

    def __init__(self, keys: Keys, predictors: Mapping[bytes, Predictor]) -> None:
        self._keys = keys
        self._predictors = predictors

    def as_array(
        self, src: Dataset, *, index: int | None = None, **options: Any
    ) -> tuple[NDArray[np.generic], dict[str, str | int]]:
        """Decode all frames, or the one at ``index``, as pydicom's decoders do.

        Raises:
            DataFault: the object is not sound, see :class:`service.sealing.reader.ObjectReader`.
            Undecodable: ``src`` was not read from a file, or has been written to.
        """
        with self._opened(src) as reader:
            return _as_array(src, reader, index, options)

    def iter_array(
        self, src: Dataset, *, indices: list[int] | None = None, **options: Any
    ) -> Iterator[tuple[NDArray[np.generic], dict[str, str | int]]]:
        """Decode frames one by one; in ascending order each is decoded once."""
        frames = range(int(src.get("NumberOfFrames", 1) or 1)) if indices is None else indices
        with self._opened(src) as reader:
            for number in frames:
                yield _as_array(src, reader, number, options)

    @contextmanager
    def _opened(self, src: Dataset) -> Iterator[ObjectReader]:
        with _file_of(src) as file:
            yield ObjectReader(file, self._keys, predictors=self._predictors)


def _as_array(
    src: Dataset, reader: ObjectReader, index: int | None, options: Mapping[str, Any]
) -> tuple[NDArray[np.generic], dict[str, str | int]]:
    native = _native(src, reader, index)
    at = None if index is None or reader.frames else index
    decoder = base.get_decoder(native.file_meta.TransferSyntaxUID)
    processing = {name: options[name] for name in _PROCESSING & options.keys()}
    return decoder.as_array(native, index=at, **processing)


def _native(src: Dataset, reader: ObjectReader, index: int | None) -> Dataset:
    """Make the dataset that pydicom decodes by itself: the pixel description and plain words."""
    native = deepcopy(src.group_dataset(_PIXEL_GROUP))
    syntax = ExplicitVRLittleEndian
    if not reader.frames:
        native.PixelData = b"".join(reader.body())
        if not encoding(reader.received.transfer_syntax).is_little:
            syntax = ExplicitVRBigEndian
    else:
        numbers = range(reader.frames) if index is None else [index]
        words = [reader.frame(number) for number in numbers]
        native.NumberOfFrames = len(words)
        native.PixelData = b"".join(
            frame.astype(frame.dtype.newbyteorder("<"), copy=False).tobytes() for frame in words
        )
    native["PixelData"].VR = "OW"
    native.file_meta = FileMetaDataset()
    native.file_meta.TransferSyntaxUID = syntax
    return native


@contextmanager
def _file_of(src: Dataset) -> Iterator[BinaryIO]:
    """Open the file that a dataset was read from: its seals cover the bytes, not the values."""
    buffer, path = getattr(src, "buffer", None), getattr(src, "filename", None)
    if isinstance(buffer, BytesIO) and not buffer.closed:
        yield BytesIO(buffer.getvalue())
    elif isinstance(path, str | Path) and Path(path).is_file():
        with Path(path).open("rb") as file:
            yield file
    else:
        raise Undecodable("the object was not read from a file that is still there")
