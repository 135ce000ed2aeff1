"""The codecs compared: ours, and the peers that are installed.

Peers code each frame by itself from samples moved to start at zero, told their true depth, without
the container that DICOM would not carry either: as small as each can be made. They come from
``imagecodecs`` (optional extra ``bench``) and ``pyjpegls``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from codec import Hints, refers_to_the_frame_before
from models import registry
from models.exact import keep_to_one_thread
from service.errors import NotInstalled
from service.images import Words
from service.multi_frame import decode_frames, encode_frames
from service.sealing.writer import FrameStream

DISTANCE = 16
"""Between key frames, as ``codec.key_frame_distance`` is by default."""

Encode = Callable[[Words, Hints], bytes]
Decode = Callable[[bytes, Words], NDArray[Any]]


@dataclass(frozen=True, slots=True)
class FrameCodec:
    """A codec for frames that stand alone.

    Attributes:
        name: as reported.
        encode: words and hints to bytes.
        decode: bytes to words; the second argument is an array of the wanted shape and type.
    """

    name: str
    encode: Encode
    decode: Decode

    def encode_all(self, frames: Sequence[Words], hints: Hints) -> Sequence[bytes]:
        """The streams of an object's frames."""
        return [self.encode(frame, hints) for frame in frames]

    def decode_all(self, streams: Sequence[bytes], like: Words) -> Sequence[NDArray[Any]]:
        """The frames, each of the shape and type of ``like``."""
        return [self.decode(stream, like) for stream in streams]


class Radiolith:
    """Our codec with the default model, on one thread: frames may refer to the one before."""

    name = "radiolith"

    def __init__(self) -> None:
        keep_to_one_thread()
        self._predictor, self._predictors = registry.default(), registry.all_models()

    def encode_all(self, frames: Sequence[Words], hints: Hints) -> Sequence[bytes]:
        """As :meth:`FrameCodec.encode_all`."""
        return [one.content for one in encode_frames(frames, self._predictor, hints, DISTANCE)]

    def decode_all(self, streams: Sequence[bytes], like: Words) -> Sequence[NDArray[Any]]:
        """As :meth:`FrameCodec.decode_all`."""
        coded = [FrameStream(one, refers_to_the_frame_before(one)) for one in streams]
        shape = (like.shape[0], like.shape[1])
        return list(decode_frames(coded, shape, like.dtype, self._predictors))


Measured = FrameCodec | Radiolith


def peers() -> list[FrameCodec]:
    """JPEG-LS, JPEG 2000, HTJ2K, JPEG XL at efforts 1, 3 and 7, and zstd.

    Raises:
        NotInstalled: ``imagecodecs`` or ``pyjpegls`` is not installed.
    """
    try:
        import imagecodecs
        import jpeg_ls
    except ImportError as error:
        raise NotInstalled(f"{error.name}: pip install radiolith[bench]") from error
    return [
        _jpegls(jpeg_ls),
        _jpeg2000(imagecodecs),
        FrameCodec("htj2k", _on_samples(_htj2k(imagecodecs)), _to_words(imagecodecs.htj2k_decode)),
        *(_jpegxl(imagecodecs, effort) for effort in (1, 3, 7)),
        _zstd(imagecodecs),
    ]


SampleEncode = Callable[[Words, int], bytes]


def _on_samples(encode: SampleEncode) -> Encode:
    """Move words to start at zero and tell the true depth; the 4 bytes of the offset count."""

    def encode_words(words: Words, hints: Hints) -> bytes:
        signed = words.view(f"i{words.itemsize}") if hints.signed else words
        offset = int(signed.min(initial=0))
        samples = (signed.astype(np.int32) - offset).astype(np.uint16)
        bits = max(1, int(samples.max(initial=0)).bit_length())
        narrow = samples.astype(np.uint8) if bits <= 8 else samples
        return bytes(offset.to_bytes(4, "little", signed=True) + encode(narrow, bits))

    return encode_words


def _to_words(decode: Callable[[bytes], NDArray[Any]]) -> Decode:
    def decode_words(stream: bytes, like: Words) -> NDArray[Any]:
        offset = int.from_bytes(stream[:4], "little", signed=True)
        samples = np.asarray(decode(stream[4:])).reshape(like.shape)
        mask = (1 << 8 * like.itemsize) - 1
        return ((samples.astype(np.int32) + offset) & mask).astype(like.dtype)

    return decode_words


def _jpegls(library: ModuleType) -> FrameCodec:
    def encode(samples: Words, bits: int) -> bytes:
        rows, columns = samples.shape
        return bytes(library.encode_buffer(samples.tobytes(), rows, columns, 1, bits, 0, 0))

    def decode(stream: bytes) -> NDArray[Any]:
        data, facts = library.decode_buffer(stream)
        return np.frombuffer(data, np.uint8 if facts["bits_per_sample"] <= 8 else "<u2")

    return FrameCodec("jpegls", _on_samples(encode), _to_words(decode))


def _jpeg2000(library: ModuleType) -> FrameCodec:
    def encode(samples: Words, bits: int) -> bytes:
        return bytes(
            library.jpeg2k_encode(
                samples, level=0, reversible=True, codecformat="j2k", bitspersample=bits
            )
        )

    return FrameCodec("j2k", _on_samples(encode), _to_words(library.jpeg2k_decode))


def _htj2k(library: ModuleType) -> SampleEncode:
    def encode(samples: Words, bits: int) -> bytes:
        return bytes(library.htj2k_encode(samples, reversible=True))

    return encode


def _jpegxl(library: ModuleType, effort: int) -> FrameCodec:
    def encode(samples: Words, bits: int) -> bytes:
        return bytes(
            library.jpegxl_encode(
                samples, lossless=True, effort=effort, bitspersample=bits, numthreads=1
            )
        )

    decode = partial(library.jpegxl_decode, numthreads=1)
    return FrameCodec(f"jxl-e{effort}", _on_samples(encode), _to_words(decode))


def _zstd(library: ModuleType) -> FrameCodec:
    def encode(words: Words, hints: Hints) -> bytes:
        return bytes(library.zstd_encode(words.tobytes(), level=19))

    def decode(stream: bytes, like: Words) -> NDArray[Any]:
        return np.frombuffer(library.zstd_decode(stream), like.dtype).reshape(like.shape)

    return FrameCodec("zstd-19", encode, decode)
