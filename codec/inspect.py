"""What each part of a frame's stream costs, and how well its samples were predicted.

A stream is decoded with the decoder that every other reader uses, and its position noted wherever
one part ends and the next begins.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from codec.bitstream import POSITION, new_state
from codec.contexts import EIGHTHS, FLAT_SCALE, LEFT_OUT, SCALE_CONTEXTS, SCALES
from codec.decoding import Decoder
from codec.errors import MissingReferenceError, UnknownPredictorError
from codec.fields import FieldReader
from codec.frame import CHECKSUM_BYTES, LEARNED, NAME_BYTES, REFERENCED, decode_frame
from codec.lattice import Split, layout_of_split
from codec.levels import Level, Prediction
from codec.plan import Words, samples_shape, take_plan
from codec.predictor import Predictor
from codec.reading import Decoders
from codec.references import reference_samples
from codec.scales import Correction
from codec.setup import Range, Setup

METHODS = ("stored", "general", "learned", "learned, with the frame before")


@dataclass(frozen=True, slots=True)
class Inspection:
    """One frame's stream.

    Attributes:
        method: what the first byte says, in words.
        bits: of each part, in the order of the stream; together they are the stream.
        words: the frame.
        residuals: float64, NaN where no prediction is used: in the base, and where a sample equals
            the clip value; of the shape of the samples, which is the frame's less repeated rows
            and columns. Empty unless the method is a learned one.
        scales: float64, the log2 of the scale told for each sample, in octaves; NaN in the base.
        limit: the largest sample.
    """

    method: str
    bits: dict[str, int]
    words: Words
    residuals: NDArray[np.float64]
    scales: NDArray[np.float64]
    limit: int


def inspect_frame(
    stream: bytes,
    shape: tuple[int, int],
    dtype: np.dtype[np.generic] | type[np.generic],
    predictors: Mapping[bytes, Predictor],
    references: Sequence[Words] = (),
) -> Inspection:
    """Take a stream of :func:`codec.encode_frame` apart.

    Raises as :func:`codec.decode_frame` does.
    """
    words = decode_frame(stream, shape, dtype, predictors, references)
    nothing = np.empty((0, 0))
    if stream[0] not in (LEARNED, REFERENCED):
        bits = {"method": 8, "words": 8 * (len(stream) - 1)}
        return Inspection(METHODS[stream[0]], bits, words, nothing, nothing, 0)
    before = references[-1] if stream[0] == REFERENCED else None
    body, head, plan, limit = _apart(stream, shape, words, predictors, before)
    bits = {"method, model, checksum": 8 * head, "plan": 8 * plan}
    if body is None:
        return Inspection(METHODS[stream[0]], bits, words, nothing, nothing, limit)
    body.read()
    bits |= body.meter.bits
    bits["padding"] = 8 * len(stream) - sum(bits.values())
    return Inspection(METHODS[stream[0]], bits, words, body.residuals, body.scales, limit)


def _apart(
    stream: bytes,
    shape: tuple[int, int],
    words: Words,
    predictors: Mapping[bytes, Predictor],
    before: Words | None,
) -> tuple[_Metered | None, int, int, int]:
    """The decoder of the samples, if there are any, the bytes of head and plan, and the limit."""
    fields = FieldReader(stream[1:])
    name = fields.take(NAME_BYTES)
    fields.take(CHECKSUM_BYTES)
    head = 1 + NAME_BYTES + CHECKSUM_BYTES
    plan = take_plan(fields, shape, 8 * words.itemsize)
    body = fields.rest()
    plan_bytes = len(stream) - head - len(body)
    if plan.span.limit == 0:
        return None, head, plan_bytes, 0
    predictor = next((p for digest, p in predictors.items() if digest[:NAME_BYTES] == name), None)
    if predictor is None:
        raise UnknownPredictorError(f"no predictor named {name.hex()} is installed")
    if before is None and stream[0] == REFERENCED:
        raise MissingReferenceError("the stream refers to the frame before it")
    reference = None if before is None else reference_samples(plan, before)
    kept = samples_shape(plan, shape)
    decoder = _Metered(body, kept, plan.span, predictor, reference)
    return decoder, head, plan_bytes, plan.span.limit


@dataclass(slots=True)
class _Meter:
    """Bits by part: each mark takes what was read since the one before."""

    state: NDArray[np.uint64]
    bits: dict[str, int] = field(default_factory=dict)
    _seen: int = 0

    def mark(self, part: str) -> None:
        position = int(self.state[POSITION])
        self.bits[part] = self.bits.get(part, 0) + position - self._seen
        self._seen = position


class _Metered(Decoder):
    """The decoder, noting what it reads and predicts."""

    def __init__(
        self,
        stream: bytes,
        shape: tuple[int, int],
        span: Range,
        predictor: Predictor,
        reference: NDArray[np.int32] | None,
    ) -> None:
        super().__init__(stream, shape, span, predictor, reference)
        self.meter = _Meter(self._state, _seen=int(new_state()[POSITION]))
        self.meter.mark("splits")
        self.residuals = np.full(shape, np.nan)
        self.scales = np.full(shape, np.nan)
        self._number = len(self._splits) - 1

    def _read_levels(self, image: NDArray[np.int32]) -> NDArray[np.int32]:
        self.meter.mark("base")
        return super()._read_levels(image)

    def _read_setup(self, number: int, phase: int, shape: tuple[int, int]) -> Setup:
        self.meter.mark("classes of tiles")
        setup = super()._read_setup(number, phase, shape)
        self.meter.mark("kernels, corrections")
        return setup

    def _read_phase(
        self,
        level: Level,
        phase: int,
        prediction: Prediction,
        correction: Correction,
        decoders: Decoders,
    ) -> NDArray[np.int32]:
        self.meter.mark("tables")
        samples = super()._read_phase(level, phase, prediction, correction, decoders)
        self._note(phase, samples, prediction, correction)
        if phase == level.layout.predicted[-1]:
            self._number -= 1
        return samples

    def _read_symbols(
        self, contexts: NDArray[np.uint8], decoders: Decoders
    ) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        read = super()._read_symbols(contexts, decoders)
        asked = contexts[contexts != LEFT_OUT]
        kind = "clip values" if asked.max(initial=0) >= SCALE_CONTEXTS else "residuals"
        self.meter.mark(f"level {self._number}, {kind}")
        return read

    def _note(
        self,
        phase: int,
        samples: NDArray[np.int32],
        prediction: Prediction,
        correction: Correction,
    ) -> None:
        shape = prediction.linear.shape
        told = prediction.scales.astype(np.int64)
        scales = np.clip(told + correction.scale, 0, EIGHTHS * SCALES - 1) / 8
        scales[told == FLAT_SCALE] = 0
        whole = (prediction.means(correction.strength) + 8) >> 4
        residuals = np.where(samples == self._span.clip, np.nan, samples - whole)
        self._at(self.residuals, phase)[:] = residuals.reshape(shape)
        self._at(self.scales, phase)[:] = scales.reshape(shape)

    def _at(self, whole: NDArray[np.float64], phase: int) -> NDArray[np.float64]:
        """Where a phase of the level being read lies in the image, a view."""
        for split in self._splits[: self._number]:
            whole = whole[:: 1 if split == Split.COLUMNS else 2, :: 1 if split == Split.ROWS else 2]
        split = self._splits[self._number]
        layout = layout_of_split(split)
        row, column = layout.parities[layout.phases.index(phase)]
        upright = whole.T if split == Split.COLUMNS else whole
        return upright[row :: layout.steps[0], column :: layout.steps[1]]
