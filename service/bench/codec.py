"""Measuring codecs on the grayscale files of a folder: sizes, CPU seconds, exactness."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TypeVar

import numpy as np

from service.bench.peers import Measured, Radiolith, peers
from service.images import GrayscaleImage, grayscale_images


@dataclass(frozen=True, slots=True)
class BenchOptions:
    """What to measure.

    Attributes:
        folder: DICOM files; other files in it are passed over.
        json_path: where to write the rows, or None.
        stack: code the files of one series as one multi-frame object, in order of name.
        with_peers: measure the peer codecs too.
        runs: how often each call is timed; the least counts.
        progress: told each file's name before it is measured.
    """

    folder: Path
    json_path: Path | None = None
    stack: bool = False
    with_peers: bool = True
    runs: int = 1
    progress: Callable[[str], None] = lambda file: None


@dataclass(frozen=True, slots=True)
class Row:
    """One codec on one file.

    Attributes:
        file: its name within the folder; of a stack, its first file's.
        modality: Modality (0008,0060).
        rows: of a frame.
        columns: of a frame.
        frames: how many.
        bits: Bits Stored (0028,0101).
        codec: its name; ours starts with ``radiolith``.
        bytes: of all coded frames.
        encode_s: CPU seconds for all frames.
        decode_s: CPU seconds for all frames.
        exact: whether all frames came back as they were.
    """

    file: str
    modality: str
    rows: int
    columns: int
    frames: int
    bits: int
    codec: str
    bytes: int
    encode_s: float
    decode_s: float
    exact: bool


def bench_codec(options: BenchOptions) -> list[Row]:
    """Measure every codec on every file, one thread. Frames of peers stand alone.

    Raises:
        NotInstalled: peers are wanted and not installed.
    """
    codecs: list[Measured] = [Radiolith(), *(peers() if options.with_peers else [])]
    rows = []
    for number, image in enumerate(_images(options)):
        options.progress(image.file)
        if number == 0:
            for codec in codecs:
                _measure(codec, image, 1)
        rows += [_measure(codec, image, options.runs) for codec in codecs]
    if options.json_path is not None:
        options.json_path.write_text(json.dumps([asdict(row) for row in rows], indent=1))
    return rows


def _images(options: BenchOptions) -> Iterator[GrayscaleImage]:
    images = grayscale_images(options.folder)
    return _stacked(images) if options.stack else images


def _stacked(images: Iterator[GrayscaleImage]) -> Iterator[GrayscaleImage]:
    """Files of one series and geometry as one image each, in order of their first file."""
    series: dict[tuple[object, ...], list[GrayscaleImage]] = {}
    for image in images:
        key = (image.series, image.frames.shape[1:], image.frames.dtype, image.hints)
        series.setdefault(key, []).append(image)
    for members in series.values():
        yield replace(members[0], frames=np.concatenate([image.frames for image in members]))


def _measure(codec: Measured, image: GrayscaleImage, runs: int) -> Row:
    frames = [np.ascontiguousarray(frame) for frame in image.frames]
    streams, encode_s = _timed(lambda: codec.encode_all(frames, image.hints), runs)
    decoded, decode_s = _timed(lambda: codec.decode_all(streams, frames[0]), runs)
    exact = all(np.array_equal(d, f) for d, f in zip(decoded, frames, strict=True))
    count, rows, columns = image.frames.shape
    size = sum(len(stream) for stream in streams)
    return Row(
        image.file,
        image.modality,
        rows,
        columns,
        count,
        image.bits_stored,
        codec.name,
        size,
        encode_s,
        decode_s,
        exact,
    )


T = TypeVar("T")


def _timed(work: Callable[[], T], runs: int) -> tuple[T, float]:
    """What ``work`` returns and the least CPU seconds it took."""
    least = float("inf")
    for _ in range(runs):
        start = time.process_time()
        result = work()
        least = min(least, time.process_time() - start)
    return result, least
