"""Generate encoded datasets whose structure is known, by a writer of the tests' own."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import strategies as st

from dicom.elements import EXPLICIT_BIG, EXPLICIT_LITTLE, IMPLICIT_LITTLE, Encoding

SHORT = ["AE", "AS", "AT", "CS", "DA", "DS", "DT", "FD", "IS", "LO", "PN", "SH", "SS", "TM", "UI"]
LONG = ["OB", "OD", "OF", "OL", "OV", "OW", "UC", "UN", "UR", "UT", "SV", "UV"]
UNDEFINED = 0xFFFFFFFF
PIXEL_DATA = 0x7FE00010
ICON_IMAGE_SEQUENCE = 0x00880200

ENCODINGS = {
    "1.2.840.10008.1.2": IMPLICIT_LITTLE,
    "1.2.840.10008.1.2.1": EXPLICIT_LITTLE,
    "1.2.840.10008.1.2.2": EXPLICIT_BIG,
}


@dataclass(frozen=True)
class Element:
    tag: int
    vr: str
    value: bytes = b""


@dataclass(frozen=True)
class Item:
    elements: tuple[Element | Sequence, ...]
    delimited: bool = False


@dataclass(frozen=True)
class Sequence:
    tag: int
    items: tuple[Item, ...]
    delimited: bool = False
    vr: str = "SQ"
    """UN writes the items in implicit VR little endian, of undefined length (PS3.5 6.2.2)."""


def number(value: int, size: int, encoding: Encoding) -> bytes:
    return value.to_bytes(size, "little" if encoding.little else "big")


def header(tag: int, vr: str, length: int, encoding: Encoding) -> bytes:
    start = number(tag >> 16, 2, encoding) + number(tag & 0xFFFF, 2, encoding)
    if not encoding.explicit or not vr:
        return start + number(length, 4, encoding)
    if vr in LONG or vr == "SQ":
        return start + vr.encode() + b"\0\0" + number(length, 4, encoding)
    return start + vr.encode() + number(length, 2, encoding)


def encode(elements: tuple[Element | Sequence, ...], encoding: Encoding) -> bytes:
    return b"".join(encode_one(element, encoding) for element in elements)


def encode_one(element: Element | Sequence, encoding: Encoding) -> bytes:
    if isinstance(element, Element):
        return header(element.tag, element.vr, len(element.value), encoding) + element.value
    inside = IMPLICIT_LITTLE if element.vr == "UN" else encoding
    items = b"".join(encode_item(item, inside) for item in element.items)
    if element.delimited or element.vr == "UN":
        start = header(element.tag, element.vr, UNDEFINED, encoding)
        return start + items + header(0xFFFEE0DD, "", 0, inside)
    return header(element.tag, element.vr, len(items), encoding) + items


def encode_item(item: Item, encoding: Encoding) -> bytes:
    content = encode(item.elements, encoding)
    if item.delimited:
        end = header(0xFFFEE00D, "", 0, encoding)
        return header(0xFFFEE000, "", UNDEFINED, encoding) + content + end
    return header(0xFFFEE000, "", len(content), encoding) + content


# Below 0x5000 bytes no length looks like the letters of a VR, as in real heads.
VALUES = st.binary(max_size=40)

TAGS = st.one_of(
    st.integers(0x00080006, 0x0008FFFF),  # behind Specific Character Set
    st.integers(0x00091000, 0x0009FFFF),
    st.integers(0x00400001, 0x0040FFFF),
    st.integers(0x7FDF1000, 0x7FDFFFFF),
)

LEAVES = st.builds(Element, TAGS, st.sampled_from(SHORT + LONG), VALUES)

ICON_PIXELS = st.builds(Element, st.just(PIXEL_DATA), st.sampled_from(["OB", "OW"]), VALUES)

ELEMENTS: st.SearchStrategy[Element | Sequence] = st.recursive(
    LEAVES,
    lambda children: st.builds(
        Sequence,
        st.one_of(TAGS, st.just(ICON_IMAGE_SEQUENCE)),
        st.lists(
            st.builds(
                Item,
                st.lists(st.one_of(children, ICON_PIXELS), max_size=4).map(tuple),
                st.booleans(),
            ),
            max_size=3,
        ).map(tuple),
        st.booleans(),
        st.sampled_from(["SQ", "SQ", "UN"]),
    ),
    max_leaves=12,
)


def by_tag(elements: list[Element | Sequence]) -> tuple[Element | Sequence, ...]:
    return tuple(sorted(elements, key=lambda element: element.tag))


HEADS = st.lists(ELEMENTS, max_size=8, unique_by=lambda element: element.tag).map(by_tag)
