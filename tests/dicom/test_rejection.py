"""Rejection notes are read by title and evidence, and nothing in them raises."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataset import Dataset

from dicom.rejection import QUALITY, REASONS, read_rejection_note


def _item(**values: object) -> Dataset:
    made = Dataset()
    for keyword, value in values.items():
        setattr(made, keyword, value)
    return made


def _document(code: str, scheme: str = "DCM", uids: tuple[str, ...] = ("1.5",)) -> Dataset:
    named = [_item(ReferencedSOPInstanceUID=uid) for uid in uids]
    evidence = _item(
        StudyInstanceUID="1.1", ReferencedSeriesSequence=[_item(ReferencedSOPSequence=named)]
    )
    title = _item(CodeValue=code, CodingSchemeDesignator=scheme)
    return _item(
        ConceptNameCodeSequence=[title], CurrentRequestedProcedureEvidenceSequence=[evidence]
    )


@pytest.mark.parametrize("code", REASONS)
def test_every_reason_is_known(code: str) -> None:
    note = read_rejection_note(_document(code, uids=("1.5", "1.6", "1.5")))
    assert note is not None
    assert (note.code, note.instances) == (code, (("1.1", "1.5"), ("1.1", "1.6")))


@pytest.mark.parametrize(("code", "scheme"), [("113000", "DCM"), (QUALITY, "99LOCAL")])
def test_other_titles_reject_nothing(code: str, scheme: str) -> None:
    assert read_rejection_note(_document(code, scheme)) is None


def test_a_note_that_names_nothing_says_so() -> None:
    for keyword in ("CurrentRequestedProcedureEvidenceSequence", "ConceptNameCodeSequence"):
        document = _document(QUALITY)
        delattr(document, keyword)
        note = read_rejection_note(document)
        assert note is None or note.instances == ()


@given(
    st.sampled_from(["ConceptNameCodeSequence", "CurrentRequestedProcedureEvidenceSequence"]),
    st.one_of(st.none(), st.text(max_size=5), st.binary(max_size=5), st.integers()),
)
def test_what_stands_in_place_of_a_sequence_is_left_out(keyword: str, value: object) -> None:
    document = _document(QUALITY)
    del document[keyword]
    document.add_new(keyword, "LO", str(value))
    note = read_rejection_note(document)
    assert note is None or note.instances == ()
