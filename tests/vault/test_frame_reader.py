"""Any frame is decoded from its key frame on, and going through all decodes each once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from codec import decode_frame
from service.sealing import frame_reader
from tests.vault.objects import Sealed, content_of, image, seal, smooth

WORDS = smooth(11, 9, 8)
DISTANCE = 4


@pytest.fixture
def sealed() -> Sealed:
    """Key frames are 0, 4 and 8."""
    return seal(content_of(image(WORDS)), distance=DISTANCE)


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, list[int]]]:
    """Note which frames are decoded, and which are at hand as references."""
    noted: list[tuple[int, list[int]]] = []

    def name(words: Any) -> int:
        return next(number for number in range(len(WORDS)) if np.array_equal(WORDS[number], words))

    def decode(*arguments: Any) -> Any:
        words = decode_frame(*arguments)
        references: Sequence[Any] = arguments[4]
        noted.append((name(words), [name(reference) for reference in references]))
        return words

    monkeypatch.setattr(frame_reader, "decode_frame", decode)
    return noted


def test_one_frame_takes_those_from_its_key_frame_on(
    sealed: Sealed, decoded: list[tuple[int, list[int]]]
) -> None:
    assert np.array_equal(sealed.reader().frame(6), WORDS[6])
    assert decoded == [(4, []), (5, [4]), (6, [5])]


def test_a_key_frame_takes_no_other(sealed: Sealed, decoded: list[tuple[int, list[int]]]) -> None:
    assert np.array_equal(sealed.reader().frame(8), WORDS[8])
    assert decoded == [(8, [])]


def test_all_frames_are_decoded_once_each(
    sealed: Sealed, decoded: list[tuple[int, list[int]]]
) -> None:
    assert b"".join(sealed.reader().body()) == WORDS.tobytes()
    assert decoded == [(n, [n - 1] if n % DISTANCE else []) for n in range(len(WORDS))]


def test_frames_in_any_order_and_twice(
    sealed: Sealed, decoded: list[tuple[int, list[int]]]
) -> None:
    reader = sealed.reader()
    for number in (5, 5, 7, 6, 0, 3, 10):
        assert np.array_equal(reader.frame(number), WORDS[number])
    assert [number for number, _ in decoded] == [4, 5, 6, 7, 4, 5, 6, 0, 1, 2, 3, 8, 9, 10]


def test_what_is_kept_for_the_next_frame_cannot_be_changed(sealed: Sealed) -> None:
    with pytest.raises(ValueError, match="read-only"):
        sealed.reader().frame(0)[0, 0] = 1


def test_without_such_a_frame(sealed: Sealed) -> None:
    with pytest.raises(IndexError):
        sealed.reader().frame(len(WORDS))
