"""Golden vectors: coded frames and network outputs that every machine must reproduce.

Each model ships with a file of them. Frames and features are made from integers by formulas here,
so only the streams and digests are stored. A machine that fails must not decode, nor encode: its
arithmetic is not what the streams were made with.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load, save

from codec import CodecError, Hints, decode_frame, encode_frame
from codec.features import feature_count
from codec.lattice import PREDICTED
from models.network import NetworkPredictor

Words = NDArray[np.uint8] | NDArray[np.uint16]


class GoldenError(Exception):
    """This machine does not reproduce a model's golden vectors."""


def _noise(count: int, seed: int) -> NDArray[np.int64]:
    """Integers of 16 bits from a linear congruential generator (Knuth's MMIX constants)."""
    state, numbers = seed, []
    for _ in range(count):
        state = (state * 6364136223846793005 + 1442695040888963407) % (1 << 64)
        numbers.append(state >> 48)
    return np.array(numbers, np.int64)


class Frame(NamedTuple):
    """A frame to code: its words, what is known of them, and those of the frame before, if any."""

    words: Words
    hints: Hints = Hints()
    before: Words | None = None

    @property
    def references(self) -> tuple[Words, ...]:
        """As :func:`codec.encode_frame` takes them."""
        return () if self.before is None else (self.before,)


def frames() -> dict[str, Frame]:
    """Frames that between them use every part of the format."""
    noise = _noise(48 * 41, 1).reshape(48, 41)
    y, x = np.mgrid[0:48, 0:41]
    blob = np.maximum(0, 600 - (y - 24) ** 2 - (x - 20) ** 2)
    smooth = (blob * 3 + (noise & 15) * (blob > 0)).astype(np.uint16)
    signed = (smooth.astype(np.int32) - 1024).astype(np.int16).view(np.uint16)
    beside = (smooth + np.roll(smooth, -1, axis=1) + (noise & 1)) >> 1
    stretched = np.stack((smooth, beside), axis=2).reshape(48, 82).astype(np.uint16)
    sparse = (blob // 40 * 37 + (blob // 100) ** 2 * 111 + (noise & 1) * 37).astype(np.uint16)
    after = (np.roll(smooth, 1, axis=0) + (noise >> 14)).astype(np.uint16)
    known = Hints(bits_stored=12, high_bit=11)
    return {
        "smooth": Frame(smooth, known),
        "signed": Frame(signed, Hints(signed=True, bits_stored=16, high_bit=15)),
        "noise": Frame(noise.astype(np.uint16)),
        "bytes": Frame((noise >> 11).astype(np.uint8), Hints(bits_stored=8, high_bit=7)),
        "sparse": Frame(sparse),
        "repeated": Frame(np.repeat(smooth, 2, axis=0)),
        "stretched": Frame(stretched, known),
        "stretched rows": Frame(stretched.T.copy(), known),
        "rows that change little": Frame(_steep(), known),
        "columns that change little": Frame(_steep().T.copy(), known),
        "overlay": Frame((smooth | ((noise & 1) << 12)).astype(np.uint16), Hints(False, 12, 11)),
        "line": Frame(smooth[24:25].copy()),
        "constant": Frame(np.full((9, 9), 77, np.uint16)),
        "textures": Frame(_textures(), known),
        "after": Frame(after, known, before=smooth),
    }


def _steep() -> Words:
    """A frame that changes far more along its rows than from one to the next."""
    noise, row = _noise(64 * 64, 5).reshape(64, 64), np.arange(64)[:, None]
    slow = ((noise[1] >> 9) * row * (64 - row)) >> 9
    steep: NDArray[np.int64] = (noise[0] >> 5) + slow + (noise >> 13 == 0)
    return steep.astype(np.uint16)


def _textures() -> Words:
    """A frame of two textures, its left half's noise along columns and its right's along rows."""
    noise = _noise(140 * 140, 9).reshape(140, 140) >> 10
    halves = [sum(np.roll(noise, shift, axis) for shift in range(4)) for axis in (0, 1)]
    columns = np.arange(140) < 70
    return np.where(columns, halves[0], halves[1])[:128, :128].astype(np.uint16)


def _features(phase: int) -> NDArray[np.int8]:
    rows = feature_count(phase)
    values = _noise(rows * 64, 2 + phase).reshape(rows, 64) % 255 - 127
    return values.astype(np.int8)


def _layer_digests(predictor: NetworkPredictor) -> dict[str, str]:
    digests = {}
    for phase in PREDICTED:
        for number, outputs in enumerate(predictor.layer_outputs(phase, _features(phase))):
            data = outputs.astype("<i4").tobytes()
            digests[f"phase{phase}.layer{number}"] = sha256(data).hexdigest()
    return digests


def build(predictor: NetworkPredictor) -> bytes:
    """The golden vectors of a model, as they are stored."""
    tensors: dict[str, NDArray[np.uint8]] = {}
    for name, frame in frames().items():
        stream = encode_frame(frame.words, predictor, frame.hints, frame.references)
        tensors[f"stream.{name}"] = np.frombuffer(stream, np.uint8)
    for name, digest in _layer_digests(predictor).items():
        tensors[f"digest.{name}"] = np.frombuffer(bytes.fromhex(digest), np.uint8)
    return bytes(save(dict(sorted(tensors.items()))))


def check(predictor: NetworkPredictor, golden: bytes) -> None:
    """Reproduce a model's golden vectors, and code the same frames anew.

    Every compiled loop has run afterwards, so that none is compiled while work waits.

    Raises:
        GoldenError: a frame or a layer's output comes out otherwise; says which.
    """
    tensors: Mapping[str, NDArray[np.uint8]] = load(golden)
    for name, digest in _layer_digests(predictor).items():
        if tensors[f"digest.{name}"].tobytes().hex() != digest:
            raise GoldenError(f"{name} of model {predictor.digest.hex()} gives other integers")
    for name, frame in frames().items():
        _check_stream(name, frame, tensors[f"stream.{name}"].tobytes(), predictor)
        anew = encode_frame(frame.words, predictor, frame.hints, frame.references)
        _check_stream(name, frame, anew, predictor)


def _check_stream(name: str, frame: Frame, stream: bytes, predictor: NetworkPredictor) -> None:
    words, known = frame.words, {predictor.digest: predictor}
    shape = (words.shape[0], words.shape[1])
    try:
        decoded = decode_frame(stream, shape, words.dtype, known, frame.references)
    except CodecError as error:
        raise GoldenError(f"golden frame {name} does not decode: {error}") from error
    if not np.array_equal(decoded, words):
        raise GoldenError(f"golden frame {name} decodes to other words")
