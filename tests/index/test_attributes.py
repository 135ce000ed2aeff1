from __future__ import annotations

import json
import math
from typing import NoReturn

import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from dicom.identifiers import encode_dataset
from service.index import Index
from service.index.attributes import attributes_of, dataset_of, from_json, to_json
from tests.index.made import add

EXPLICIT = "1.2.840.10008.1.2.1"
ACQUISITION_DURATION = 0x0018_9073


def measured(vr: str, values: list[float]) -> Dataset:
    dataset = Dataset()
    dataset.add_new(ACQUISITION_DURATION, vr, values)
    item = Dataset()
    item.add_new(ACQUISITION_DURATION, vr, values)
    dataset.AcquisitionContextSequence = Sequence([item])
    return dataset


def refuse(constant: str) -> NoReturn:
    raise AssertionError(f"{constant} is no JSON")


@pytest.mark.parametrize("vr", ["FL", "FD"])
@pytest.mark.parametrize(
    "values", [[math.nan], [1.5, math.inf, -math.inf, math.nan], [-0.0], [3.4e38, 1.4e-45]]
)
def test_numbers_that_json_has_not_come_back_from_it(vr: str, values: list[float]) -> None:
    dataset = measured(vr, values)
    written = to_json(attributes_of(dataset))
    json.loads(written, parse_constant=refuse)
    again = dataset_of(from_json(written))
    assert encode_dataset(again, EXPLICIT) == encode_dataset(dataset, EXPLICIT)


def test_an_instance_with_such_numbers_is_indexed(index: Index) -> None:
    added = add(index, AcquisitionDuration=math.nan, SOPInstanceUID="1.5")
    assert index.revisions.get(added.revision_id).servable.sop_instance_uid == "1.5"
