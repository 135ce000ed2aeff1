"""Frames in order: each is coded, and decoded, by itself or with the one before it at hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from codec import Hints, decode_frame, encode_frame
from models import registry
from service import multi_frame
from service.multi_frame import decode_frames, encode_frames
from tests.vault.objects import smooth

WORDS = smooth(7, 20, 18)


@pytest.mark.parametrize("distance", [1, 2, 3, 7, 100])
def test_references(distance: int, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[tuple[str, list[int]]] = []

    def named(way: str, references: Any) -> None:
        found = [n for words in references for n in range(7) if np.array_equal(WORDS[n], words)]
        given.append((way, found))

    def encode(*arguments: Any) -> bytes:
        named("encode", arguments[3])
        return encode_frame(*arguments)

    def decode(*arguments: Any) -> Any:
        named("decode", arguments[4])
        return decode_frame(*arguments)

    monkeypatch.setattr(multi_frame, "encode_frame", encode)
    monkeypatch.setattr(multi_frame, "decode_frame", decode)
    streams = list(encode_frames(list(WORDS), registry.default(), Hints(), distance))
    decoded = decode_frames(streams, (20, 18), np.dtype(np.uint16), registry.all_models())
    assert np.array_equal(list(decoded), WORDS)
    wanted = [[n - 1] if n % distance else [] for n in range(7)]
    assert given == [("encode", at) for at in wanted] + [("decode", at) for at in wanted]
    assert [stream.is_dependent for stream in streams] == [bool(at) for at in wanted]
