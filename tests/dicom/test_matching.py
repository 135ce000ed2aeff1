"""PS3.4 C.2.2.2, case by case."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataset import Dataset

from dicom.matching import (
    ListOfUid,
    Range,
    SingleValue,
    Universal,
    Wildcard,
    fold,
    matches,
    normal_form,
    parse_key,
)
from dicom.moments import normal_moment

PATIENT_NAME = 0x00100010
STUDY_DATE = 0x00080020


@pytest.mark.parametrize(
    ("vr", "value", "condition"),
    [
        ("LO", "", Universal()),
        ("LO", None, Universal()),
        ("PN", "*", Universal()),
        ("DA", "*", Universal()),
        ("LO", "A1", SingleValue("A1", "LO")),
        ("LO", " A1 ", SingleValue("A1", "LO")),
        ("IS", "*", SingleValue("*", "IS")),
        ("UI", "1.2*", SingleValue("1.2*", "UI")),
        ("UI", ["1.2", "1.3"], ListOfUid(("1.2", "1.3"))),
        ("PN", "DOE^J**", Wildcard("doe^j*", "PN", folds=True)),
        ("CS", "M?", Wildcard("M?", "CS")),
        ("DA", "20200101", Range("20200101", "20200101", "DA")),
        ("DA", "20200101-", Range("20200101", None, "DA")),
        ("DA", "-20200101", Range(None, "20200101", "DA")),
        ("DA", "2020.01.01-2020.02.02", Range("20200101", "20200202", "DA")),
        ("TM", "10", Range("100000.000000", "105959.999999", "TM")),
        ("TM", "1000-1230", Range("100000.000000", "123059.999999", "TM")),
        ("TM", "10:00:00.5-", Range("100000.500000", None, "TM")),
        ("DT", "2020-2021", Range("20200101000000.000000", "20211231235959.999999", "DT")),
        (
            "DT",
            "20200101120000-0500",
            Range("20200101120000.000000", "20200101120000.999999", "DT"),
        ),
        (
            "DT",
            "20200101120000-0500-20200101130000+0100",
            Range("20200101120000.000000", "20200101130000.999999", "DT"),
        ),
        ("DT", "20200101120000-0500-", Range("20200101120000.000000", None, "DT")),
        ("DA", "yesterday", SingleValue("yesterday", "DA")),
        ("IS", 7, SingleValue("7", "IS")),
        ("DS", "1.50", SingleValue("1.5", "DS")),
    ],
)
def test_parse_key(vr: str, value: Any, condition: Any) -> None:
    assert parse_key(0, vr, value) == condition


@pytest.mark.parametrize(
    ("vr", "key", "value", "expected"),
    [
        ("PN", "doe^JOHN", "Doe^John", True),
        ("PN", "Doe^John", "Doe^John^^^", True),
        ("PN", "Doe", "Doe^John", False),
        ("PN", "D?e*", "DOE^JOHN", True),
        ("PN", "MÜLLER*", "Mu\u0308ller^Hans", True),
        ("PN", "yamada*", "Yamada^Tarou=山田^太郎", True),
        ("PN", "山田*", "Yamada^Tarou=山田^太郎", True),
        ("PN", "=山田*", "Yamada^Tarou=山田^太郎", True),
        ("PN", "=山田*", "山田^太郎", False),
        ("PN", "==や*", "Yamada^Tarou=山田^太郎=やまだ^たろう", True),
        ("PN", "Yamada^Tarou=山田^太郎", "YAMADA^TAROU=山田^太郎=やまだ^たろう", True),
        ("PN", "Yamada^Tarou=山田^太郎", "Yamada^Tarou=山本^太郎", False),
        ("PN", "y*==や*", "Yamada^Tarou=山田^太郎=やまだ^たろう", True),
        ("LO", "abc", "ABC", False),
        ("LO", "a*", "Abc", False),
        ("LO", "a*c", "abbc", True),
        ("LO", "a?c", "abbc", False),
        ("LO", "a[b]*", "a[b]c", True),
        ("LO", "a[b]*", "abc", False),
        ("LO", "*%_*", "50%_x", True),
        ("LO", "*", "", True),
        ("LO", "a.c*", "abc", False),
        ("CS", "MR", "MR ", True),
        ("IS", "07", "7", True),
        ("DS", "1", "1.0", True),
        ("IS", "x", "7", False),
        ("UI", "1.2", "1.2\0", True),
        ("UI", "1.2", "1.2.3", False),
        ("DA", "20200101-20201231", "20200615", True),
        ("DA", "20200101-20201231", "2020.06.15", True),
        ("DA", "20200101-20201231", "20210101", False),
        ("DA", "20200101-", "", False),
        ("DA", "20200101-", "nonsense", False),
        ("TM", "10-12", "125959.999999", True),
        ("TM", "10-12", "13", False),
        ("TM", "100000", "10:00:00.123", True),
        ("DT", "2020", "20200615101010.5+0100", True),
        ("DT", "-2019", "20200615", False),
    ],
)
def test_matches(vr: str, key: str, value: str, expected: bool) -> None:
    assert matches(parse_key(0, vr, key), [value]) is expected


def test_one_value_of_several_is_enough() -> None:
    assert matches(parse_key(0, "CS", "CT"), ["MR", "CT"])
    assert matches(parse_key(0, "CS", ["CT", "US"]), ["MR", "US"])
    assert not matches(parse_key(0, "CS", ["CT", "US"]), ["MR"])
    assert matches(parse_key(0, "UI", ["1.2", "1.3"]), ["1.3"])


def test_only_a_universal_key_matches_without_value() -> None:
    assert matches(Universal(), [])
    assert not matches(parse_key(0, "LO", "A1"), [])
    assert not matches(parse_key(0, "DA", "-20200101"), [])


def item(**values: str) -> Dataset:
    dataset = Dataset()
    for keyword, value in values.items():
        setattr(dataset, keyword, value)
    return dataset


def test_all_keys_of_a_sequence_match_in_one_item() -> None:
    key = parse_key(0, "SQ", [item(CodeValue="T-1", CodingSchemeDesignator="SRT")])
    assert matches(key, [item(CodeValue="T-1", CodingSchemeDesignator="SRT", CodeMeaning="x")])
    assert not matches(key, [item(CodeValue="T-1"), item(CodingSchemeDesignator="SRT")])
    assert not matches(key, [])


def test_an_empty_sequence_key_is_universal() -> None:
    assert parse_key(0, "SQ", []) == Universal()
    assert parse_key(0, "SQ", [item(CodeValue="")]) == Universal()


@pytest.mark.timeout(20)
def test_a_hostile_pattern_takes_no_time() -> None:
    key = parse_key(0, "LO", "a*" * 30 + "b")
    assert not matches(key, ["a" * 3000])


DIGITS = st.integers(0, 235959).map(lambda number: f"{number:06d}")


@given(st.lists(st.tuples(DIGITS, st.integers(0, 999999)), min_size=2, max_size=2))
def test_normal_times_sort_as_times_do(times: list[tuple[str, int]]) -> None:
    texts = [normal_moment("TM", f"{digits}.{fraction:06d}") for digits, fraction in times]
    assert None not in texts
    first, second = texts
    assert first is not None
    assert second is not None
    assert (first < second) == (times[0] < times[1])


@given(st.text(max_size=30), st.sampled_from(["PN", "LO", "IS", "DS", "DA", "TM", "DT", "UI"]))
def test_normal_forms_are_stable(text: str, vr: str) -> None:
    once = normal_form(vr, text)
    assert normal_form(vr, once) == once
    assert fold(fold(text)) == fold(text)


@given(st.text(max_size=20), st.sampled_from(["PN", "LO", "SH", "DA", "TM", "DT", "IS", "DS"]))
def test_every_text_can_be_a_key(text: str, vr: str) -> None:
    matches(parse_key(0, vr, text), ["", "A", "20200101", text])
