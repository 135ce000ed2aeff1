"""What a coded file, or the codec on a file, costs and takes."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from codec import Predictor, decode_frame, encode_frame
from codec.inspect import Inspection, inspect_frame
from service.coded.content import Coded, decode_file, decode_words, encode_file
from service.sealing.frames import Words
from service.sealing.header import FrameShape


@dataclass(frozen=True, slots=True)
class Metrics:
    """A coded file in figures; times are seconds of CPU.

    Attributes:
        kind: of the file.
        coding: ``frames`` (learned codec), or ``general`` (the file as it is).
        frames: how many.
        file_bytes: of the file.
        coded_bytes: of the coded file, without its sealing.
        ratio: the one over the other.
        bits_per_pixel: of the frames' streams.
        mse: mean squared residual of the samples that are predicted.
        psnr: 10 log10(largest sample ** 2 / mse), in dB.
        encode_s: all of encoding, where the file was encoded here.
        decode_s: all of decoding.
    """

    kind: str
    coding: str
    frames: int
    file_bytes: int
    coded_bytes: int
    ratio: float
    bits_per_pixel: float | None
    mse: float | None
    psnr: float | None
    encode_s: float | None
    decode_s: float


@dataclass(frozen=True, slots=True)
class Report:
    """Figures, and the bits of each part of the stream."""

    metrics: Metrics
    bits: Mapping[str, int]


def timed_encode(data: bytes, predictor: Predictor) -> tuple[Coded, float]:
    """Code a file; raises as :func:`service.coded.content.encode_file` does."""
    _warm_up(predictor)
    start = time.process_time()
    coded = encode_file(data, predictor)
    return coded, time.process_time() - start


def report(
    coded: Coded, predictors: Mapping[bytes, Predictor], encode_s: float | None = None
) -> Report:
    """Decode a coded file, and take its frames apart.

    Raises:
        Undecodable: it does not give back the file.
    """
    for predictor in predictors.values():
        _warm_up(predictor)
    start = time.process_time()
    decode_file(coded, predictors)
    decode_s = time.process_time() - start
    found = inspect_frames(coded, predictors)
    size = len(coded.pack())
    bits: dict[str, int] = {"file but its samples": 8 * len(coded.rest)}
    bits["record"] = 8 * (size - len(coded.rest) - sum(len(s.content) for s in coded.streams))
    for inspection in found:
        for part, count in inspection.bits.items():
            bits[part] = bits.get(part, 0) + count
    mse, psnr = _errors(found)
    metrics = Metrics(
        kind=coded.facts["kind"],
        coding="general" if coded.shape is None else "frames",
        frames=len(coded.streams),
        file_bytes=coded.facts["length"],
        coded_bytes=size,
        ratio=coded.facts["length"] / size,
        bits_per_pixel=_bits_per_pixel(coded, coded.shape),
        mse=mse,
        psnr=psnr,
        encode_s=encode_s,
        decode_s=decode_s,
    )
    return Report(metrics, bits)


def inspect_frames(coded: Coded, predictors: Mapping[bytes, Predictor]) -> list[Inspection]:
    """Take each frame's stream apart."""
    words: list[Words | None] = [None, *decode_words(coded, predictors)]
    return [
        inspect_frame(
            stream.content,
            (here.shape[0], here.shape[1]),
            here.dtype,
            predictors,
            () if before is None or not stream.is_dependent else (before,),
        )
        for stream, (before, here) in zip(coded.streams, pairwise(words), strict=True)
        if here is not None
    ]


def _warm_up(predictor: Predictor) -> None:
    """Load the machine code of all loops, which would count as the first frame's time."""
    words = (np.arange(64 * 64).reshape(64, 64) * 40503 >> 8 & 0xFF).astype(np.uint16)
    stream = encode_frame(words, predictor)
    decode_frame(stream, (64, 64), np.uint16, {predictor.digest: predictor})


def _bits_per_pixel(coded: Coded, shape: FrameShape | None) -> float | None:
    if shape is None:
        return None
    bits = 8 * sum(len(stream.content) for stream in coded.streams)
    return bits / (shape.rows * shape.columns * shape.frames)


def _errors(found: list[Inspection]) -> tuple[float | None, float | None]:
    residuals = [r[~np.isnan(r)] for r in (inspection.residuals for inspection in found)]
    count = sum(map(len, residuals))
    if not count:
        return None, None
    mse = float(sum((part**2).sum() for part in residuals) / count)
    peak = max(inspection.limit for inspection in found)
    return mse, 10 * float(np.log10(peak**2 / mse)) if mse else None
