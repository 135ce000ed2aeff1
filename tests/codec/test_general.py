"""The general path: any bytes come back, hostile streams allocate nothing they should not."""

from __future__ import annotations

from contextlib import suppress

import numpy as np
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from codec import CodecError, StreamError, UnknownMethodError, decode_general, encode_general


@given(st.binary(max_size=2000), st.sampled_from([1, 2, 3, 4, 8]))
def test_any_bytes_come_back(data: bytes, unit: int) -> None:
    stream = encode_general(data, unit)
    assert len(stream) <= len(data) + 1
    assert decode_general(stream, len(data)) == data


def test_words_profit_from_planes() -> None:
    words = (10_000 + np.cumsum(np.random.default_rng(0).integers(-3, 4, 50_000))).astype("<u2")
    data = words.tobytes() + b"odd"
    assert len(encode_general(data, 2)) < 0.85 * len(encode_general(data))
    assert decode_general(encode_general(data, 2), len(data)) == data


def test_results_over_the_limit_are_refused() -> None:
    for data in (bytes(1000), bytes(range(256))):
        with pytest.raises(StreamError):
            decode_general(encode_general(data), len(data) - 1)


def test_a_bomb_is_refused_before_it_is_allocated() -> None:
    bomb = bytes([1]) + zstandard.compress(bytes(1 << 26))
    with pytest.raises(StreamError):
        decode_general(bomb, 1 << 20)


@given(st.binary(max_size=300))
def test_hostile_streams_are_told_or_bounded(stream: bytes) -> None:
    with suppress(CodecError):
        assert len(decode_general(stream, 1000)) <= 1000


def test_unknown_methods_are_named() -> None:
    with pytest.raises(UnknownMethodError):
        decode_general(b"\x07abc", 100)
