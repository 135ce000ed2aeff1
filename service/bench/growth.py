"""How time grows with the pixels of a frame, and with the number of frames: it should be linear.

Images are made here from integers, the same on every machine, so that anyone can repeat the figures
without data. Times are CPU seconds of one process and one thread, from words to streams and back.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from codec import Hints
from models import registry
from models.exact import keep_to_one_thread
from service.multi_frame import decode_frames, encode_frames

SMALLEST_SIDE: Final = 64
STACKED_SIDE: Final = 128
"""Rows and columns of the frames of which there are many: 1000 have the pixels of 4096 x 4096."""
DISTANCE: Final = 16
"""Between key frames, as ``codec.key_frame_distance`` is by default."""
_HINTS: Final = Hints(bits_stored=12, high_bit=11)


@dataclass(frozen=True, slots=True)
class GrowthOptions:
    """What to measure.

    Attributes:
        largest: rows and columns of the largest single frame.
        frames: most frames of one object.
        progress: told each object before it is measured.
    """

    largest: int = 4096
    frames: int = 1000
    progress: Callable[[str], None] = lambda what: None


@dataclass(frozen=True, slots=True)
class Point:
    """One object.

    Attributes:
        side: rows and columns of its frames.
        frames: how many.
        bytes: of all streams.
        encode_s: CPU seconds for all frames.
        decode_s: CPU seconds for all frames.
    """

    side: int
    frames: int
    bytes: int
    encode_s: float
    decode_s: float

    @property
    def pixels(self) -> int:
        """Of all frames."""
        return self.side * self.side * self.frames


def bench_growth(options: GrowthOptions) -> list[Point]:
    """Measure single frames of growing size, then objects of growing length.

    Raises:
        ArithmeticError: a frame does not decode to what was coded.
    """
    keep_to_one_thread()
    registry.self_test()
    points = []
    for side, frames in _objects(options):
        options.progress(f"{frames} x {side} x {side}")
        points.append(_measure(side, frames))
    return points


def write_json(points: Sequence[Point], path: Path) -> None:
    """Write the points as a list of objects."""
    path.write_text(json.dumps([asdict(point) for point in points], indent=1))


def single(points: Sequence[Point]) -> list[Point]:
    """Those of one frame, by size."""
    return [point for point in points if point.frames == 1 and point.side != STACKED_SIDE]


def stacked(points: Sequence[Point]) -> list[Point]:
    """Those of frames of one size, by their number."""
    return [point for point in points if point.side == STACKED_SIDE]


def exponent(points: Sequence[Point], seconds: Callable[[Point], float]) -> float:
    """Fit time ~ pixels ** exponent by least squares of logarithms; 1 is linear growth."""
    pixels = np.log([point.pixels for point in points])
    return float(np.polyfit(pixels, np.log([seconds(point) for point in points]), 1)[0])


def _objects(options: GrowthOptions) -> Iterator[tuple[int, int]]:
    side = SMALLEST_SIDE
    while side <= options.largest:
        if side != STACKED_SIDE:
            yield side, 1
        side *= 2
    frames = 1
    while frames <= options.frames:
        yield STACKED_SIDE, frames
        frames *= 10


def _measure(side: int, frames: int) -> Point:
    words = [_frame(side, number) for number in range(frames)]
    predictor, predictors = registry.default(), registry.all_models()
    coded, encode_s = _timed(lambda: list(encode_frames(words, predictor, _HINTS, DISTANCE)))
    shape, dtype = (side, side), np.dtype(np.uint16)
    decoded, decode_s = _timed(lambda: list(decode_frames(coded, shape, dtype, predictors)))
    if not all(np.array_equal(one, other) for one, other in zip(decoded, words, strict=True)):
        raise ArithmeticError(f"frames of {side} x {side} do not come back as they were")
    return Point(side, frames, sum(len(stream.content) for stream in coded), encode_s, decode_s)


def _frame(side: int, number: int) -> NDArray[np.uint16]:
    """Make a slice of a round body in noise; the next slice is a little smaller."""
    y, x = np.ogrid[-1 : 1 : side * 1j, -1 : 1 : side * 1j]
    radius = np.hypot(x, y) + number / 4000
    body = np.where(radius < 0.8, 1000 + 400 * np.cos(9 * radius + 3 * x), 40)
    noise = np.random.default_rng(number).normal(0, 8, (side, side))
    return np.clip(body + noise, 0, 4095).astype(np.uint16)


T = TypeVar("T")


def _timed(work: Callable[[], T]) -> tuple[T, float]:
    start = time.process_time()
    result = work()
    return result, time.process_time() - start
