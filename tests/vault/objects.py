"""Synthetic instances and the objects made of them, for the tests of this folder."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO

import numpy as np
from numpy.typing import NDArray

from codec import Predictor
from dicom.attributes import read_attributes
from dicom.cut import cut
from models import registry
from service.multi_frame import encode_frames
from service.records import Received
from service.sealing.clear import element
from service.sealing.frames import frame_words, hints
from service.sealing.header import FrameShape
from service.sealing.reader import ObjectReader
from service.sealing.source import ranges
from service.sealing.writer import Content, EncodedFrames, Sealing, write_object
from tests.vault.helpers import FixedKeys, reception

EXPLICIT = "1.2.840.10008.1.2.1"
KEYS = FixedKeys()


def short(tag: int, vr: str, value: int) -> bytes:
    return element(tag, vr, value.to_bytes(2, "little"))


def head(samples: int = 1, photometric: str = "MONOCHROME2") -> bytes:
    """A synthetic dataset's beginning, up to the pixel description."""
    uid = reception(b"").sop_instance_uid.encode()
    return b"".join(
        (
            element(0x0008_0016, "UI", b"1.2.840.10008.5.1.4.1.1.4"),
            element(0x0008_0018, "UI", uid),
            element(0x0008_0060, "CS", b"MR"),
            element(0x0010_0010, "PN", b"Synthetic^Person"),
            element(0x0020_000D, "UI", b"1.2.826.0.1.3680043.10.999.1"),
            element(0x0020_000E, "UI", b"1.2.826.0.1.3680043.10.999.1.2"),
            short(0x0028_0002, "US", samples),
            element(0x0028_0004, "CS", photometric.encode() + b" " * (len(photometric) % 2)),
        )
    )


def image(words: NDArray[np.generic], surplus: bytes = b"", samples: int = 1) -> bytes:
    """An encoded dataset, explicit VR little endian, with these frames (frames, rows, columns)."""
    word = words.dtype.itemsize
    pixels = words.tobytes() + surplus
    pixels += bytes(len(pixels) % 2)
    rgb = short(0x0028_0006, "US", 0) if samples == 3 else b""
    return b"".join(
        (
            head(samples, "RGB" if samples == 3 else "MONOCHROME2") + rgb,
            element(0x0028_0008, "IS", f"{len(words):<4}".encode()),
            short(0x0028_0010, "US", words.shape[1]),
            short(0x0028_0011, "US", words.shape[2]),
            short(0x0028_0100, "US", 8 * word),
            short(0x0028_0101, "US", 8 * word),
            short(0x0028_0102, "US", 8 * word - 1),
            short(0x0028_0103, "US", 0),
            b"\xe0\x7f\x10\0OW\0\0" + len(pixels).to_bytes(4, "little") + pixels,
            element(0xFFFC_FFFC, "OB", b"tail"),
        )
    )


def smooth(frames: int, rows: int, columns: int) -> NDArray[np.uint16]:
    """Frames that a codec has something to do with, the same on every machine."""
    y, x, z = np.ogrid[:rows, :columns, :frames]
    values = (1000 + 40 * y + 25 * x + 7 * z + (x * y * 13 + z * 5) % 17) % 4096
    return np.ascontiguousarray(np.moveaxis(values, 2, 0).astype("<u2"))


def content_of(dataset: bytes, syntax: str = EXPLICIT, revision: int = 1) -> Content:
    received = reception(dataset, transfer_syntax=syntax)
    place = cut(dataset, len(dataset), syntax)
    return Content(received, revision, dataset, place, read_attributes(dataset, syntax))


def coded(content: Content, predictor: Predictor, distance: int = 3) -> EncodedFrames:
    """Code the frames; each ``distance``-th is a key frame."""
    layout, pixels = content.cut.layout, content.cut.pixels
    assert layout is not None
    assert pixels is not None
    shape = FrameShape.of(layout)
    end = pixels[0] + shape.frames * shape.frame_bytes
    stored = ranges(content.dataset, shape.frame_bytes, pixels[0], end)
    frames = (frame_words(frame, shape) for frame in stored)
    streams = encode_frames(frames, predictor, hints(layout), distance)
    return EncodedFrames(streams, predictor.digest)


def fixed_random(seed: bytes) -> Callable[[int], bytes]:
    """A generator of "random" bytes for files that must come out the same each time."""
    count = 0

    def draw(length: int) -> bytes:
        nonlocal count
        count += 1
        return hashlib.shake_256(seed + count.to_bytes(4, "little")).digest(length)

    return draw


@dataclass
class Sealed:
    """An object in memory, and what went into it."""

    data: bytearray
    received: Received
    object_id: bytes

    def reader(self, keys: FixedKeys = KEYS, check_name: bool = True) -> ObjectReader:
        name = self.object_id if check_name else None
        return ObjectReader(BytesIO(self.data), keys, name, registry.all_models())


def seal(
    content: Content, frames: bool = True, seed: bytes | None = None, distance: int = 3
) -> Sealed:
    """Seal an instance, with coded frames where the cut has any and ``frames`` is set."""
    sealing = Sealing.fresh(KEYS) if seed is None else Sealing.fresh(KEYS, fixed_random(seed))
    out = BytesIO()
    streams = None
    if frames and content.cut.layout is not None:
        streams = coded(content, registry.default(), distance)
    facts = write_object(out, sealing, content, streams)
    assert facts.size == len(out.getvalue())
    return Sealed(bytearray(out.getvalue()), content.received, facts.object_id)
