"""The plan of a frame: how its words follow from its samples, and its bytes in the stream."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from codec.differences import Differences, sums
from codec.errors import StreamError
from codec.fields import FieldReader, put_block, put_number
from codec.general import decode_general, encode_general
from codec.setup import Range

_HIGH, _SIGNED, _STEP, _MAP, _CLIP, _ROWS, _COLUMNS, _DIFFERENCES = (1 << bit for bit in range(8))


@dataclass(frozen=True, slots=True)
class Plan:
    """How the words of a frame follow from its samples.

    Attributes:
        bits: stored bits; ``high`` holds the bits above, as words, where they are kept apart.
        signed: samples are sign-extended stored bits.
        minimum: the smallest value.
        step: all values are the smallest plus multiples of this.
        values: the values that occur (int64, ascending from 0), where they are mapped, else None.
        rows: bool per row of the frame, False where it repeats the row before, or None.
        columns: likewise for columns, after rows were left out.
        span: the range of samples.
        high: bits above the stored ones, or None.
        differences: what is coded in place of the samples.
    """

    bits: int
    signed: bool
    minimum: int
    step: int
    values: NDArray[np.int64] | None
    rows: NDArray[np.bool_] | None
    columns: NDArray[np.bool_] | None
    span: Range
    high: NDArray[np.uint16] | None = field(default=None)
    differences: Differences = Differences.NONE


Words = NDArray[np.uint8] | NDArray[np.uint16]


def put_plan(plan: Plan) -> bytes:
    """The plan's bytes, as :func:`take_plan` reads them."""
    flags = (
        (plan.high is not None) * _HIGH
        | plan.signed * _SIGNED
        | (plan.step > 1) * _STEP
        | (plan.values is not None) * _MAP
        | (plan.span.clip is not None) * _CLIP
        | (plan.rows is not None) * _ROWS
        | (plan.columns is not None) * _COLUMNS
        | (plan.differences != Differences.NONE) * _DIFFERENCES
    )
    parts = [bytes([flags, plan.bits]), put_number(plan.minimum & 0xFFFF)]
    if plan.high is not None:
        parts.append(put_block(encode_general(plan.high.astype("<u2").tobytes(), unit=2)))
    if plan.step > 1:
        parts.append(put_number(plan.step))
    parts.append(put_number(plan.span.limit) if plan.values is None else _put_values(plan.values))
    if plan.span.clip is not None:
        parts.append(put_number(plan.span.clip))
    parts += [put_mask(mask) for mask in (plan.rows, plan.columns) if mask is not None]
    if plan.differences != Differences.NONE:
        parts.append(put_number(plan.differences))
    return b"".join(parts)


def take_plan(fields: FieldReader, shape: tuple[int, int], allocated: int) -> Plan:
    """Read a plan for a frame of ``shape`` in words of ``allocated`` bits.

    Raises:
        StreamError: it is truncated or impossible.
    """
    flags, bits = fields.take(2)
    if not 0 < bits <= allocated:
        raise StreamError(f"a frame's plan has flags {flags:#x} and {bits} bits")
    minimum = fields.number(0xFFFF)
    high = _take_high(fields, shape) if flags & _HIGH else None
    step = max(fields.number(0xFFFF), 1) if flags & _STEP else 1
    values = _take_values(fields) if flags & _MAP else None
    limit = fields.number(0xFFFF) if values is None else len(values) - 1
    clip = fields.number(limit) if flags & _CLIP else None
    rows = _take_mask(fields, shape[0]) if flags & _ROWS else None
    columns = _take_mask(fields, shape[1]) if flags & _COLUMNS else None
    axis = _take_differences(fields) if flags & _DIFFERENCES else Differences.NONE
    signed, span = bool(flags & _SIGNED), Range(limit, clip)
    return Plan(bits, signed, minimum, step, values, rows, columns, span, high, axis)


def _take_differences(fields: FieldReader) -> Differences:
    axis = fields.number(Differences.COLUMNS)
    if axis == Differences.NONE:
        raise StreamError("a frame's plan has differences along no axis")
    return Differences(axis)


def _take_high(fields: FieldReader, shape: tuple[int, int]) -> NDArray[np.uint16]:
    size = 2 * shape[0] * shape[1]
    data = decode_general(fields.block(size + 1), size)
    if len(data) != size:
        raise StreamError("the plane of high bits is of another size than the frame")
    return np.frombuffer(data, "<u2").reshape(shape)


def _take_values(fields: FieldReader) -> NDArray[np.int64]:
    count = fields.number(0x10000)
    size = 2 * (count - 1)
    data = decode_general(fields.block(max(size, 0) + 3), max(size, 0))
    if count < 1 or len(data) != size:
        raise StreamError("the value map is of another size than it says")
    gaps = np.frombuffer(data, "<u2").astype(np.int64) + 1
    return np.concatenate((np.zeros(1, np.int64), np.cumsum(gaps)))


def _take_mask(fields: FieldReader, count: int) -> NDArray[np.bool_]:
    size = (count + 7) // 8
    data = decode_general(fields.block(size + 1), size)
    if len(data) != size:
        raise StreamError("a mask of repeats is of another size than the frame")
    mask = np.unpackbits(np.frombuffer(data, np.uint8), count=count).astype(np.bool_)
    if not mask[0]:
        raise StreamError("the first row or column cannot repeat another")
    return mask


def samples_shape(plan: Plan, shape: tuple[int, int]) -> tuple[int, int]:
    """Shape of the samples of a frame of ``shape``."""
    rows = shape[0] if plan.rows is None else int(plan.rows.sum())
    columns = shape[1] if plan.columns is None else int(plan.columns.sum())
    return rows, columns


def restore(plan: Plan, samples: NDArray[np.int32], dtype: np.dtype[np.generic]) -> Words:
    """The words of a frame: the inverse of :func:`analyse`."""
    samples = sums(samples, plan.span.limit, plan.differences)
    values = samples if plan.values is None else plan.values[samples]
    mask = (1 << plan.bits) - 1
    words = values.astype(np.uint32)
    if plan.step > 1:
        words *= np.uint32(plan.step)
    words += np.uint32(plan.minimum & mask)
    words &= np.uint32(mask)
    if plan.columns is not None:
        words = words[:, np.cumsum(plan.columns) - 1]
    if plan.rows is not None:
        words = words[np.cumsum(plan.rows) - 1]
    if plan.high is not None:
        words |= plan.high.astype(np.uint32) << np.uint32(plan.bits)
    return words.astype(dtype)


def gaps_of(values: NDArray[np.int64]) -> NDArray[np.uint16]:
    """How many values between those that occur do not."""
    return (np.diff(values) - 1).astype("<u2")


def _put_values(values: NDArray[np.int64]) -> bytes:
    return put_number(len(values)) + put_block(encode_general(gaps_of(values).tobytes(), unit=2))


def put_mask(mask: NDArray[np.bool_]) -> bytes:
    """Which rows or columns are kept, as the plan holds it."""
    return put_block(encode_general(np.packbits(mask).tobytes()))
