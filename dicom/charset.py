"""Specific Character Set of replies (PS3.5 6.1, PS3.3 C.12.1.1.2)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from pydicom.charset import decode_bytes, encode_string, python_encoding
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue

UTF_8: Final = ("ISO_IR 192",)

_TEXT_VRS: Final = frozenset({"LO", "LT", "PN", "SH", "ST", "UC", "UT"})
"""VRs that Specific Character Set applies to (PS3.5 6.1.2.3)."""

_DEFAULT_REPERTOIRE: Final = frozenset({"", "ISO_IR 6", "ISO 2022 IR 6"})
_LATIN_1: Final = "ISO 2022 IR 100"


def character_set(dataset: Dataset) -> tuple[str, ...]:
    """Give the values of Specific Character Set (0008,0005); none for the default repertoire."""
    value = dataset.get("SpecificCharacterSet") or ()
    terms = value if isinstance(value, (list, MultiValue)) else (value,) if value else ()
    return tuple(str(term).strip() for term in terms)


def holds(terms: Sequence[str], text: str) -> bool:
    """Whether a text can be written in a character set and read back the same.

    Unknown character sets hold nothing, not even ASCII.
    """
    terms = terms or ("",)
    if any(term not in python_encoding for term in terms):
        return False
    if text.isascii():
        return True
    if not all(_has_character(terms, character) for character in set(text)):
        return False
    encodings = [python_encoding[term] for term in terms]
    return decode_bytes(encode_string(text, encodings), encodings, set()) == text


def _has_character(terms: Sequence[str], character: str) -> bool:
    if terms[0] in _DEFAULT_REPERTOIRE and "\x80" <= character <= "\xff" and _LATIN_1 not in terms:
        # pydicom writes these as Latin-1 under the default repertoire, which is ASCII.
        return False
    return any(_can_encode(term, character) for term in terms)


def _can_encode(term: str, character: str) -> bool:
    codec = "ascii" if term in _DEFAULT_REPERTOIRE else python_encoding[term]
    try:
        character.encode(codec)
    except UnicodeEncodeError:
        return False
    return True


def texts(dataset: Dataset) -> Iterator[str]:
    """Walk the texts of a dataset and its sequences that Specific Character Set applies to."""
    for element in dataset:
        if element.VR == "SQ":
            for item in element.value:
                yield from texts(item)
        elif element.VR in _TEXT_VRS:
            values = element.value
            for value in values if isinstance(values, (list, MultiValue)) else (values,):
                yield "" if value is None else str(value)


def set_character_set(reply: Dataset, asked: Sequence[str], stored: Sequence[str]) -> None:
    """Set the Specific Character Set that a reply is to be encoded in.

    It is the query's if that holds every text of the reply, else the stored instance's, else UTF-8
    (ISO_IR 192). The default repertoire leaves the element out.

    Args:
        reply: an identifier that is complete otherwise; changed in place.
        asked: Specific Character Set of the query; none means the default repertoire.
        stored: Specific Character Set that the values were stored in.
    """
    contents = set(texts(reply))
    choices = (tuple(asked), tuple(stored))
    chosen = next((terms for terms in choices if all(holds(terms, t) for t in contents)), UTF_8)
    if "SpecificCharacterSet" in reply:
        del reply.SpecificCharacterSet
    if chosen:
        reply.SpecificCharacterSet = list(chosen) if len(chosen) > 1 else chosen[0]
