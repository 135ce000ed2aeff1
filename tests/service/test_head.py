"""The head window takes what the index needs and stops."""

import zlib

import pytest

from service.head import FIRST_LOOK, LARGEST, Head

EXPLICIT = "1.2.840.10008.1.2.1"
DEFLATED = "1.2.840.10008.1.2.1.99"
JPEG = "1.2.840.10008.1.2.4.50"


def _element(group: int, element: int, vr: bytes, value: bytes) -> bytes:
    tag = group.to_bytes(2, "little") + element.to_bytes(2, "little")
    return tag + vr + b"\0\0" + len(value).to_bytes(4, "little") + value


def _feed(head: Head, dataset: bytes, step: int = 16_000) -> None:
    for start in range(0, len(dataset), step):
        head.write(dataset[start : start + step])


SMALL = _element(0x0029, 0x1010, b"OB", bytes(1000))
LARGE = _element(0x0029, 0x1010, b"OB", bytes(300_000))
PIXELS = _element(0x7FE0, 0x0010, b"OW", bytes(4_000_000))
FRAGMENTS = b"\xe0\x7f\x10\0OB\0\0\xff\xff\xff\xff" + bytes(4_000_000)


@pytest.mark.parametrize(("syntax", "pixels"), [(EXPLICIT, PIXELS), (JPEG, FRAGMENTS)])
@pytest.mark.parametrize("first", [SMALL, LARGE])
def test_it_takes_the_head_and_little_of_the_pixels(
    first: bytes, pixels: bytes, syntax: str
) -> None:
    head = Head(syntax)
    _feed(head, first + pixels)
    assert head.taken[: len(first)] == first
    assert len(head.taken) <= max(2 * (len(first) + 16_000), FIRST_LOOK + 16_000)


def test_a_dataset_without_pixels_is_taken_up_to_the_limit() -> None:
    dataset = _element(0x0042, 0x0011, b"OB", bytes(LARGEST + 5))
    head = Head(EXPLICIT)
    _feed(head, dataset, 1 << 20)
    assert head.taken == dataset[:LARGEST]


def test_a_short_dataset_is_taken_whole_also_deflated() -> None:
    for syntax, dataset in ((EXPLICIT, SMALL), (DEFLATED, zlib.compress(LARGE))):
        head = Head(syntax)
        _feed(head, dataset, 7)
        assert head.taken == dataset
