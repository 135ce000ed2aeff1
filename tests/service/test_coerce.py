"""Corrected attributes in a dataset, for the nodes that get them."""

from __future__ import annotations

import pytest
from pydicom.dataset import Dataset

from dicom.attributes import read_attributes
from dicom.identifiers import encode_dataset
from service.coerce import apply
from tests.index.made import dataset

EXPLICIT = "1.2.840.10008.1.2.1"


def _coerced(changes: Dataset, **attributes: str) -> Dataset:
    encoded = encode_dataset(dataset(**attributes), EXPLICIT)
    return read_attributes(apply(changes, memoryview(encoded), EXPLICIT), EXPLICIT)


@pytest.mark.parametrize(
    ("name", "character_set"),
    [("Meier^Jörg", "ISO_IR 100"), ("山田^太郎", "ISO_IR 192"), (None, "ISO_IR 100")],
)
def test_corrections_and_all_other_text_stay_legible(name: str | None, character_set: str) -> None:
    coerced = _coerced(
        dataset(PatientName=name),
        SpecificCharacterSet="ISO_IR 100",
        StudyDescription="Schädel",
        PatientName="Müller^Hans",
    )
    assert coerced.SpecificCharacterSet == character_set
    assert coerced.StudyDescription == "Schädel"
    assert str(coerced.PatientName or "") == (name or "")
