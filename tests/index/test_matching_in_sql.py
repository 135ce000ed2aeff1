"""What the database leaves out must never match: find() against matching in Python alone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset

from dicom.matching import matches, parse_key
from service.index import Index
from tests.index.conftest import POLICY
from tests.index.made import add, dataset, found, texts

LETTERS = "aAbBsSßẞÉéıİǰŉﬁΣςσ%_/^[]*?=. 0" + "e\u0301\u0338\u00e9"
TEXTS = [
    "", "a", "A", "aa", "a%b", "a_b", "axb", "a/b", "a[b]", "a\u0301b", "áb", "straße", "STRASSE",
    "Straẞe", "Σίσυφος", "ΣΊΣΥΦΟΣ", "İstanbul", "istanbul", "ŉ", "ʼn", "ǰ", "e\u0338", "=\u0338",
    "ﬁn", "fin", "日本", "100%", "_", "/", "/%", "a*b", "\0a", "\ud800", "x" * 300,
]  # fmt: skip
NAMES = [*TEXTS, "Doe^Jane", "DOE^JANE^", "Doe^Jane=山田^太郎=やまだ^たろう", "=山田", "a==b"]
DATES = ["", "20240105", "2024.01.05", "20240106", "19700101", "nonsense", "202401", "20240105\0"]
TIMES = ["", "101112", "10:11:12", "10", "1011", "101112.5", "235959.999999", "240000", "x"]
KEYS = {
    "PatientName": ("PN", NAMES),
    "StudyID": ("SH", TEXTS),
    "AccessionNumber": ("SH", TEXTS),
    "StudyDescription": ("LO", TEXTS),
    "StudyDate": ("DA", DATES),
    "StudyTime": ("TM", TIMES),
    "ModalitiesInStudy": ("CS", ["CT", "MR", "ct", "C_", "", "CT%"]),
}
STUDIES = 60


def nth(values: list[str], number: int) -> str:
    return values[number % len(values)]


def study(number: int) -> dict[str, Any]:
    """Make study ``number``: its values walk through the lists at different speeds."""
    made: dict[str, Any] = {"StudyInstanceUID": f"1.{number}", "PatientID": f"P{number}"}
    for place, (keyword, (_, values)) in enumerate(KEYS.items()):
        made[keyword] = nth(values, number * (2 * place + 1))
    if number % 7 == 0:
        made["AccessionNumber"] = ["one", nth(TEXTS, number)]
    made["Modality"] = made.pop("ModalitiesInStudy")
    return made


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Index]:
    path: Path = tmp_path_factory.mktemp("index") / "index.sqlite"
    index = Index.open(f"sqlite:///{path}", POLICY, create=True)
    for number in range(STUDIES):
        add(index, **study(number))
    yield index
    index.close()


def expected(keys: dict[str, str]) -> list[str]:
    """Match in Python, every study against every key."""
    matched = []
    for number in range(STUDIES):
        values = study(number)
        values["ModalitiesInStudy"] = values["Modality"]
        if all(passes(keyword, key, values[keyword]) for keyword, key in keys.items()):
            matched.append(f"1.{number}")
    return matched


def passes(keyword: str, key: str, value: Any) -> bool:
    vr = KEYS[keyword][0]
    held = dataset(**{keyword: value})[keyword]
    values = [] if held.is_empty else (held.value if held.VM > 1 else [held.value])
    return matches(parse_key(0, vr, dataset(**{keyword: key})[keyword].value), values)


def patterns(values: list[str]) -> st.SearchStrategy[str]:
    """Draw a stored value, a part of one with wildcards around and inside, or anything."""
    stored = st.sampled_from(values)
    cut = st.tuples(stored, st.integers(0, 5), st.integers(0, 5), st.sampled_from(["*", "?", ""]))
    parts = cut.map(lambda drawn: drawn[3] + drawn[0][drawn[1] : -drawn[2] or None] + "*")
    holes = st.tuples(stored, st.integers(0, 5), st.sampled_from("*?")).map(
        lambda drawn: drawn[0][: drawn[1]] + drawn[2] + drawn[0][drawn[1] + 1 :]
    )
    ranges = st.tuples(stored, stored).map("-".join)
    return st.one_of(stored, parts, holes, ranges, st.text(LETTERS, max_size=6))


KEY_SETS = st.dictionaries(
    st.sampled_from(sorted(KEYS)), st.none(), min_size=1, max_size=3
).flatmap(lambda keys: st.fixed_dictionaries({key: patterns(KEYS[key][1]) for key in keys}))


@settings(max_examples=150)
@given(keys=KEY_SETS)
@example(keys={"StudyID": "stra?e"})
@example(keys={"StudyID": "a?b"})
@example(keys={"StudyID": "a*"})
@example(keys={"PatientName": "stra??e"})
@example(keys={"StudyDate": "2024.01.05-20240106", "StudyTime": "10-1011"})
def test_find_gives_what_matching_in_python_gives(filled: Index, keys: dict[str, Any]) -> None:
    assert texts(found(filled, "STUDY", **keys), "StudyInstanceUID") == expected(keys)


@pytest.mark.parametrize(
    ("pattern", "values"),
    [
        ("100%", ["100%"]),
        ("a%b", ["a%b"]),
        ("a_b", ["a_b"]),
        ("a/b", ["a/b"]),
        ("a?b", ["a%b", "a_b", "axb", "a/b"]),
        ("*%*", ["a%b", "100%", "/%"]),
        ("a[b]", ["a[b]"]),
    ],
)
def test_what_means_something_to_like_means_itself(
    tmp_path: Path, pattern: str, values: list[str]
) -> None:
    index = Index.open(f"sqlite:///{tmp_path / 'i.sqlite'}", POLICY, create=True)
    for number, value in enumerate(["a%b", "a_b", "axb", "a/b", "100%", "100x", "/%", "a[b]"]):
        add(index, StudyInstanceUID=f"1.{number}", StudyID=value)
    assert texts(found(index, "STUDY", StudyID=pattern), "StudyID") == values
    index.close()


def test_a_very_long_key_is_answered(filled: Index) -> None:
    assert found(filled, "STUDY", StudyDescription="a*" * 2000) == []
    uids = ["1.1", *(f"9.{number}" for number in range(5000))]
    asked: dict[str, Any] = {"StudyInstanceUID": uids}
    assert isinstance(dataset(**asked), Dataset)
    assert texts(found(filled, "STUDY", **asked), "StudyInstanceUID") == ["1.1"]
