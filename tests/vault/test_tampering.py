"""Whatever happens to an object's bytes is a named fault of the right kind, or a named hint."""

from __future__ import annotations

from dataclasses import replace
from io import BytesIO

import numpy as np
import pytest

from service.errors import (
    Altered,
    DataFault,
    Swapped,
    Truncated,
    Undecodable,
    WrongInstance,
    WrongKey,
)
from service.keys import Keyring
from service.sealing.header import SealedHeader
from service.sealing.parts import HEADER_BYTES, PartType
from service.sealing.reader import ObjectReader
from service.sealing.writer import FRAME_MAGIC, kept_whole
from tests.vault.helpers import FixedKeys, archive_key
from tests.vault.objects import Sealed, content_of, image, seal, smooth

NAMED = (Truncated, Altered, Swapped, WrongInstance, WrongKey, Undecodable)


def small(frames: bool = True, whole: bool = False) -> Sealed:
    content = content_of(image(smooth(2, 4, 5)))
    return seal(kept_whole(content) if whole else content, frames)


def fault_of(sealed: Sealed) -> DataFault | None:
    """Open and decode as the audit does: the fault, if there is any, hints included."""
    try:
        reader = sealed.reader()
        reader.dataset()
        return reader.check_hints()
    except DataFault as fault:
        return fault


@pytest.mark.parametrize(("frames", "whole"), [(True, False), (False, False), (False, True)])
def test_every_altered_byte_is_named(frames: bool, whole: bool) -> None:
    sealed = small(frames, whole)
    assert fault_of(sealed) is None
    hints = 0
    for offset in range(len(sealed.data)):
        altered = replace(sealed, data=bytearray(sealed.data))
        altered.data[offset] ^= 0x21
        fault = fault_of(altered)
        assert fault is not None, f"byte {offset}"
        hints += not isinstance(fault, NAMED)
    assert hints == (8 if frames else 0), "the two entries of the Basic Offset Table"


@pytest.mark.parametrize(("frames", "whole"), [(True, False), (False, False), (False, True)])
def test_truncation_at_every_length_is_named_truncated(frames: bool, whole: bool) -> None:
    sealed = small(frames, whole)
    for length in range(len(sealed.data)):
        fault = fault_of(replace(sealed, data=sealed.data[:length]))
        assert isinstance(fault, Truncated), f"{length}: {fault!r}"


def test_bytes_behind_the_end_are_named() -> None:
    sealed = small()
    assert isinstance(fault_of(replace(sealed, data=sealed.data + b"\0\0")), DataFault)


def items(sealed: Sealed) -> tuple[int, int]:
    """Where the first frame's item starts, and how long items are (all alike here)."""
    first = sealed.data.index(FRAME_MAGIC + sealed.object_id) - 8
    length = int.from_bytes(sealed.data[first + 4 : first + 8], "little") + 8
    return first, length


def alike() -> Sealed:
    """An object whose frames take the same number of bytes."""
    return seal(content_of(image(np.stack([smooth(1, 6, 6)[0]] * 3))))


def test_swapped_frames_are_named() -> None:
    sealed = alike()
    first, length = items(sealed)
    one, two = (slice(first + n * length, first + (n + 1) * length) for n in (0, 1))
    sealed.data[one], sealed.data[two] = sealed.data[two], sealed.data[one]
    fault = fault_of(sealed)
    assert isinstance(fault, Swapped)
    assert "frame 1" in str(fault)
    assert "frame 2" in str(fault)


def test_a_swapped_frame_with_a_mended_header_is_named_altered() -> None:
    sealed = alike()
    first, length = items(sealed)
    body = 8 + len(FRAME_MAGIC) + 16 + HEADER_BYTES
    start, other = first + body, first + length + body
    sealed.data[start : first + length] = sealed.data[other : first + 2 * length]
    fault = fault_of(sealed)
    assert isinstance(fault, Altered)
    assert "frame 1" in str(fault)


def test_a_frame_of_another_object_is_named() -> None:
    sealed, other = alike(), alike()
    first, length = items(sealed)
    (theirs, _) = items(other)
    sealed.data[first : first + length] = other.data[theirs : theirs + length]
    assert isinstance(fault_of(sealed), Swapped)
    sealed.data[first + 12 : first + 28] = sealed.object_id
    assert isinstance(fault_of(sealed), Altered)


def test_a_dropped_frame_is_named() -> None:
    sealed = alike()
    first, length = items(sealed)
    del sealed.data[first + length : first + 2 * length]
    assert isinstance(fault_of(sealed), Truncated)


def test_the_altered_frame_is_told_and_the_others_still_open() -> None:
    sealed = seal(content_of(image(np.stack([smooth(1, 6, 6)[0]] * 3))), distance=1)
    first, length = items(sealed)
    sealed.data[first + 2 * length - 3] ^= 1
    reader = sealed.reader()
    reader.frame(0)
    reader.frame(2)
    with pytest.raises(Altered, match=r"^frame 2 does not authenticate$"):
        reader.frame(1)


@pytest.mark.parametrize(("damaged", "lost"), [(1, "; frames 2 to 4 "), (3, "; frame 4 "), (4, "")])
def test_what_is_lost_with_an_altered_frame_is_told_and_the_others_still_open(
    damaged: int, lost: str
) -> None:
    words = np.stack([smooth(1, 6, 6)[0]] * 9)
    sealed = seal(content_of(image(words)), distance=4)
    first, length = items(sealed)
    sealed.data[first + damaged * length - 3] ^= 1
    reader = sealed.reader()
    for number in (*range(damaged - 1), *range(4, 9)):
        assert np.array_equal(reader.frame(number), words[number])
    for number in range(damaged - 1, 4):
        with pytest.raises(Altered, match=f"frame {damaged} does not authenticate{lost}"):
            reader.frame(number)


@pytest.mark.parametrize("number", [0, 3, 4])
def test_a_key_frame_made_a_dependent_one_or_the_other_way_round_is_named(number: int) -> None:
    sealed = seal(content_of(image(np.stack([smooth(1, 6, 6)[0]] * 5))), distance=4)
    first, length = items(sealed)
    place = first + number * length + 8 + len(FRAME_MAGIC) + 16
    sealed.data[place] ^= PartType.KEY_FRAME ^ PartType.DEPENDENT_FRAME
    fault = fault_of(sealed)
    assert isinstance(fault, Altered | Swapped)
    assert f"frame {number + 1}" in str(fault)


def test_another_object_under_this_name_is_named() -> None:
    sealed, other = alike(), alike()
    with pytest.raises(WrongInstance):
        replace(sealed, data=other.data).reader()


def test_wrong_unknown_and_retired_keys_are_named() -> None:
    sealed = alike()
    impostor = replace(archive_key(2), key_id=archive_key(1).key_id)
    for keyring in (Keyring((archive_key(2),)), Keyring((impostor,))):
        with pytest.raises(WrongKey):
            sealed.reader(FixedKeys(keyring))
    both = Keyring((archive_key(1), archive_key(2))).activated(archive_key(2).key_id)
    sealed.reader(FixedKeys(both)).dataset()
    with pytest.raises(WrongKey, match="retired"):
        sealed.reader(FixedKeys(both.retired(archive_key(1).key_id)))


def test_without_its_model_a_frame_is_undecodable() -> None:
    noise = np.random.default_rng(1).integers(0, 60, (1, 64, 64))
    sealed = seal(content_of(image((smooth(1, 64, 64) + noise).astype("<u2"))))
    reader = ObjectReader(BytesIO(sealed.data), FixedKeys())
    with pytest.raises(Undecodable, match="frame 1 of 1"):
        reader.dataset()


def test_an_unknown_dictionary_is_undecodable() -> None:
    with pytest.raises(Undecodable, match="dictionary 999"):
        SealedHeader.unpack([b""], 999)


def test_a_wrong_sha256_is_never_given_out() -> None:
    content = content_of(image(smooth(1, 4, 4)))
    lied = replace(content, received=replace(content.received, sha256=bytes(32)))
    with pytest.raises(Undecodable, match="SHA-256"):
        seal(lied).reader().dataset()
